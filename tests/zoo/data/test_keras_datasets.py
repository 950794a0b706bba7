"""Names of `keras.datasets`: files where Keras keeps them, and what happens without a network."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from zoo.data.keras_datasets import _CLASSES, read_keras_dataset
from zoo.errors import DataError


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """A Keras folder of this test alone, and a proxy at which nobody listens."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    for variable in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def write_idx(folder, part, images, labels):
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes(8) + labels.tobytes())
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as file:
        file.write(bytes(16) + images.tobytes())


def test_grey_pictures_get_a_frame_and_three_channels(keras_home):
    images = np.random.default_rng(0).integers(1, 256, (20, 28, 28), np.uint8)
    labels = np.arange(20, dtype=np.uint8) % 10
    folder = keras_home / "datasets" / "fashion-mnist"
    write_idx(folder, "train", images, labels)
    write_idx(folder, "t10k", images[:10], labels[:10])
    data = read_keras_dataset("fashion_mnist")
    assert (data.name, data.classes[9], len(data.train), len(data["test"])) == (
        "fashion_mnist", "ankle_boot", 20, 10,
    )  # fmt: skip
    assert data.train.images.shape == (20, 32, 32, 3) and data.train.images.dtype == np.uint8
    for channel in range(3):
        assert np.array_equal(data.train.images[:, 2:30, 2:30, channel], images)
    assert data.train.images.sum() == 3 * images.sum(dtype=int)
    assert data.train.labels.tolist() == labels.tolist() and data.train.labels.dtype == np.int32
    assert data["test"].ids[:2] == ("test#0", "test#1")


def test_colour_pictures_stay_as_they_are(monkeypatch):
    """The files of CIFAR cannot be made here: Keras checks their digest. Shapes and types are those of Keras."""
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), np.uint8)
    labels = (np.arange(20, dtype=np.uint8) % 10)[:, None]
    monkeypatch.setattr("keras.datasets.cifar10.load_data", lambda: ((images, labels), (images, labels)))
    data = read_keras_dataset("cifar10")
    assert np.array_equal(data.train.images, images)
    assert data.train.labels.tolist() == labels[:, 0].tolist()
    assert data.classes[:3] == ("airplane", "automobile", "bird")


@pytest.mark.parametrize("name", ["cifar10", "mnist"])
def test_without_a_network(name, keras_home):
    with pytest.raises(DataError) as error:
        read_keras_dataset(name)
    what, expected, fix = str(error.value).splitlines()
    assert what.startswith(f"Keras can neither find nor download {name}: URL fetch failure on https://")
    assert expected == f"Expected: the files in {keras_home / 'datasets'}, or a connection to download them"
    file = {"cifar10": "cifar-10-python.tar.gz as cifar-10-batches-py-target_archive", "mnist": "mnist.npz"}[
        name
    ]
    assert fix == f"Fix: put {file} there, or name a folder in the CIFAR binary layout or of class folders"


def test_the_names_of_the_classes():
    assert {name: len(classes) for name, classes in _CLASSES.items()} == {
        "cifar10": 10, "cifar100": 100, "mnist": 10, "fashion_mnist": 10,
    }  # fmt: skip
    hundred = _CLASSES["cifar100"]
    assert list(hundred) == sorted(set(hundred))
    # The superclasses people and trees, by their published fine labels.
    assert [hundred[i] for i in (2, 11, 35, 46, 98)] == ["baby", "boy", "girl", "man", "woman"]
    assert [hundred[i].removesuffix("_tree") for i in (47, 52, 56, 59, 96)] == [
        "maple", "oak", "palm", "pine", "willow",
    ]  # fmt: skip


def test_an_unknown_name():
    with pytest.raises(
        DataError, match=r"^keras.datasets has no labelled pictures called 'imdb' that are known"
    ):
        read_keras_dataset("imdb")
