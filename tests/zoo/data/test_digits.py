"""Digits from a folder of idx files, from Keras and from scikit-learn."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest

from zoo.data.digits import Digits, open_digits
from zoo.errors import DataError

TEN = np.arange(10, dtype=np.uint8)


def write_idx(path, array):
    content = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_digits(folder, *, dot="-", ending="", train=TEN, test=TEN, side=28):
    """Every pixel of a training picture is its label plus one, of a test picture its label plus 100."""
    folder.mkdir(exist_ok=True)
    for part, labels, shift in (("train", train, 1), ("t10k", test, 100)):
        images = np.broadcast_to((labels + shift)[:, None, None], (len(labels), side, side)).astype(np.uint8)
        write_idx(folder / f"{part}-images{dot}idx3-ubyte{ending}", images)
        write_idx(folder / f"{part}-labels{dot}idx1-ubyte{ending}", labels)
    return folder


@pytest.mark.parametrize("ending", ["", ".gz"], ids=["plain", "packed"])
@pytest.mark.parametrize("dot", ["-", "."], ids=["hyphen", "dot"])
def test_a_folder_in_every_spelling(dot, ending, tmp_path):
    twenty = np.concatenate([TEN, TEN[::-1]])
    digits = open_digits(write_digits(tmp_path / "own", dot=dot, ending=ending, train=twenty))
    assert (digits.name, digits.side) == ("own", 28)
    assert digits.train_labels.tolist() == twenty.tolist() and digits.test_labels.tolist() == TEN.tolist()
    assert digits.train_labels.dtype == digits.test_labels.dtype == np.int32
    assert digits.train_images.shape == (20, 28, 28) and digits.train_images.dtype == np.uint8
    assert digits.train_images[:, 27, 0].tolist() == (twenty + 1).tolist()
    assert digits.test_images[:, 0, 27].tolist() == (TEN + 100).tolist()


def test_what_is_unpacked_is_read_first(tmp_path):
    write_digits(tmp_path, ending=".gz")
    write_digits(tmp_path, dot=".", train=TEN[::-1])
    assert open_digits(tmp_path).train_labels.tolist() == TEN[::-1].tolist()


def test_an_incomplete_folder(tmp_path):
    folder = write_digits(tmp_path / "half", ending=".gz")
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataError) as error:
        open_digits(folder)
    assert str(error.value) == (
        f"{folder} lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte.\n"
        "Expected: a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
        "t10k-labels-idx1-ubyte (a dot before idx and a .gz at the end are known, too), 'mnist' of "
        "keras.datasets, or 'digits' of scikit-learn\n"
        "Fix: complete the folder, or name one of the other sources"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"train": np.delete(TEN, [3, 8])},
            "own: the train part has no picture of 3, 8.\nExpected: pictures of all ten digits\n"
            "Fix: name a whole data set",
        ),
        (
            {"test": TEN[:0]},
            "own: the test part has no picture of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9.\n"
            "Expected: pictures of all ten digits\nFix: name a whole data set",
        ),
        (
            {"test": np.append(TEN, np.uint8(46))},
            "own: the test part has the label 46.\nExpected: 0..9\nFix: name a data set of ten classes",
        ),
    ],
    ids=["absent", "empty", "letters"],
)
def test_all_ten_digits_and_no_others(changes, text, tmp_path):
    folder = write_digits(tmp_path / "own", **changes)
    with pytest.raises(DataError) as error:
        open_digits(folder)
    assert str(error.value) == text


def test_one_square_size(tmp_path):
    folder = write_digits(tmp_path / "own")
    write_idx(folder / "t10k-images-idx3-ubyte", np.zeros((10, 20, 20), np.uint8))
    with pytest.raises(DataError) as error:
        open_digits(folder)
    assert str(error.value) == (
        "own: pictures have the sizes (20, 20), (28, 28).\n"
        "Expected: squares, as large in the test part as in the training part\n"
        "Fix: take both parts from the same data set"
    )
    oblong = np.zeros((10, 28, 20), np.uint8)
    with pytest.raises(DataError, match=r"^own: pictures have the sizes \(28, 20\)\."):
        Digits(oblong, TEN.astype(np.int32), oblong, TEN.astype(np.int32), "own")


def test_names_that_are_not_known(tmp_path):
    with pytest.raises(DataError) as error:
        open_digits("digit")
    assert str(error.value).startswith(
        "There is no folder and no set of digits 'digit'. Did you mean 'digits'?\nExpected: a folder with train-"
    )
    with pytest.raises(DataError, match=r"^the folder of digits .*gone does not exist\."):
        open_digits(tmp_path / "gone")


def test_the_mnist_of_keras(monkeypatch):
    """Its file cannot be made here: Keras checks the digest. Shapes and types are those of Keras."""
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    labels = np.tile(TEN, 2)
    monkeypatch.setattr(
        "keras.datasets.mnist.load_data", lambda: ((images, labels), (images[:10], labels[:10]))
    )
    digits = open_digits("mnist")
    assert digits.name == "mnist"
    assert np.array_equal(digits.train_images, images) and np.array_equal(digits.test_images, images[:10])
    assert digits.train_labels.tolist() == labels.tolist() and digits.test_labels.dtype == np.int32


def test_a_folder_called_mnist_comes_first(tmp_path, monkeypatch):
    write_digits(tmp_path / "mnist")
    monkeypatch.chdir(tmp_path)
    assert open_digits("mnist").train_images.max() == 10


def test_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nobody listens
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(DataError) as error:
        open_digits("mnist")
    what, expected, fix = str(error.value).splitlines()
    assert what.startswith("Keras can neither find nor download mnist: URL fetch failure on https://")
    assert expected == f"Expected: the files in {tmp_path / 'datasets'}, or a connection to download them"
    assert fix == (
        "Fix: put mnist.npz there, name a folder with the four idx files, or take 'digits', which needs no "
        "network"
    )


def test_the_digits_of_scikit_learn():
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    digits = open_digits("digits")
    assert (digits.name, digits.side) == ("digits", 28)
    assert digits.train_images.shape == (1438, 28, 28) and digits.test_images.shape == (359, 28, 28)
    assert digits.train_images.dtype == np.uint8 and digits.train_labels.dtype == np.int32
    # A fifth of each class, to within the one picture that rounding leaves.
    counts = np.bincount(digits.test_labels, minlength=10)
    assert (abs(counts - 0.2 * np.bincount(labels)) < 1).all()
    # Enlarged by 3.5, the corner of a picture is its corner, and white (16) is 255.
    corners = np.concatenate([digits.train_images, digits.test_images])[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    grey = np.floor(small.reshape(-1, 8, 8)[:, [0, 0, -1, -1], [0, -1, 0, -1]] * 255 / 16 + 0.5)
    assert sorted(map(tuple, corners.tolist())) == sorted(map(tuple, grey.astype(int).tolist()))
    assert digits.train_images.max() == 255
    again = open_digits("digits")
    assert np.array_equal(again.test_images, digits.test_images)


def test_scikit_learn_parts_share_no_picture():
    digits = open_digits("digits")
    train = {image.tobytes() for image in digits.train_images}
    assert not train & {image.tobytes() for image in digits.test_images}


@pytest.mark.skipif("MIZOO_DATA" not in os.environ, reason="MIZOO_DATA is not set")
def test_real_mnist():
    digits = open_digits(Path(os.environ["MIZOO_DATA"]) / "mnist")
    assert digits.train_images.shape == (60_000, 28, 28) and digits.test_images.shape == (10_000, 28, 28)
    # The first labels and the counts of each digit are as published.
    assert digits.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert digits.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(digits.train_labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    # The mean and the deviation that everyone divides by.
    assert digits.train_images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert digits.train_images.std() / 255 == pytest.approx(0.3081, abs=5e-5)
