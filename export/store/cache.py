"""What fetching keeps on this machine: models, archives on their way, the last index of each store, locks."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from filelock import BaseFileLock, FileLock

from export.store.source import Content
from zoo.cache import cache_folder
from zoo.files import write_atomically, write_json


@dataclass(frozen=True)
class Cache:
    """The folder of one user's fetches.

    Attributes:
        folder: Made when it is needed.
    """

    folder: Path

    @classmethod
    def of_user(cls) -> Cache:
        """Returns the one below `$MIZOO_CACHE`."""
        return cls(cache_folder().absolute() / "store")

    @property
    def models(self) -> Path:
        """Where models are unpacked to unless another folder is named."""
        return self.folder / "models"

    def archive(self, sha256: str) -> Path:
        """Where a complete archive lies between download and unpacking, or is put by hand."""
        return self.folder / "archives" / f"{sha256}.tar.gz"

    def signature(self, sha256: str) -> Path:
        """Where a detached signature is put by hand."""
        return self.folder / "archives" / f"{sha256}.sig"

    def lock(self, *key: str) -> BaseFileLock:
        """Returns the lock of an archive or of a place; the system frees it when its process ends."""
        folder = self.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{_sha256(os.fsencode(chr(10).join(key)))}.lock")

    def index_file(self, url: str) -> Path:
        """Where the last index of a source lies, or is put by hand."""
        return self.folder / "indexes" / f"{_sha256(url.encode())}.json"

    def index(self, url: str) -> Content | None:
        """Returns the last index of a source, or None; without validator where it was put there by hand."""
        try:
            raw = self.index_file(url).read_bytes()
        except FileNotFoundError:
            return None
        try:
            seen = json.loads(self._index_facts(url).read_bytes())
            known = seen["sha256"] == _sha256(raw)
            return Content(raw, seen["validator"] if known else None)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Content(raw)

    def keep_index(self, url: str, content: Content) -> None:
        """Keeps an index for offline use, and its validator for asking whether it has changed."""
        write_atomically(self.index_file(url), lambda file: file.write(content.raw))
        facts = {"url": url, "validator": content.validator, "sha256": _sha256(content.raw)}
        write_json(self._index_facts(url), facts)

    def _index_facts(self, url: str) -> Path:
        return self.index_file(url).with_suffix(".source")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
