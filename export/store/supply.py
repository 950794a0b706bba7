"""Where the archive and the signature of a version come from: put here by hand, a folder, or a web host."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from export.store.cache import Cache
from export.store.download import download, part_of
from export.store.entry import Blob, Entry
from export.store.hashing import digest_of
from export.store.patience import patiently
from export.store.progress import Progress
from export.store.source import Source, SourceError
from export.store.space import check_space
from zoo.errors import StoreError

MAX_SIGNATURE_BYTES = 64 * 2**20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Supply:
    """What a version's files are taken from.

    Attributes:
        entry: The version.
        sources: Mirrors in the order to ask.
        cache: Where a download goes, and where archives are put by hand.
        offline: Ask folders only.
    """

    entry: Entry
    sources: Sequence[Source]
    cache: Cache
    offline: bool

    def archive(self, target: Path, progress: Progress | None) -> tuple[Path, str]:
        """Returns a verified archive and where it comes from; its caller has the lock of the archive.

        Args:
            target: Where it will be unpacked, on whose disk there must be room for that too.
            progress: Of the download.

        Raises:
            StoreError: There is none, or no room.
        """
        blob = self.entry.archive
        path = self.cache.archive(blob.sha256)
        if path.is_file():
            found = digest_of(path)
            if found.sha256 == blob.sha256:
                self._check_space(target, 0)
                return path, str(path)
            if self.offline:
                raise self._missing(path, blob, [f"{path} has the SHA-256 {found.sha256}"])
            _log.warning("%s has the SHA-256 %s; it is downloaded again", path, found.sha256)
            path.unlink()
        sources = self._reachable()
        if sources and sources[0].local(blob.path):
            self._check_space(target, 0)
        elif sources:
            part = part_of(path, blob)
            self._check_space(target, max(0, blob.size - (part.stat().st_size if part.is_file() else 0)))
        try:
            # Wherever an archive is found it is hashed before it is used, see above.
            return download(blob, sources, path, progress, durable=False)
        except StoreError as error:
            if self.offline:
                raise self._missing(path, blob, error.what.splitlines()[1:]) from error
            raise

    @cached_property
    def signature(self) -> bytes | None:
        """The detached signature, or None where the version is not signed.

        Raises:
            StoreError: The index names one, and no source gives it.
        """
        blob = self.entry.signature
        if blob is None:
            return None
        path = self.cache.signature(blob.sha256)
        if path.is_file() and digest_of(path).sha256 == blob.sha256:
            return path.read_bytes()
        if blob.size > MAX_SIGNATURE_BYTES:
            raise StoreError(
                f"The signature of {self.entry.handle} has {blob.size} bytes.",
                expected=f"at most {MAX_SIGNATURE_BYTES}",
                fix="publish that version again",
            )
        reasons = []
        for source in self._reachable():
            try:
                raw = patiently(lambda source=source: source.read(blob.path, blob.size))  # type: ignore[misc]
            except SourceError as error:
                reasons.append(f"{error.url}: {error.reason}")
                continue
            if (found := hashlib.sha256(raw).hexdigest()) == blob.sha256:
                return raw
            reasons.append(f"{source.url}: {blob.path} has other bytes: their SHA-256 is {found}")
        raise self._missing(path, blob, reasons)

    def _reachable(self) -> list[Source]:
        return [source for source in self.sources if not (self.offline and source.remote)]

    def _missing(self, path: Path, blob: Blob, reasons: Sequence[str]) -> StoreError:
        how = "cannot be had offline" if self.offline else "comes from no source"
        return StoreError(
            "\n  ".join([f"{blob.path} of {self.entry.handle} {how}.", *map(str.strip, reasons)]),
            expected=f"{blob.size} bytes with SHA-256 {blob.sha256}",
            fix=f"put that file at {path}, or fetch with a network",
        )

    def _check_space(self, target: Path, size: int) -> None:
        check_space(
            self.entry.handle,
            [(self.cache.folder, size, "downloaded"), (target, self.entry.unpacked_size, "unpacked")],
        )
