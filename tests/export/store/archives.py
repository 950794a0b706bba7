"""Small archives, good and bad, and what an index would say of them."""

from __future__ import annotations

import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from export.store.entry import Blob, Digest, Entry, Licence

FILES = {
    "assets/labels.txt": "Tür\n".encode(),
    "saved_model.pb": b"a graph" * 100,
    "variables/variables.data-00000-of-00001": bytes(range(256)) * 12,
    "variables/variables.index": b"an index",
}
ZEROS = bytes(2**20)


@dataclass(frozen=True)
class Case:
    """A hostile archive, the parts of the text that refuses it, and what the index lists."""

    raw: bytes
    texts: tuple[str, ...]
    files: Mapping[str, bytes]


def entry_of(archive: Path, files: Mapping[str, bytes] = FILES) -> Entry:
    """Returns an entry that matches the archive's size and lists these files."""
    raw = archive.read_bytes()
    return Entry(
        name="tagger",
        version=3,
        archive=Blob(len(raw), hashlib.sha256(raw).hexdigest(), "tagger/3.tar.gz"),
        files={path: Digest(len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()},
        licence=Licence("Apache-2.0", "own", "own", False),
        signatures={},
        input_contract={},
        golden={},
        requires={},
        metrics={},
        command="",
        published="2026-01-01T00:00:00Z",
    )


def member(
    name: str,
    data: bytes = b"",
    kind: bytes = tarfile.REGTYPE,
    link: str = "",
    form: int = tarfile.GNU_FORMAT,
) -> bytes:
    """Returns the headers and the padded content of one member."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data)
    return info.tobuf(form, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


def extended(records: bytes, kind: bytes = tarfile.XHDTYPE, size: int | None = None) -> bytes:
    """Returns a PAX header with these records as they are; `size` is what it claims to hold."""
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = kind, len(records) if size is None else size
    return info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)


def record(key: str, value: str) -> bytes:
    """Returns one record of a PAX header; its length counts itself."""
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while len(rest) + len(str(length)) != length:
        length += 1
    return str(length).encode() + rest


def sized(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """Returns a header that claims a size."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def without(path: str) -> dict[str, bytes]:
    """Returns the good files but one."""
    return {key: data for key, data in FILES.items() if key != path}


def good(files: Mapping[str, bytes] = FILES) -> bytes:
    """Returns the members of a sound tar, without its end mark."""
    return b"".join(member(path, data) for path, data in files.items())


def gz(tar: bytes, end: bytes = bytes(1024)) -> bytes:
    """Compresses a tar with an end mark."""
    squeeze = zlib.compressobj(9, wbits=31)
    return squeeze.compress(tar + end) + squeeze.flush()


def bomb(tar: bytes, gibibytes: int = 1) -> bytes:
    """Returns a gzip of about a megabyte for each gibibyte of zeros that follow the tar; it has no check sum."""
    start = zlib.compressobj(9, wbits=31)
    unit = zlib.compressobj(9, wbits=-15)
    # Blocks that begin after a full flush can be repeated: the gibibyte need not be compressed here.
    return (
        start.compress(tar)
        + start.flush(zlib.Z_FULL_FLUSH)
        + (unit.compress(ZEROS) + unit.flush(zlib.Z_FULL_FLUSH)) * 1024 * gibibytes
    )


def tree(folder: Path) -> dict[str, bytes | None]:
    """Returns path -> content of all below a folder; None for folders."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def write_tree(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    """Writes files below a folder."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder
