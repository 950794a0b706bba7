"""Makes a version visible in one step: filled in a hidden sibling, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from export.store.entry import Digest
from export.store.receipt import Place, Receipt
from export.store.source import CHUNK
from serving.signing import SIGNATURE_FILE
from zoo.errors import StoreError
from zoo.files import sync

_ALIVE = "alive.lock"


@contextmanager
def staging(place: Place) -> Iterator[Path]:
    """Gives a path that does not exist yet, on the disk of the place, for the version's folder.

    Its parent is hidden, and held by a lock that ends with this process; on leaving it is removed.
    """
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    root, alive = _claim(place)
    try:
        yield root / str(place.version)
    finally:
        alive.release()
        with contextlib.suppress(FileNotFoundError):  # removed by another process, now that nobody holds it
            shutil.rmtree(root)


def _claim(place: Place) -> tuple[Path, BaseFileLock]:
    """Makes a staging folder and takes its lock.

    A process with another cache, whose locks are not ours, may take it for a dead one's before its lock is held: then
    another is made.
    """
    while True:
        root = Path(tempfile.mkdtemp(prefix=_prefix(place), dir=place.folder.parent))
        alive = FileLock(root / _ALIVE)
        with contextlib.suppress(FileNotFoundError):
            alive.acquire()
            if (root / _ALIVE).exists():
                return root, alive
            alive.release()


def leftovers(place: Place) -> list[Path]:
    """Returns the staging folders of a place, of dead processes or of another user's living one."""
    return sorted(place.folder.parent.glob(f"{_prefix(place)}*"))


def remove_leftovers(place: Place) -> None:
    """Removes the staging folders that no living process holds; its caller has the lock of the place."""
    for root in leftovers(place):
        with contextlib.suppress(Timeout), FileLock(root / _ALIVE, timeout=0):
            shutil.rmtree(root)


def commit(staged: Path, place: Place, receipt: Receipt) -> None:
    """Writes the receipt and renames the complete folder to its place.

    Raises:
        FileExistsError: Another process has put that version there meanwhile.
    """
    if place.folder.exists():
        raise FileExistsError(place.folder)
    sync(staged)
    # Written in the staging folder, so that a kill leaves nothing that is not removed with it.
    receipt.write(staged.with_name("receipt"))
    staged.with_name("receipt").replace(place.receipt)
    try:
        staged.rename(place.folder)
    except OSError as error:
        if place.folder.exists():
            raise FileExistsError(place.folder) from error
        raise
    for folder in (place.folder.parent, place.models):
        sync(folder)


def copy_version(origin: Path, files: Mapping[str, Digest], target: Path) -> None:
    """Copies the files of a version to a new folder, checking them on the way.

    Raises:
        StoreError: The original has other bytes.
    """
    for path, digest in sorted(files.items()):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        found = _copy(origin / path, target / path)
        if found != digest.sha256:
            raise StoreError(
                f"{origin / path} is damaged: its SHA-256 is {found}.",
                expected=digest.sha256,
                fix=f"remove {origin} and fetch it again",
            )
    if (origin / SIGNATURE_FILE).is_file():
        _copy(origin / SIGNATURE_FILE, target / SIGNATURE_FILE)
    for folder, _, _ in os.walk(target):
        sync(Path(folder))


def _copy(origin: Path, target: Path) -> str:
    sha256 = hashlib.sha256()
    with origin.open("rb") as source, target.open("xb") as copy:
        while chunk := source.read(CHUNK):
            sha256.update(chunk)
            copy.write(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return sha256.hexdigest()


def _prefix(place: Place) -> str:
    return f".staging-{place.version}-"
