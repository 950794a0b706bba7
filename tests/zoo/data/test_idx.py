"""The idx format: bytes by hand, packed or not, and every way in which a file can be wrong."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest

from zoo.data.idx import read_idx, read_idx_pair
from zoo.errors import DataError

LABELS = bytes.fromhex("00000801 00000003 07 00 ff")
# Two pictures of two rows and three columns.
PICTURES = bytes.fromhex("00000803 00000002 00000002 00000003") + bytes(range(12))
HUGE = bytes.fromhex("00000803 ffffffff ffffffff ffffffff")


@pytest.fixture(params=["plain", "packed"])
def write(request, tmp_path):
    """Writes a file, packed or not under the same name."""

    def written(content, name="file-ubyte"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if request.param == "packed" else content)
        return path

    return written


def test_labels(write):
    labels = read_idx(write(LABELS))
    assert labels.tolist() == [7, 0, 255] and labels.dtype == np.uint8


def test_pictures(write):
    pictures = read_idx(write(PICTURES))
    assert pictures.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]
    assert pictures.dtype == np.uint8


def test_none_at_all(write):
    assert read_idx(write(bytes.fromhex("00000803 00000000 0000001c 0000001c"))).shape == (0, 28, 28)


def test_a_pair(write):
    two = write(bytes.fromhex("00000801 00000002 0304"), "labels")
    pictures, labels = read_idx_pair(write(PICTURES, "pictures"), two)
    assert pictures.shape == (2, 2, 3) and labels.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            b"\x89PNG\r\n\x1a\n",
            "{path} begins with the bytes 89 50 4e 47.\n"
            "Expected: 00 00 08 01 (idx1-ubyte, labels) or 00 00 08 03 (idx3-ubyte, pictures)\n"
            "Fix: name an idx file of unsigned bytes",
        ),
        (bytes.fromhex("00000d03") + PICTURES[4:], "{path} begins with the bytes 00 00 0d 03.\n"),
        (bytes.fromhex("00000802") + PICTURES[4:], "{path} begins with the bytes 00 00 08 02.\n"),
        (b"", "{path} begins with the bytes (none).\n"),
        (PICTURES[:3], "{path} begins with the bytes 00 00 08.\n"),
        (PICTURES[:15], "{path} ends within its header.\nFix: download the file again"),
        (
            PICTURES[:-1],
            "{path} has 11 values, not the 12 that its header announces.\n"
            "Expected: as many as 2 x 2 x 3\nFix: download the file again",
        ),
        (PICTURES + b"\0", "{path} has more values than the 12 that its header announces.\n"),
        (HUGE + bytes(7), "{path} has 7 values, not the 79,228,162,458,924,105,385,300,197,375 that its header"),
    ],
    ids=[
        "another-format", "floats", "two-dimensions", "empty", "cut-magic", "cut-header", "cut-off", "too-long",
        "damaged-header",
    ],
)  # fmt: skip
def test_damaged_files(content, text, write):
    path = write(content)
    with pytest.raises(DataError, match="^" + re.escape(text.format(path=path))):
        read_idx(path)


PACKED = gzip.compress(PICTURES)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (PACKED[:-9], "Compressed file ended before the end-of-stream marker was reached"),
        (PACKED[:-8] + bytes(8), "CRC check failed"),
        (PACKED[:10] + b"\xff" + PACKED[11:], "Error -3 while decompressing data"),
        (b"\x1f\x8b\x07" + PACKED[3:], "Unknown compression method"),
    ],
    ids=["cut-off", "checksum", "deflate", "method"],
)
def test_damaged_gzip(content, text, tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))} cannot be unpacked: {text}") as error:
        read_idx(path)
    assert str(error.value).endswith("\nFix: download the file again")


def test_one_label_per_picture(write):
    pictures, labels = write(PICTURES, "pictures"), write(LABELS, "labels")
    with pytest.raises(DataError) as error:
        read_idx_pair(pictures, labels)
    assert str(error.value) == (
        f"{pictures} has 2 pictures, {labels} has 3 labels.\nExpected: one label per picture\n"
        "Fix: take both files from the same part of the same data set"
    )


def test_exchanged_files(write):
    pictures, labels = write(PICTURES, "pictures"), write(LABELS, "labels")
    with pytest.raises(DataError) as error:
        read_idx_pair(labels, pictures)
    assert str(error.value) == (
        f"{labels} has 1 dimensions.\nExpected: 3: idx3 holds pictures, idx1 labels\n"
        "Fix: exchange the files, or download them again"
    )
    with pytest.raises(DataError, match="pictures has 3 dimensions"):
        read_idx_pair(pictures, pictures)


def test_no_such_file(tmp_path):
    with pytest.raises(DataError, match=r"^the idx file .*gone does not exist\."):
        read_idx(tmp_path / "gone")
