"""SHA-256 of files: of one that is there, and of one that is still being written."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from types import TracebackType

from export.store.entry import Digest
from export.store.source import CHUNK


def digest_of(path: Path) -> Digest:
    """Returns size and SHA-256 of a file."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Digest(file.tell(), sha256)


class FollowingHash:
    """SHA-256 of a growing file, by a thread that reads what the writer says is written.

    The writer never waits for it, and what an earlier process wrote is hashed while more comes in.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0
        self._state = "running"
        self._changed = threading.Condition()
        self._result: str | None = None
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._follow, name="store-sha256", daemon=True)

    def __enter__(self) -> FollowingHash:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._set("stopped")
        self._thread.join()

    def advance(self, written: int) -> None:
        """Says how many bytes of the file are written; never fewer than before."""
        with self._changed:
            self._written = written
            self._changed.notify()

    def result(self) -> str:
        """Waits for the digest of all that is written."""
        self._set("complete")
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _set(self, state: str) -> None:
        with self._changed:
            if self._state == "running":
                self._state = state
            self._changed.notify()

    def _follow(self) -> None:
        try:
            self._hash()
        except OSError as error:
            self._error = error

    def _hash(self) -> None:
        sha256, done = hashlib.sha256(), 0
        buffer = memoryview(bytearray(CHUNK))
        with self._path.open("rb", buffering=0) as file:
            while True:
                with self._changed:
                    while self._written == done and self._state == "running":
                        self._changed.wait()
                    written, state = self._written, self._state
                if state == "stopped":
                    return
                if written == done:
                    break
                count = file.readinto(buffer[: min(CHUNK, written - done)])
                if not count:
                    raise OSError(f"{self._path} became shorter")
                sha256.update(buffer[:count])
                done += count
        self._result = sha256.hexdigest()
