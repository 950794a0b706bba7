"""Packs a version's folder into a tar.gz that is the same for the same files, wherever it is made."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from export.store.behind import PIECE, Behind
from export.store.entry import Digest
from export.store.names import check_distinct, check_path
from export.store.stored_gzip import StoredGzip
from serving.signing import SIGNATURE_FILE
from zoo.errors import StoreError
from zoo.files import write_atomically

_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        digest: Of the archive.
        files: Path in the archive -> its digest.
    """

    digest: Digest
    files: dict[str, Digest]


def pack(folder: Path, target: Path) -> Packed:
    """Packs all files of a folder but its top-level model.sig.

    The archive depends on paths and contents only: members are sorted by the bytes of their names, and have fixed
    owners, times and modes. Folders without files are left out.

    Args:
        folder: Of one version of a model; `saved_model.pb` in it is at the top of the archive.
        target: The tar.gz; replaced in one step where it exists.

    Raises:
        StoreError: The folder holds links or special files, or names that would clash or be unsafe elsewhere;
            or a file changes meanwhile.
    """
    if not folder.is_dir():
        raise StoreError(
            f"{folder} is no folder.", expected="the folder of one version", fix="correct the path"
        )
    paths = sorted(_files(folder), key=str.encode)
    check_distinct(paths)
    files: dict[str, Digest] = {}
    archive_hash, size = hashlib.sha256(), 0

    def write(file: IO[bytes]) -> None:
        with Behind() as hashing, Behind() as archive_hashing:

            def put(data: bytes) -> None:
                archive_hashing.submit(archive_hash.update, data)
                file.write(data)

            packed = StoredGzip(put)
            for path in _with_folders(paths):
                if path.endswith("/"):
                    packed.write(_header(path, 0))
                else:
                    _add(folder, path, packed, hashing, files)
            packed.write(bytes(2 * _BLOCK))
            packed.close()
        nonlocal size
        size = file.tell()

    write_atomically(target, write)
    return Packed(Digest(size, archive_hash.hexdigest()), files)


def local_path(folder: Path, path: str) -> Path:
    """Returns where a file of an archive is on this machine: names are UTF-8 there, whatever the locale says."""
    return folder / os.fsdecode(path.encode())


def _files(folder: Path, prefix: str = "") -> Iterator[str]:
    with os.scandir(folder) as children:
        for child in children:
            path = prefix + os.fsencode(child.name).decode("utf-8", "surrogateescape")
            if path == SIGNATURE_FILE:
                continue
            if child.is_dir(follow_symlinks=False):
                yield from _files(Path(child.path), f"{path}/")
            elif child.is_file(follow_symlinks=False):
                yield check_path(path)
            else:
                raise _no_file(Path(child.path))


def _with_folders(paths: list[str]) -> list[str]:
    folders = {f"{parent}/" for path in paths for parent in PurePosixPath(path).parents if parent.name}
    # A folder's name with its slash is the beginning of what is in it, so that it comes first.
    return sorted(folders.union(paths), key=str.encode)


def _add(folder: Path, path: str, packed: StoredGzip, hashing: Behind, files: dict[str, Digest]) -> None:
    """Adds one file; its digest is in `files` when `hashing` is done."""
    # A link or pipe that was put there since the folder was listed is neither followed nor waited for.
    source = local_path(folder, path)
    opened = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(opened, "rb", buffering=0) as file:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise _no_file(source)
        size, left, sha256 = status.st_size, status.st_size, hashlib.sha256()
        packed.write(_header(path, size))
        while left and (piece := file.read(min(left, PIECE))):
            hashing.submit(sha256.update, piece)
            packed.write(piece)
            left -= len(piece)
        if left or file.read(1):
            raise StoreError(
                f"{source} changed while it was packed.",
                expected=f"{size} bytes until the end",
                fix="publish when its writer is done",
            )
    packed.write(bytes(-size % _BLOCK))
    hashing.submit(lambda: files.update({path: Digest(size, sha256.hexdigest())}))


def _header(path: str, size: int) -> bytes:
    member = tarfile.TarInfo(path.rstrip("/"))
    if path.endswith("/"):
        member.type, member.mode = tarfile.DIRTYPE, 0o755
    else:
        member.size, member.mode = size, 0o644
    # TarInfo's other fields are zero or empty from the start: owner, group and time.
    return member.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _no_file(path: Path) -> StoreError:
    return StoreError(
        f"{path} is neither a file nor a folder.",
        expected="regular files: links and special files mean something else on another machine",
        fix="replace it by its content, or remove it",
    )
