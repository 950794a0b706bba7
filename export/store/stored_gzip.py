"""A gzip writer whose output depends on its input alone, on no implementation of deflate.

Nothing is compressed: the zlibs in use disagree on compressed bytes, and weights hardly get smaller.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

# RFC 1952: magic, deflate, no flags (so no name), no time, no level, unknown system.
_HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255])
_BLOCK = 65535  # the longest block that RFC 1951 can store
_BATCH = 16 * _BLOCK  # input bytes that are put out at once


class StoredGzip:
    """Wraps bytes into one gzip member of stored deflate blocks.

    Args:
        put: Receives the output, in pieces of about a mebibyte that are not changed afterwards.
    """

    def __init__(self, put: Callable[[bytes], object]) -> None:
        self._put = put
        self._buffer = bytearray()
        self._crc = self._size = 0
        put(_HEADER)

    def write(self, data: bytes) -> None:
        """Adds bytes to the content."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._buffer += data
        if ready := len(self._buffer) // _BATCH * _BATCH:
            self._put_blocks(ready, last=False)

    def close(self) -> None:
        """Ends the last block and puts out the check sum. The receiver is left open."""
        if ready := len(self._buffer) // _BLOCK * _BLOCK:
            self._put_blocks(ready, last=False)
        self._put_blocks(len(self._buffer), last=True)
        self._put(struct.pack("<II", self._crc, self._size % 2**32))

    def _put_blocks(self, ready: int, last: bool) -> None:
        whole, self._buffer = memoryview(self._buffer), self._buffer[ready:]
        parts: list[bytes | memoryview] = []
        for start in range(0, ready, _BLOCK) or [0]:
            block = whole[start : min(start + _BLOCK, ready)]
            parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
        self._put(b"".join(parts))
