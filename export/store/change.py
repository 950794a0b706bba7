"""Changes of a store in a folder: one at a time, whole or not at all, the index last."""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from export.store.index import INDEX_FILE, MAX_INDEX_BYTES, Index
from zoo.errors import StoreError
from zoo.files import sync, write_atomically

log = logging.getLogger(__name__)
LOCK_FILE = ".lock"
STAGING_PREFIX = ".staging-"
HISTORY = "history"


def history_path(sha256: str) -> str:
    """Returns where a store keeps the former index of this digest."""
    return f"{HISTORY}/{sha256}.json"


def read_index(store: Path) -> tuple[Index, bytes | None]:
    """Returns the index of a local store and its bytes; an empty one and None where there is no index yet.

    Raises:
        StoreError: It cannot be read.
    """
    path = store / INDEX_FILE
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_INDEX_BYTES + 1)
    except FileNotFoundError:
        return Index(), None
    except OSError as error:
        raise unusable(store, error) from error
    if len(raw) > MAX_INDEX_BYTES:
        raise StoreError(
            f"{path} has more than {MAX_INDEX_BYTES} bytes.",
            expected="the index of a store",
            fix="name the folder that holds one",
        )
    return Index.from_bytes(raw, str(path)), raw


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Holds a store for one process; others wait. The lock ends with the process that has it.

    Raises:
        StoreError: The folder cannot be made or locked.
    """
    lock = FileLock(store / LOCK_FILE, mode=0o664)
    try:
        store.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            log.info("Waiting for another process that changes %s", store)
            lock.acquire()
    except OSError as error:
        raise unusable(store, error) from error
    try:
        yield
    finally:
        lock.release()


class Change:
    """What happens to a store while its lock is held.

    Attributes:
        store: The folder.
        index: The state before; empty for a new store.
        raw: Its bytes, or None.
        staging: A hidden folder in the store, for files that are not whole yet.
        written: Paths of the files that were put in place, in this order.
    """

    def __init__(self, store: Path, index: Index, raw: bytes | None, staging: Path) -> None:
        self.store, self.index, self.raw, self.staging = store, index, raw, staging
        self.written: list[str] = []
        self._folders: list[Path] = []

    def place(self, staged: Path, path: str) -> None:
        """Moves a complete file from `staging` to a path of the store, which no index may name yet."""
        target = self.store / path
        self._make_folder(target.parent)
        staged.chmod(0o644)
        self.written.append(path)
        staged.replace(target)

    def place_bytes(self, content: bytes, path: str) -> None:
        """Writes a file of the store."""
        staged = self.staging / "content"
        write_atomically(staged, lambda file: file.write(content))
        self.place(staged, path)

    def keep_former(self) -> None:
        """Copies the index that is going to be replaced into the history."""
        if self.raw is not None:
            former = history_path(hashlib.sha256(self.raw).hexdigest())
            if not (self.store / former).exists():
                self.place_bytes(self.raw, former)

    def commit(self, raw: bytes) -> None:
        """Replaces the index.

        Args:
            raw: Content of index.json; all files that it names are in place, its history too.
        """
        # After a power cut the index must not name a file that is not there.
        for folder in {(self.store / path).parent for path in self.written}:
            sync(folder)
        write_atomically(self.store / INDEX_FILE, lambda file: file.write(raw))
        self.written.append(INDEX_FILE)
        sync(self.store)

    def undo(self) -> None:
        """Removes what was put in place, unless the index has changed already and names it."""
        try:
            now: bytes | None = (self.store / INDEX_FILE).read_bytes()
        except FileNotFoundError:
            now = None
        if now != self.raw:
            return
        for path in self.written:
            (self.store / path).unlink(missing_ok=True)
        for folder in reversed(self._folders):
            folder.rmdir()

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir()
            self._folders.append(folder)


@contextmanager
def changing(store: Path, *, keep: bool = False) -> Iterator[Change]:
    """Gives a `Change` while the store is locked. Where the block fails, nothing of it is left in the store.

    Args:
        store: The folder; made where it is missing.
        keep: Leave files that are in place when the block fails; a later change goes on with them.

    Raises:
        StoreError: The store cannot be written or its index cannot be read.
    """
    with locked(store):
        index, raw = read_index(store)
        try:
            staging = Path(tempfile.mkdtemp(prefix=STAGING_PREFIX, dir=store))
        except OSError as error:
            raise unusable(store, error) from error
        change = Change(store, index, raw, staging)
        try:
            yield change
        except BaseException as error:
            if not keep:
                change.undo()
            if isinstance(error, OSError):
                raise unusable(store, error) from error
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def unusable(store: Path, error: OSError) -> StoreError:
    """Returns the error for a store that the operating system does not let us read or write."""
    return StoreError(
        f"The store {store} cannot be used: {type(error).__name__}: {error}.",
        expected="a folder that can be written, with room for the archive",
        fix="make room, correct its permissions, or name another folder",
    )
