"""Where the files of a store come from: folders here; web hosts are in `export.store.web`."""

from __future__ import annotations

import os
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from zoo.errors import StoreError

CHUNK = 2**20
ENVIRONMENT = "MIZOO_STORE"


class SourceError(StoreError):
    """A source that does not give what it is asked for.

    Args:
        url: The source.
        reason: Why, without the source.
        transient: The same question may be answered a moment later.
        restart: The file cannot be continued where it was left; it may be read from its beginning.
    """

    def __init__(self, url: str, reason: str, *, transient: bool = False, restart: bool = False) -> None:
        self.url, self.reason, self.transient, self.restart = url, reason, transient, restart
        super().__init__(f"{url}: {reason}.", fix="correct the URL or folder, or name another source")


@dataclass(frozen=True)
class Content:
    """A whole small file, and what tells the source later whether it has changed (an ETag or a date)."""

    raw: bytes
    validator: str | None = None


@dataclass(frozen=True)
class Stream:
    """A file on its way.

    Attributes:
        start: Of the file's first byte in `chunks`; 0 where the source begins again instead of continuing.
        size: Of the whole file, or None where the source does not say.
        validator: What a later continuation names so that it is of the same file (a strong ETag or a date).
        chunks: The bytes; a SourceError where they end too early.
    """

    start: int
    size: int | None
    validator: str | None
    chunks: Iterator[bytes]


class Source(ABC):
    """A folder or web host with the files of a store.

    Attributes:
        url: For texts and receipts, without credentials.
        remote: Reached over the network, so not asked in offline mode.
    """

    url: str
    remote: bool

    def read(self, path: str, limit: int) -> bytes:
        """Returns a whole file; raises SourceError, also where it has more than `limit` bytes."""
        content = self.read_newer(path, limit, None)
        assert content is not None
        return content.raw

    @abstractmethod
    def read_newer(self, path: str, limit: int, validator: str | None) -> Content | None:
        """Returns a whole file, or None where it is still the one with that validator."""

    @abstractmethod
    def stream(self, path: str, start: int, validator: str | None) -> AbstractContextManager[Stream]:
        """Opens a file from byte `start` on; with a validator only if it is still that file, else from 0."""

    def local(self, path: str) -> Path | None:
        """Returns the file where it can be read in place, or None."""
        return None

    def close(self) -> None:
        """Closes what is open; a folder has nothing open between two calls."""
        return


class Folder(Source):
    """A store in a folder."""

    remote = False

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def read_newer(self, path: str, limit: int, validator: str | None) -> Content | None:
        """Reads anew each time: comparing would cost as much."""
        with self.stream(path, 0, None) as stream:
            if stream.size is not None and stream.size > limit:
                raise SourceError(self.url, f"{path} has {stream.size} bytes, more than {limit}")
            return Content(b"".join(stream.chunks))

    @contextmanager
    def stream(self, path: str, start: int, validator: str | None) -> Iterator[Stream]:
        """Opens a file; its folder and name are all that identifies it."""
        file = self.local(path)
        if file is None:
            missing = path if self.folder.is_dir() else "such folder"
            raise SourceError(self.url, f"there is no {missing}")
        with self._open(file) as opened:
            opened.seek(start)
            yield Stream(start, os.fstat(opened.fileno()).st_size, None, self._chunks(opened, path))

    def local(self, path: str) -> Path | None:
        """Returns the path of a regular file; anything else, such as a pipe, is not read."""
        file = self.folder / path
        return file if file.is_file() else None

    def _open(self, file: Path) -> IO[bytes]:
        try:
            return file.open("rb")
        except OSError as error:
            raise SourceError(self.url, f"{file.name} cannot be opened: {error.strerror}") from error

    def _chunks(self, opened: IO[bytes], path: str) -> Iterator[bytes]:
        try:
            while chunk := opened.read(CHUNK):
                yield chunk
        except OSError as error:
            raise SourceError(self.url, f"{path} cannot be read: {error.strerror}") from error


def open_source(url: str) -> Source:
    """Returns the source behind an address; nothing is read yet.

    Args:
        url: http://, https:// or file:// URL of the folder that holds index.json, or a path.

    Raises:
        StoreError: Another kind of URL.
    """
    parts = urllib.parse.urlsplit(url)
    if "://" not in url:
        return Folder(Path(url).expanduser().absolute(), url)
    if parts.query or parts.fragment:
        raise _unusable(url)
    if parts.scheme in {"http", "https"} and parts.hostname:
        # Importing httpx takes 0.15 s, which a folder need not wait for.
        from export.store.web import WebHost

        return WebHost(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        return Folder(Path(urllib.request.url2pathname(parts.path)), url)
    raise _unusable(url)


def open_sources(urls: Sequence[str | Path] | None) -> list[Source]:
    """Returns the sources in order; those of $MIZOO_STORE where `urls` is None.

    Raises:
        StoreError: There is none, or a URL of another kind.
    """
    wanted = os.environ.get(ENVIRONMENT, "").split() if urls is None else list(map(str, urls))
    if not wanted:
        raise StoreError(
            "No store is named.",
            expected="URLs or folders, each holding the index.json of a store",
            fix=f"name them (--from URL, or sources=[...]), or set {ENVIRONMENT}='URL MIRROR ...'",
        )
    return [open_source(url) for url in wanted]


def _unusable(url: str) -> StoreError:
    return StoreError(
        f"{url!r} is no address of a store.",
        expected="http://HOST/FOLDER, https://HOST/FOLDER, file:///FOLDER or a path, without '?' and '#'",
        fix="name the folder that holds index.json",
    )
