"""The few protobuf wire-format pieces that are cheaper to write by hand than through a message class."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np

Buffer = bytes | bytearray | memoryview


def varint(value: int) -> bytes:
    """Encodes a non-negative integer, seven bits a byte, low bits first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def packed_varints(values: np.ndarray) -> bytes:
    """Encodes integers of any type one after the other, negative ones as 64 bits in two's complement."""
    flat = values.ravel()
    bits = flat.astype(np.int64).view(np.uint64) if flat.dtype.kind == "i" else flat.astype(np.uint64)
    groups = max(1, -(-int(bits.max(initial=0)).bit_length() // 7))
    if groups == 1:
        return bits.astype(np.uint8).tobytes()
    table = np.empty((bits.size, groups), np.uint8)
    for group in range(groups):
        table[:, group] = bits & np.uint64(0x7F)
        bits >>= np.uint64(7)
        table[:, group] |= np.where(bits > 0, 0x80, 0).astype(np.uint8)
    # A group is written if it is the first, or if the one before it says that more follows.
    written = np.ones(table.shape, bool)
    np.greater_equal(table[:, :-1], 0x80, out=written[:, 1:])
    return table[written].tobytes()


@functools.lru_cache(maxsize=4096)
def header(field: int, length: int) -> bytes:
    """Encodes tag and length of a length-delimited field (wire type 2)."""
    return varint(field << 3 | 2) + varint(length)


def delimited(field: int, chunks: Iterable[Buffer]) -> list[Buffer]:
    """Wraps chunks as one length-delimited field without joining them."""
    body = list(chunks)
    return [header(field, sum(map(len, body))), *body]


def map_entry(field: int, key: str, value: Iterable[Buffer]) -> list[Buffer]:
    """Encodes one entry of a `map<string, message>` field."""
    return delimited(field, [*delimited(1, [key.encode()]), *delimited(2, value)])
