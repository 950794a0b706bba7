"""The CIFAR binary layout: records by hand, both label formats, and every way in which files can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.cifar import find_cifar, read_cifar, write_cifar
from zoo.data.labelled_images import LabelledImages, LabelledPart
from zoo.errors import DataError

NAMES = ("cat", "dog")


def record(*labels, red=0, green=0, blue=0):
    return bytes(labels) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


@pytest.fixture
def hundred(tmp_path):
    """Two classes in the 100-class layout; the coarse byte of every record is 9."""
    folder = tmp_path / "pets"
    folder.mkdir()
    ramp = bytes([9, 1]) + bytes(range(256)) * 4 + bytes(1024) + bytes([77]) * 1024
    (folder / "train.bin").write_bytes(record(9, 0, red=1, green=2, blue=3) + ramp)
    (folder / "test.bin").write_bytes(record(9, 1) + record(9, 0, blue=255))
    (folder / "fine_label_names.txt").write_text("cat\ndog\n\n")
    return folder


@pytest.fixture
def ten(tmp_path):
    """Two classes in the 10-class layout: two records per file."""
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(1, 6):
        (folder / f"data_batch_{number}.bin").write_bytes(record(1, red=number) + record(0, green=number))
    (folder / "test_batch.bin").write_bytes(record(0) + record(1, red=250))
    (folder / "batches.meta.txt").write_text("cat\ndog\n")
    return folder


def read(folder):
    found = find_cifar(folder)
    assert found
    return read_cifar(*found, folder.name)


def test_a_record_of_the_100_class_layout(hundred):
    data = read(hundred)
    assert (data.name, data.classes, data.validation) == ("pets", NAMES, None)
    assert data.train.images.shape == (2, 32, 32, 3) and data.train.images.dtype == np.uint8
    assert data.train.labels.tolist() == [0, 1] and data.train.labels.dtype == np.int32
    assert data["test"].labels.tolist() == [1, 0]
    assert data.train.ids == ("train#0", "train#1") and data["test"].ids == ("test#0", "test#1")
    assert np.unique(data.train.images[0].reshape(-1, 3), axis=0).tolist() == [[1, 2, 3]]
    # Row-major: red counts up along the rows, 32 to a row.
    assert data.train.images[1, 0, :3].tolist() == [[0, 0, 77], [1, 0, 77], [2, 0, 77]]
    assert data.train.images[1, 1, 0].tolist() == [32, 0, 77]
    assert data.train.images[1, 31, 31].tolist() == [255, 0, 77]


def test_the_10_class_layout_joins_its_batches(ten):
    data = read(ten)
    assert data.train.labels.tolist() == [1, 0] * 5
    assert data.train.images[:, 0, 0].tolist() == [
        pixel for n in range(1, 6) for pixel in ([n, 0, 0], [0, n, 0])
    ]
    assert data.train.ids[:3] == ("data_batch_1#0", "data_batch_1#1", "data_batch_2#0")
    assert data["test"].images[1, 5, 5].tolist() == [250, 0, 0]


@pytest.mark.parametrize(
    ("layout", "subfolder"), [("ten", "cifar-10-batches-bin"), ("hundred", "cifar-100-binary")]
)
def test_the_folder_of_the_official_archive_is_found(layout, subfolder, request, tmp_path):
    folder = request.getfixturevalue(layout)
    outer = tmp_path / "archive"
    outer.mkdir()
    folder.rename(outer / subfolder)
    assert find_cifar(outer)[0] == outer / subfolder
    assert find_cifar(outer / subfolder)[0] == outer / subfolder
    assert find_cifar(tmp_path) is None


@pytest.mark.parametrize("layout", ["cifar-10", "cifar-100"])
def test_what_is_written_is_read(layout, tmp_path):
    rng = np.random.default_rng(0)

    def part(rows):
        labels = np.arange(rows, dtype=np.int32) % 3
        return LabelledPart(rng.integers(0, 256, (rows, 32, 32, 3), np.uint8), labels, ("",) * rows)

    data = LabelledImages("made", ("a", "b", "ü"), part(12), part(6))
    folder = write_cifar(tmp_path / "made", data, layout)
    again = read(folder)
    assert find_cifar(folder)[1] == layout
    assert again.classes == data.classes
    for name in ("train", "test"):
        assert np.array_equal(again[name].images, data[name].images)
        assert np.array_equal(again[name].labels, data[name].labels)
    assert list(tmp_path.iterdir()) == [folder]
    with pytest.raises(DataError, match="exists and is not empty"):
        write_cifar(folder, data, layout)


def test_what_does_not_fit_is_not_written(tmp_path):
    labels, ids = np.array([0, 1], np.int32), ("a", "b")
    small = LabelledPart(np.zeros((2, 28, 28, 3), np.uint8), labels, ids)
    right = LabelledPart(np.zeros((2, 32, 32, 3), np.uint8), labels, ids)
    with pytest.raises(
        DataError, match=r"^The pictures are uint8 \(2, 28, 28, 3\)\.\nExpected: a uint8 array"
    ):
        write_cifar(tmp_path / "out", LabelledImages("x", NAMES, small, small))
    with pytest.raises(DataError, match=r"^x has 2 classes and a validation part"):
        write_cifar(tmp_path / "out", LabelledImages("x", NAMES, right, right, right))
    with pytest.raises(DataError, match=r"^x has no test part"):
        write_cifar(tmp_path / "out", LabelledImages("x", NAMES, right))
    assert not list(tmp_path.iterdir())


def test_nothing_partial_stays_behind(tmp_path):
    part = LabelledPart(np.zeros((2, 32, 32, 3), np.uint8), np.array([0, 1], np.int32), ("a", "b"))
    bad = LabelledImages("x", ("a", "\ud800"), part, part)  # a name that UTF-8 cannot hold
    with pytest.raises(UnicodeEncodeError):
        write_cifar(tmp_path / "out", bad)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("layout", "damage", "text"),
    [
        (
            "hundred",
            lambda f: (f / "train.bin").write_bytes(record(9, 0)[:-1]),
            r"train\.bin has 3,073 bytes\.\n"
            r"Expected: a multiple of 3,074: 2 of labels and 3,072 of pixels per record\n"
            r"Fix: the file is cut off, or of the other CIFAR layout; unpack the archive again$",
        ),
        ("hundred", lambda f: (f / "test.bin").write_bytes(b""), r"test\.bin has 0 bytes"),
        (
            "ten",
            lambda f: (f / "data_batch_3.bin").write_bytes(record(1) + record(2)),
            r"data_batch_3\.bin: record 1 has the label 2, but batches\.meta\.txt has 2 names\.\n"
            r"Expected: labels 0\.\.1\n",
        ),
        (
            "ten",
            lambda f: [(f / f"data_batch_{n}.bin").unlink() for n in (2, 5)],
            r"few lacks data_batch_2\.bin, data_batch_5\.bin\.\nExpected: data_batch_1\.bin, .*"
            r"data_batch_5\.bin, test_batch\.bin and batches\.meta\.txt\n",
        ),
        (
            "hundred",
            lambda f: (f / "fine_label_names.txt").unlink(),
            r"pets lacks fine_label_names\.txt\.",
        ),
        (
            "hundred",
            lambda f: (f / "fine_label_names.txt").write_text("cat\n\n"),
            r"fine_label_names\.txt has 1 names\.\nExpected: one name per class and line",
        ),
        (
            "hundred",
            lambda f: (f / "fine_label_names.txt").write_text("cat\ndog\ncow\n"),
            r"^pets: no training picture belongs to cow\.",
        ),
        (
            "hundred",
            lambda f: (f / "fine_label_names.txt").write_text("cat\ncat\n"),
            r"^pets has 2 classes: cat, named twice\.",
        ),
        (
            "ten",
            lambda f: (f / "data_batch_4.bin").write_bytes(record(1) + record(1)),
            r"^few: the train part is uneven: dog has 6 pictures, cat 4\.\nExpected: the same number of pictures",
        ),
        (
            "hundred",
            lambda f: (f / "test.bin").write_bytes(record(9, 0)),
            r"^pets: the test part is uneven: cat has 1 pictures, dog 0\.",
        ),
        (
            "ten",
            lambda f: (f / "train.bin").touch(),
            r"few holds several data sets in the CIFAR layout: .*few, .*few\.",
        ),
    ],
    ids=[
        "cut-off", "empty", "label", "missing-batches", "no-names", "too-few-names", "class-without-pictures",
        "name-twice", "uneven-train", "uneven-test", "both-layouts",
    ],
)  # fmt: skip
def test_damaged_data(layout, damage, text, request):
    folder = request.getfixturevalue(layout)
    damage(folder)
    with pytest.raises(DataError, match=text):
        read(folder)


@pytest.mark.parametrize(
    ("files", "inner"),
    [
        (("data_batch_1", "batches.meta"), "."),
        (("data_batch_1", "batches.meta"), "cifar-10-batches-py"),
        (("train", "test", "meta"), "cifar-100-python"),
    ],
    ids=["ten", "ten-inside", "hundred-inside"],
)
def test_the_python_version_is_refused(files, inner, tmp_path):
    (tmp_path / inner).mkdir(exist_ok=True)
    for file in files:
        (tmp_path / inner / file).write_bytes(b"\x80\x04")
    with pytest.raises(DataError, match="is the Python version of CIFAR: pickle files") as error:
        find_cifar(tmp_path)
    assert "Fix: download the binary version from https://www.cs.toronto.edu/~kriz/cifar.html" in str(
        error.value
    )
