"""The decompression bomb of a few bytes that more than one test throws."""

from __future__ import annotations

import struct
import zlib


def png_bomb(width: int = 30_000, height: int = 30_000, data: bytes = b"\0") -> bytes:
    """A PNG whose header declares a size that its data do not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
