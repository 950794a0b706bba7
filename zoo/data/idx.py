"""The idx format of MNIST: arrays of bytes behind a header of big-endian numbers, packed with gzip or not.

The header is two zero bytes, the type (8: unsigned byte), the number of dimensions, then each dimension in four
bytes: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "file formats".
"""

from __future__ import annotations

import gzip
import math
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np

from zoo.checks import existing
from zoo.errors import DataError

_GZIP = b"\x1f\x8b"
_MAGIC = {b"\0\0\x08\x01": 1, b"\0\0\x08\x03": 3}
_AT_ONCE = 1 << 20
_AGAIN = "download the file again"


def read_idx(path: str | Path) -> np.ndarray:
    """Reads a file of labels (idx1-ubyte) or of pictures (idx3-ubyte).

    Whether it is packed is what its first bytes say, not its name.

    Args:
        path: The file.

    Returns:
        uint8 `[rows]` or `[rows, height, width]`, grey values 0..255.

    Raises:
        DataError: There is no such file, it is of another format, or it is cut off, damaged or too long.
    """
    path = existing(path, "the idx file")
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        if not packed:
            return _read(file, path)
        try:
            with gzip.open(file) as unpacked:
                return _read(unpacked, path)
        except (EOFError, OSError, zlib.error) as error:
            raise DataError(f"{path} cannot be unpacked: {error}", fix=_AGAIN) from error


def read_idx_pair(images: str | Path, labels: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads pictures and their labels.

    Args:
        images: An idx3-ubyte file.
        labels: An idx1-ubyte file.

    Returns:
        uint8 `[rows, height, width]`, and uint8 `[rows]`.

    Raises:
        DataError: As in `read_idx`; or pictures are where labels belong, or there are more of one than of the
            other.
    """
    pictures, classes = read_idx(images), read_idx(labels)
    for path, array, dimensions in ((images, pictures, 3), (labels, classes, 1)):
        if array.ndim != dimensions:
            raise DataError(
                f"{path} has {array.ndim} dimensions.",
                expected=f"{dimensions}: idx3 holds pictures, idx1 labels",
                fix="exchange the files, or download them again",
            )
    if len(pictures) != len(classes):
        raise DataError(
            f"{images} has {len(pictures):,} pictures, {labels} has {len(classes):,} labels.",
            expected="one label per picture",
            fix="take both files from the same part of the same data set",
        )
    return pictures, classes


def _read(file: BufferedIOBase, path: Path) -> np.ndarray:
    magic = file.read(4)
    if magic not in _MAGIC:
        raise DataError(
            f"{path} begins with the bytes {magic.hex(' ') or '(none)'}.",
            expected="00 00 08 01 (idx1-ubyte, labels) or 00 00 08 03 (idx3-ubyte, pictures)",
            fix="name an idx file of unsigned bytes",
        )
    header = file.read(4 * _MAGIC[magic])
    if len(header) != 4 * _MAGIC[magic]:
        raise DataError(f"{path} ends within its header.", fix=_AGAIN)
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    content = _read_at_most(file, math.prod(shape) + 1)
    if len(content) != math.prod(shape):
        more = len(content) > math.prod(shape)
        raise DataError(
            f"{path} has {'more values than' if more else f'{len(content):,} values, not'} the "
            f"{math.prod(shape):,} that its header announces.",
            expected=f"as many as {' x '.join(map(str, shape))}",
            fix=_AGAIN,
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_at_most(file: BufferedIOBase, count: int) -> bytearray:
    """In pieces, for a damaged header may announce more than memory holds, and `read` would reserve it."""
    content = bytearray()
    while piece := file.read(min(_AT_ONCE, count - len(content))):
        content += piece
    return content
