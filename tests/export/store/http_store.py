"""A real web host over a folder, which can be told to misbehave, and counts what it sends."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import re
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"
PIECE = 2**14


@dataclass
class HttpStore:
    """The switches of a host; change them while it runs.

    Attributes:
        folder: Whose files it gives.
        ranges: Whether it knows Range and If-Range.
        etag: "strong", "weak" or None.
        modified: Whether it gives Last-Modified.
        length: Added to the true Content-Length; None for no Content-Length.
        cut: Bytes of a body after which it hangs up, as often as `cuts` says.
        wrong: Whether archives have other bytes of the same size.
        longer: Bytes that it sends beyond the file.
        statuses: Answers to give first, whatever is asked of a path that ends so: [(end of path, status)].
        redirects: Path -> Location.
        range_answer: Status and Content-Range of all answers to a Range, if not the right ones.
        encoding: Content-Encoding that it names, of bytes that are as they are.
        rate: Bytes per second of each body.
        sent: Bytes of all bodies so far.
        requests: (path, headers in lower case, status) of each.
        url: Where it is.
    """

    folder: Path
    ranges: bool = True
    etag: str | None = "strong"
    modified: bool = True
    length: int | None = 0
    cut: int | None = None
    cuts: int = 10**9
    wrong: bool = False
    longer: int = 0
    statuses: list[tuple[str, int]] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    range_answer: tuple[int, str] | None = None
    encoding: str | None = None
    rate: float | None = None
    sent: int = 0
    requests: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    url: str = ""

    def archive_requests(self) -> list[tuple[dict[str, str], int]]:
        """Returns headers and status of each request for an archive."""
        return [(headers, status) for path, headers, status in self.requests if path.endswith(".tar.gz")]


@contextlib.contextmanager
def serving(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[HttpStore]:
    """Runs a host on a free port of this machine."""
    store = HttpStore(folder)
    lock = threading.Lock()

    class Handler(_Handler):
        host, counting = store, lock

    server = _Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    store.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hangs up is what some tests do."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    host: HttpStore
    counting: threading.Lock

    def do_GET(self) -> None:
        host, path = self.host, urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        with self.counting:
            first = next((item for item in host.statuses if path.endswith(item[0])), None)
            if first:
                host.statuses.remove(first)
        file = host.folder / path.lstrip("/")
        if first:
            self._head(first[1], {"Content-Length": "0"})
        elif path in host.redirects:
            self._head(302, {"Location": host.redirects[path], "Content-Length": "0"})
        elif file.is_file():
            self._give(path, file.read_bytes())
        else:
            self._head(404, {"Content-Length": "0"})

    def _give(self, path: str, body: bytes) -> None:
        host, headers = self.host, self._validators(body)
        status, start = 200, self._start(headers)
        if self._unchanged(headers):
            self._head(304, headers)
            return
        if start is not None and start >= len(body):
            self._head(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
            return
        if host.wrong and path.endswith(".tar.gz"):
            body = body[:-1] + bytes([body[-1] ^ 1])
        if start is not None:
            status, headers["Content-Range"] = 206, f"bytes {start}-{len(body) - 1}/{len(body)}"
            if host.range_answer:
                status, headers["Content-Range"] = host.range_answer
            body = body[start:]
        if host.encoding:
            headers["Content-Encoding"] = host.encoding
        if host.length is not None:
            headers["Content-Length"] = str(len(body) + host.length)
        self._head(status, headers)
        self._send(body + bytes(host.longer))

    def _validators(self, body: bytes) -> dict[str, str]:
        headers = {"Last-Modified": MODIFIED} if self.host.modified else {}
        if self.host.etag:
            tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
            headers["ETag"] = tag if self.host.etag == "strong" else f"W/{tag}"
        return headers

    def _unchanged(self, headers: dict[str, str]) -> bool:
        if asked := self.headers.get("If-None-Match"):
            return asked == headers.get("ETag")
        asked = self.headers.get("If-Modified-Since")
        return asked is not None and asked == headers.get("Last-Modified")

    def _start(self, headers: dict[str, str]) -> int | None:
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if not self.host.ranges or not asked:
            return None
        condition = self.headers.get("If-Range")
        if condition is not None and condition not in {headers.get("ETag"), headers.get("Last-Modified")}:
            return None
        return int(asked[1])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        with self.counting:
            self.host.requests.append(
                (self.path, {key.lower(): value for key, value in self.headers.items()}, status)
            )
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        if "Content-Length" not in headers and status not in {304}:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def _send(self, body: bytes) -> None:
        with self.counting:
            cut = self.host.cut if self.host.cuts and self.host.cut is not None else len(body)
            self.host.cuts -= cut < len(body)
        if cut < len(body) or self.host.longer or self.host.length:
            self.close_connection = True
        try:
            for begin in range(0, min(cut, len(body)), PIECE):
                piece = body[begin : min(begin + PIECE, cut)]
                self.wfile.write(piece)
                with self.counting:
                    self.host.sent += len(piece)
                if self.host.rate:
                    time.sleep(len(piece) / self.host.rate)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
