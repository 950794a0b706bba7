"""Unpacks an archive of a store: exactly the files that the index lists, or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Set
from pathlib import Path, PurePosixPath
from typing import Any

from export.store.archive import local_path
from export.store.behind import Behind
from export.store.entry import Entry
from export.store.names import check_distinct, check_path
from export.store.tar_reader import BadArchive, Gunzip, Member, members
from zoo.errors import StoreError
from zoo.files import sync


def unpack(archive: Path, entry: Entry, folder: Path) -> None:
    """Unpacks an archive into a new folder; nothing in the archive is trusted.

    Every member is compared with the entry before anything of it is written, and its content while it is. All
    files and folders are on the disk when this returns.

    Args:
        archive: The tar.gz.
        entry: What it must hold.
        folder: Must not exist; its parents are made.

    Raises:
        StoreError: The folder exists, cannot be written, or the archive is damaged or holds anything but the
            entry's files. The folder and the parents that were made are gone then.
    """
    for path in entry.files:
        check_path(path)
    check_distinct(entry.files)
    made: list[Path] = []
    try:
        made += [parent for parent in folder.parents if not parent.exists()]
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except OSError as error:
        _remove(made)
        raise StoreError(
            f"{archive} cannot be unpacked to {folder}: {error.strerror}.",
            expected="a folder that does not exist, in one that can be written",
            fix="remove it, or choose another",
        ) from error
    try:
        _fill(archive, entry, folder)
    except BaseException as error:
        shutil.rmtree(folder)
        _remove(made)
        if isinstance(error, BadArchive):
            raise StoreError(
                f"The archive {archive} of {entry.handle} cannot be used: {error}.",
                expected=f"a tar.gz of the {len(entry.files)} files that the index lists, and nothing else",
                fix="fetch it from another source, and tell the publisher of this one",
            ) from error
        if isinstance(error, OSError):
            raise StoreError(
                f"{archive} could not be unpacked to {folder}: {error}.", fix="correct that, and try again"
            ) from error
        raise


def _fill(archive: Path, entry: Entry, folder: Path) -> None:
    folders = {str(parent) for path in entry.files for parent in PurePosixPath(path).parents}
    for path in sorted(folders):
        local_path(folder, path).mkdir(exist_ok=True)
    seen: set[str] = set()
    with archive.open("rb", buffering=0) as file, Behind() as hashing, Behind() as syncing:
        if (size := os.fstat(file.fileno()).st_size) != entry.archive.size:
            raise BadArchive(f"it has {size} bytes instead of {entry.archive.size}")
        for member, content in members(Gunzip(file)):
            # "." and "./x" are what `tar -C FOLDER .` writes.
            name = member.name.removeprefix("./")
            if not (name == "." and member.is_folder):
                check_path(name)
            _check_member(member, name, entry, folders, seen)
            seen.add(name)
            if not member.is_folder:
                sha256 = hashlib.sha256()
                _write(local_path(folder, name), content, sha256, hashing, syncing)
                hashing.submit(_check_content, name, sha256, entry.files[name].sha256)
    if missing := sorted(entry.files.keys() - seen):
        raise BadArchive(
            f"{missing[0]!r} is missing in it" + (f", and {len(missing) - 1} more" * (len(missing) > 1))
        )
    for path in sorted(folders, reverse=True):
        local_path(folder, path).chmod(0o755)
        sync(local_path(folder, path))


def _check_member(member: Member, name: str, entry: Entry, folders: Set[str], seen: Set[str]) -> None:
    # Nothing twice, nothing unlisted and no other size: so there are no more members and bytes than listed.
    if name in seen:
        raise BadArchive(f"{name!r} is in it twice")
    if name not in (folders if member.is_folder else entry.files):
        check_distinct([*entry.files, name])
        raise BadArchive(
            f"the {'folder' if member.is_folder else 'file'} {name!r} is not listed in the index"
        )
    if not member.is_folder and member.size != entry.files[name].size:
        raise BadArchive(f"{name!r} has {member.size} bytes instead of {entry.files[name].size}")


def _write(path: Path, content: Iterable[memoryview], sha256: Any, hashing: Behind, syncing: Behind) -> None:
    # Never through a link: all folders were made here, and "x" makes a file anew. The archive's modes are ignored.
    with path.open("xb") as file:
        os.fchmod(file.fileno(), 0o644)
        for piece in content:
            hashing.submit(sha256.update, piece)
            file.write(piece)
    syncing.submit(sync, path)


def _check_content(name: str, sha256: Any, expected: str) -> None:
    if sha256.hexdigest() != expected:
        raise BadArchive(f"{name!r} has the SHA-256 {sha256.hexdigest()} instead of {expected}")


def _remove(made: list[Path]) -> None:
    for parent in made:
        # Another process may have put something into it meanwhile.
        with contextlib.suppress(OSError):
            parent.rmdir()
