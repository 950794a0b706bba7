"""The folders of an index's generations: written beside the present one, and seen only when whole."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import DataError
from zoo.files import sync
from zoo.search.kept_vectors import JOURNAL, Change, KeptVectors
from zoo.search.progress import Progress
from zoo.search.store import VectorStore

_STAGING = ".generation-"
_NOT_YET_AN_INDEX = {"unfinished", JOURNAL, "probe.npz", "mean_text.npy", "vectors.db"}


def check_target(folder: Path) -> None:
    """Raises a DataError unless a folder is an index, the beginning of one, empty, or not there."""
    if not folder.exists() or (folder / "index.json").exists():
        return
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else ["a file's content"]
    others = [
        name for name in names if name not in _NOT_YET_AN_INDEX and not name.isdigit() and name[0] != "."
    ]
    if others:
        raise DataError(
            f"{folder} is no index and holds {others[0]}.",
            expected="an index, or a new folder",
            fix="name another",
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps a second build out of a folder, which is made; the lock ends with its process.

    Raises:
        DataError: Another build is at work there.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise DataError(
            f"Another process is building {folder}.",
            fix="wait for it to end, or stop it; then run this again",
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_generation(
    folder: Path,
    before: str,
    contents: Mapping[str, str],
    kept: KeptVectors,
    old: VectorStore | None,
    change: Change,
    progress: Progress,
) -> str:
    """Writes the next generation, whole and on the disk before it has its name.

    Args:
        folder: Of the index.
        before: Name of the present generation; empty where there is none.
        contents: Id -> SHA-256 of the next.
        kept: Where vectors are kept.
        old: Those of the present one.
        change: From the present one to the next.
        progress: Told of what takes time.

    Returns:
        Its name.
    """
    name = f"{int(before or 0) + 1:06d}"
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    # mkdtemp makes a folder for the owner only.
    staging.chmod(0o755)
    (staging / "pictures.json").write_text(json.dumps(contents))
    kept.write(staging, old, change, progress)
    for path in [*staging.iterdir(), staging]:
        sync(path)
    # Left by a build that was interrupted before index.json named it.
    shutil.rmtree(folder / name, ignore_errors=True)
    staging.rename(folder / name)
    return name


def remove_others(folder: Path, present: str) -> None:
    """Removes the other generations and what interrupted builds have left."""
    (folder / JOURNAL).unlink(missing_ok=True)
    for path in folder.iterdir():
        other = path.name.isdigit() and path.name != present
        if other or path.name.startswith(_STAGING) or path.name == "unfinished":
            shutil.rmtree(path, ignore_errors=True)
