"""Removes what killed processes left in a store: files of its layout that nothing names."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from export.store.chain import former_states
from export.store.change import HISTORY, STAGING_PREFIX, history_path, locked, read_index
from export.store.index import INDEX_FILE, Index
from export.store.source import open_source
from zoo.errors import StoreError

SAFE_AGE_SECONDS = 3600.0
PARTS = ".parts"
_BLOB = re.compile(r"[1-9][0-9]*\.(tar\.gz|sig|md|html)")
_STATE = re.compile(r"[0-9a-f]{64}\.json")


@dataclass(frozen=True)
class Removed:
    """What was removed, or would be in a dry run.

    Attributes:
        path: In the store.
        size: In bytes; of a folder all that is in it.
    """

    path: str
    size: int


def collect(store: Path, *, dry_run: bool = False, age: float = SAFE_AGE_SECONDS) -> list[Removed]:
    """Removes files that publishing and mirroring left behind, while no other process changes the store.

    Removed are archives, signatures and cards that no entry of the index names, former indexes outside of the
    history, and temporary files. Nothing that the index or the history names is touched, nor any file that is
    none of a store's; without an index only temporary files are removed, and with a broken history no former index.

    Args:
        store: The folder.
        dry_run: Only tell.
        age: Seconds that temporary files must have been left alone, for disks where the lock has no effect.

    Raises:
        StoreError: There is no such folder, its index cannot be read, or something cannot be removed.
    """
    if not store.is_dir():
        raise StoreError(f"There is no folder {store}.", fix="name the folder that holds index.json")
    with locked(store):
        index, raw = read_index(store)
        found = list(_temporary(store, time.time() - age))
        if raw is not None:
            found += _not_named(store, index)
        removed = [Removed(path.relative_to(store).as_posix(), size_of(path)) for path in sorted(found)]
        if not dry_run:
            for path in found:
                remove(path)
    return removed


def size_of(path: Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [child for child in path.rglob("*") if child.is_file()]
    return sum(file.stat().st_size for file in files)


def remove(path: Path) -> None:
    """Removes a file or folder, and the folder that it was the last in.

    Raises:
        StoreError: It cannot be removed.
    """
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise StoreError(
            f"{path} cannot be removed: {error.strerror}.", fix="correct its permissions"
        ) from error
    with suppress(OSError):
        path.parent.rmdir()


def last_change(path: Path) -> float:
    """Returns when a file, or anything in a folder, was written last."""
    return max(p.lstat().st_mtime for p in [path, *path.rglob("*")])


def _temporary(store: Path, before: float) -> Iterator[Path]:
    for child in store.iterdir():
        temporary = child.name.startswith((STAGING_PREFIX, f".{INDEX_FILE}-")) or child.name == PARTS
        if temporary and last_change(child) <= before:
            yield child


def _not_named(store: Path, index: Index) -> Iterator[Path]:
    named = {blob.path for entry in index for blob in entry.blobs()}
    try:
        named |= {history_path(state.sha256) for state in former_states(open_source(str(store)), index)}
        history_known = True
    except StoreError:
        history_known = False
    for folder in store.iterdir():
        if folder.is_symlink() or not folder.is_dir() or folder.name.startswith("."):
            continue
        for path in folder.iterdir():
            state = history_known and folder.name == HISTORY and _STATE.fullmatch(path.name)
            if (state or _BLOB.fullmatch(path.name)) and f"{folder.name}/{path.name}" not in named:
                yield path
