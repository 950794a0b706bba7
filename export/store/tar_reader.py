"""Reads a tar.gz that nobody has vouched for: one pass, bounded memory, nothing written.

The standard library's `tarfile` decodes the header blocks here and nothing else. Its own reader believes sizes of
extension headers, takes a damaged header for the end, follows chains of headers by recursion, and its filter
"data" lets links and duplicates pass.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from export.store.behind import PIECE

_BLOCK = tarfile.BLOCKSIZE
_MAX_HEADERS = (
    64 * 2**10
)  # bytes before one member: ours need 1.5 KiB, extended attributes of other tools more
_MAX_PADDING = 2**20  # bytes behind the last member: GNU tar fills up to 10 KiB, and to 1 MiB when told so
_REFUSED = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a named pipe",
    b"S": "a sparse file",
    b"K": "a link",  # GNU's long target, which comes before the link
    b"g": "a header for all members",
}


class BadArchive(Exception):  # noqa: N818
    """What is wrong with an archive, as the rest of a sentence about it."""


@dataclass(frozen=True)
class Member:
    """A regular file or a folder in an archive; its name is not checked."""

    name: str
    is_folder: bool
    size: int


class Gunzip:
    """The content of a gzip file that has exactly one member and nothing behind it.

    Args:
        file: The compressed bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = zlib.decompressobj(wbits=31)  # 31: gzip, whose check sum zlib compares
        self._piece = memoryview(b"")

    def take(self, limit: int) -> memoryview:
        """Returns the next bytes, at most `limit`; none at the end of a sound file.

        Raises:
            BadArchive: The file is damaged or goes on behind its end.
        """
        if not self._piece:
            self._piece = memoryview(self._next())
        taken, self._piece = self._piece[:limit], self._piece[limit:]
        return taken

    def exactly(self, size: int) -> bytes:
        """Returns the next `size` bytes; raises BadArchive where there are fewer."""
        taken = bytearray()
        while len(taken) < size:
            more = self.take(size - len(taken))
            if not more:
                raise BadArchive("the tar in it is cut off")
            taken += more
        return bytes(taken)

    def _next(self) -> bytes:
        while not self._inflate.eof:
            compressed = self._inflate.unconsumed_tail or self._file.read(PIECE // 2)
            if not compressed:
                raise BadArchive("its gzip stream is cut off")
            try:
                # The second argument bounds what a bomb can make of a few bytes.
                if content := self._inflate.decompress(compressed, PIECE):
                    return content
            except zlib.error as error:
                raise BadArchive(f"its gzip stream is damaged ({error})") from error
        if self._inflate.unused_data or self._file.read(1):
            raise BadArchive("bytes follow the end of its gzip stream")
        return b""


def members(stream: Gunzip) -> Iterator[tuple[Member, Iterator[memoryview]]]:
    """Yields every member with the pieces of its content, to be consumed before the next member is asked for.

    Reads to the very end, so that a check sum that is wrong is found too.

    Raises:
        BadArchive: The archive is malformed, or holds anything but regular files and folders.
    """
    while (member := _next_member(stream)) is not None:
        content = _content(stream, member)
        yield member, content
        for _ in content:
            pass
    padding = 0
    while piece := stream.take(PIECE):
        padding += len(piece)
        if padding > _MAX_PADDING:
            raise BadArchive(f"more than {_MAX_PADDING} bytes follow the end of its tar")
        if piece.tobytes().strip(b"\0"):
            raise BadArchive("something follows the end of its tar")


def _content(stream: Gunzip, member: Member) -> Iterator[memoryview]:
    left = member.size
    while left:
        piece = stream.take(left)
        if not piece:
            raise BadArchive(f"it is cut off in {member.name!r}")
        left -= len(piece)
        yield piece
    stream.exactly(-member.size % _BLOCK)


def _next_member(stream: Gunzip) -> Member | None:
    """Reads the headers of the next member; None at the end mark."""
    long_name, records = None, dict[bytes, bytes]()
    budget = _MAX_HEADERS
    while (block := stream.exactly(_BLOCK)).strip(b"\0"):
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise BadArchive(f"a header of its tar is damaged ({error})") from error
        if header.type not in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
            return _member(header, long_name, records)
        budget -= _BLOCK + header.size
        if header.size < 0 or budget < 0:
            raise BadArchive(
                f"the headers before a member, {header.name!r}, are longer than {_MAX_HEADERS} bytes"
            )
        data = stream.exactly(header.size)
        stream.exactly(-header.size % _BLOCK)
        if header.type == tarfile.XHDTYPE:
            records |= _pax_records(data)
        else:
            long_name = data.removesuffix(b"\0")
    if long_name is not None or records:
        raise BadArchive("it ends where a member was announced")
    return None


def _member(header: tarfile.TarInfo, long_name: bytes | None, records: dict[bytes, bytes]) -> Member:
    name, size = header.name, header.size
    encoded = records.get(b"path", long_name)
    if encoded is not None:
        name = encoded.decode("utf-8", "surrogateescape")
    if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        kind = _REFUSED.get(header.type, f"of the unknown type {header.type!r}")
        raise BadArchive(f"{name!r} is {kind}, neither a regular file nor a folder")
    if any(key.startswith(b"GNU.sparse.") for key in records):
        raise BadArchive(f"{name!r} is a sparse file, neither a regular file nor a folder")
    if (said := records.get(b"size")) is not None:
        if not re.fullmatch(rb"[0-9]{1,19}", said):
            raise BadArchive(f"{name!r} says that it has a size of {said[:40]!r}")
        size = int(said)
    if size < 0 or (header.isdir() and size):
        raise BadArchive(f"{name!r} says that it has a size of {size}")
    return Member(name.removesuffix("/") if header.isdir() else name, header.isdir(), size)


def _pax_records(data: bytes) -> dict[bytes, bytes]:
    """Reads "<length> <key>=<value>\\n" over and over."""
    records, start = dict[bytes, bytes](), 0
    while start < len(data):
        length = re.match(rb"([0-9]{1,6}) ", data[start : start + 7])
        end = start + int(length[1]) if length else start
        record = data[start + length.end() : end] if length else b""
        key, equals, value = record.partition(b"=")
        if end > len(data) or not equals or not value.endswith(b"\n"):
            raise BadArchive(f"an extended header of its tar is damaged at {data[start : start + 40]!r}")
        records[key] = value[:-1]
        start = end
    return records
