"""One file of a store from the first of its mirrors that has it, continued where an earlier try ended."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from export.store.entry import Blob
from export.store.hashing import FollowingHash, digest_of
from export.store.patience import TRIES, pause
from export.store.progress import Progress
from export.store.source import Source, SourceError
from zoo.errors import StoreError

# A try that brings fewer new bytes than this counts as a failure; one that brings more shows that trying helps.
ADVANCE = 2**16
_log = logging.getLogger(__name__)


def download(
    blob: Blob,
    sources: Sequence[Source],
    to: Path,
    progress: Progress | None = None,
    *,
    durable: bool = True,
) -> tuple[Path, str]:
    """Brings a file here and checks its SHA-256.

    Args:
        blob: The file.
        sources: Mirrors in the order to ask; the digest is trusted, not they.
        to: Where a download goes, through `<sha256>.part` beside it. A file in a folder is left where it is.
        progress: Called with the bytes that are here and the bytes in all.
        durable: Have the file on the disk before it gets its name. A file that is hashed again before each use, and
            is soon removed, need not be: writing it to the disk can take longer than all the rest.

    Returns:
        Where the file lies (`to`, or its place in a folder), and the URL of the source that gave it.

    Raises:
        StoreError: No mirror gave it; tells why for each.
    """
    report = progress or (lambda _done, _all: None)
    part = _Part(blob, part_of(to, blob), report, durable)
    reasons = []
    for source in sources:
        try:
            local = source.local(blob.path)
            if local is not None:
                _check_local(local, blob, source)
                report(blob.size, blob.size)
                return local, source.url
            part.fetch(source)
            part.forget()
            part.path.replace(to)
            return to, source.url
        except SourceError as error:
            _log.info("%s", error.what)
            reasons.append(f"{error.url}: {error.reason}")
    raise StoreError(
        f"{blob.path} cannot be downloaded:\n" + "\n".join(f"  {reason}" for reason in reasons),
        expected=f"{blob.size} bytes with SHA-256 {blob.sha256}",
        fix="try again later (what is here is kept and continued), or name another mirror",
    )


def part_of(to: Path, blob: Blob) -> Path:
    """Returns where a file lies as long as it is not complete."""
    return to.with_name(f"{blob.sha256}.part")


def _check_local(path: Path, blob: Blob, source: Source) -> None:
    try:
        size = path.stat().st_size
        if size != blob.size:
            raise SourceError(source.url, f"{blob.path} has {size} bytes instead of {blob.size}")
        found = digest_of(path)
    except OSError as error:
        raise SourceError(source.url, f"{blob.path} cannot be read: {error.strerror}") from error
    if found.sha256 != blob.sha256:
        raise _other_bytes(source, blob, found.sha256)


def _other_bytes(source: Source, blob: Blob, sha256: str) -> SourceError:
    return SourceError(source.url, f"{blob.path} has other bytes: their SHA-256 is {sha256}")


class _Part:
    """The unfinished file. `origin` tells whose bytes it has and what lets that source continue them."""

    def __init__(self, blob: Blob, path: Path, report: Progress, durable: bool) -> None:
        self.path = path
        self._blob, self._report, self._durable = blob, report, durable
        self._origin_path = path.with_suffix(".origin")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._size = path.stat().st_size if path.is_file() else 0
        if self._size > blob.size:
            self._size = 0
        self._sha256: str | None = None

    def forget(self) -> None:
        """Removes what was known of the unfinished file."""
        self._origin_path.unlink(missing_ok=True)

    def fetch(self, source: Source) -> None:
        """Completes the file from one source; raises SourceError where that fails for good."""
        # Bytes of an earlier process or of another mirror may be the wrong ones; the source then gets
        # one more chance with bytes that are all its own.
        mixed = self._size > 0
        self._complete(source)
        if mixed and self._sha256 != self._blob.sha256:
            _log.info("%s: what was here did not fit, so it is read from its beginning", source.url)
            self._drop()
            self._complete(source)
        if self._sha256 != self._blob.sha256:
            self._drop()
            raise _other_bytes(source, self._blob, str(self._sha256))

    def _complete(self, source: Source) -> None:
        failures, furthest, restart = 0, self._size, False
        while True:
            try:
                return self._try(source, restart)
            except SourceError as error:
                failures = failures + 1 if self._size < furthest + ADVANCE else 1
                if not error.transient or failures == TRIES:
                    raise
                restart = error.restart
                _log.info("%s It is tried again.", error.what)
            furthest = max(furthest, self._size)
            pause(failures)

    def _try(self, source: Source, restart: bool) -> None:
        start = 0 if restart else self._size
        if start == self._blob.size > 0:
            self._sha256 = digest_of(self.path).sha256
            return
        with source.stream(self._blob.path, start, self._validator(source)) as stream:
            if stream.size not in {None, self._blob.size}:
                raise SourceError(
                    source.url, f"{self._blob.path} has {stream.size} bytes instead of {self._blob.size}"
                )
            with self.path.open("r+b" if self.path.exists() else "wb", buffering=0) as file:
                if os.fstat(file.fileno()).st_size > stream.start:
                    # Not otherwise: ext4 writes a file that was once cut to nothing to the disk on closing,
                    # and removing it then takes half as long as fetching it.
                    file.truncate(stream.start)
                file.seek(stream.start)
                self._size = stream.start
                # Half of it after a kill is as good as none.
                self._origin_path.write_text(json.dumps({"url": source.url, "validator": stream.validator}))
                with FollowingHash(self.path) as sha256:
                    for chunk in stream.chunks:
                        self._append(source, file, chunk)
                        sha256.advance(self._size)
                    if self._size < self._blob.size:
                        raise SourceError(
                            source.url,
                            f"{self._blob.path} ended after {self._size} of {self._blob.size} bytes",
                            transient=True,
                        )
                    if self._durable:
                        # The hash is behind the network, so that this takes little time of its own.
                        os.fsync(file.fileno())
                    self._sha256 = sha256.result()

    def _append(self, source: Source, file: IO[bytes], chunk: bytes) -> None:
        if self._size + len(chunk) > self._blob.size:
            self._drop()
            raise SourceError(source.url, f"{self._blob.path} has more than {self._blob.size} bytes")
        rest = memoryview(chunk)
        while rest:
            rest = rest[file.write(rest) :]
        self._size += len(chunk)
        self._report(self._size, self._blob.size)

    def _validator(self, source: Source) -> str | None:
        """What the source itself said of these bytes; another mirror's word would mean nothing to it."""
        try:
            origin = json.loads(self._origin_path.read_bytes())
            validator: str | None = origin["validator"] if origin["url"] == source.url else None
            return validator
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.forget()
        self._size = 0
