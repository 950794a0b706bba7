"""A store on a web host: plain static files over HTTP, continued by Range where the host can."""

from __future__ import annotations

import functools
import re
import ssl
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from export.store.source import Content, Source, SourceError, Stream

CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
REDIRECTS = 5
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@functools.cache
def tls() -> ssl.SSLContext:
    """Returns what all hosts share: reading the certificates of the authorities takes 0.1 s."""
    return httpx.create_ssl_context()


class WebHost(Source):
    """A store behind an http:// or https:// URL.

    Args:
        url: Of the folder that holds index.json; a user name and password in it are sent and never shown.
    """

    remote = True

    def __init__(self, url: str) -> None:
        parts = urllib.parse.urlsplit(url.rstrip("/"))
        self._base = parts.geturl()
        self.url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._client = httpx.Client(
            verify=tls(),
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            # The sizes and digests of the index are those of the bytes as they are stored.
            headers={"Accept-Encoding": "identity", "User-Agent": "mizoo"},
        )

    def read_newer(self, path: str, limit: int, validator: str | None) -> Content | None:
        """Reads a file, or asks by If-None-Match or If-Modified-Since whether it has changed."""
        headers = {}
        if validator is not None:
            headers["If-None-Match" if _is_etag(validator) else "If-Modified-Since"] = validator
        with self._get(path, headers) as response:
            if response.status_code == 304 and validator is not None:
                return None
            self._check(response, {200})
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise SourceError(self.url, f"{path} comes encoded, which was not asked for")
            size = self._size(response)
            if size is not None and size > limit:
                raise SourceError(self.url, f"{path} has {size} bytes, more than {limit}")
            raw = bytearray()
            for chunk in response.iter_raw():
                raw += chunk
                if len(raw) > limit:
                    raise SourceError(self.url, f"{path} has more than {limit} bytes")
            etag = response.headers.get("ETag")
            return Content(bytes(raw), etag or response.headers.get("Last-Modified"))

    @contextmanager
    def stream(self, path: str, start: int, validator: str | None) -> Iterator[Stream]:
        """Opens a file by Range and If-Range."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and validator is not None:
            headers["If-Range"] = validator
        with self._get(path, headers) as response:
            if start and response.status_code == 416:
                raise SourceError(self.url, f"{path} has no byte {start}", transient=True, restart=True)
            self._check(response, {200, 206} if start else {200})
            begin, size = 0, self._size(response)
            if response.status_code == 206:
                found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if found is None or int(found[1]) != start:
                    raise SourceError(
                        self.url, f"{path} comes in another range", transient=True, restart=True
                    )
                begin, size = start, None if found[2] == "*" else int(found[2])
            yield Stream(begin, size, _strong(response.headers), response.iter_raw())

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    @contextmanager
    def _get(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        request = self._client.build_request(
            "GET", f"{self._base}/{urllib.parse.quote(path)}", headers=headers
        )
        try:
            for _ in range(REDIRECTS + 1):
                response = self._client.send(request, stream=True)
                if response.next_request is None:
                    try:
                        yield response
                    finally:
                        response.close()
                    return
                response.close()
                request = self._redirected(request.url, response.next_request)
        except httpx.TransportError as error:
            reason = f"{type(error).__name__}: {error}".rstrip(": ")
            raise SourceError(self.url, reason, transient=True) from error
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            raise SourceError(self.url, f"{type(error).__name__}: {error}") from error
        raise SourceError(self.url, f"{path} is redirected more than {REDIRECTS} times")

    def _redirected(self, origin: httpx.URL, request: httpx.Request) -> httpx.Request:
        # Another scheme would read the caller's own files, or send over plain HTTP what was asked for over TLS.
        if request.url.scheme != "https" and (request.url.scheme, origin.scheme) != ("http", "http"):
            raise SourceError(
                self.url, f"it redirects from {origin.scheme} to {request.url.scheme}, which is not followed"
            )
        return request

    def _check(self, response: httpx.Response, accepted: set[int]) -> None:
        status = response.status_code
        if status not in accepted:
            reason = f"{response.url.path} gives {status} {response.reason_phrase}".rstrip()
            raise SourceError(self.url, reason, transient=status in _TRANSIENT)

    def _size(self, response: httpx.Response) -> int | None:
        text = response.headers.get("Content-Length")
        if text is None:
            return None
        if not re.fullmatch(r"\d{1,18}", text):
            raise SourceError(self.url, f"Content-Length is {text!r}")
        return int(text)


def _is_etag(validator: str) -> bool:
    return validator.startswith(('"', 'W/"'))


def _strong(headers: httpx.Headers) -> str | None:
    """A weak ETag says only that two files mean the same, not that their bytes can be joined."""
    etag: str | None = headers.get("ETag")
    return etag if etag is not None and etag.startswith('"') else headers.get("Last-Modified")
