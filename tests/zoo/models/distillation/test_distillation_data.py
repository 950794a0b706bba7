"""Labelled pictures as splits: parts, subsets, statistics, and the round trip through prepared arrays."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from zoo.data.batches import ImageFiles
from zoo.data.cifar import write_cifar
from zoo.data.labelled import LabelledImages, LabelledPart
from zoo.data.prepared import read_prepared, write_prepared
from zoo.errors import ConfigError, DataError
from zoo.models.distillation.data import read_splits
from zoo.recipe import DataOptions

CLASSES = ("ape", "bee", "cat")
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Config:
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    subset: int | None = None
    split_seed: int = 0
    image_size: int | None = None


SMALL = Config(image_size=8)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    """60 training and 12 test pictures of three classes in the CIFAR layout."""
    rng = np.random.default_rng(0)

    def part(rows):
        labels = np.arange(rows, dtype=np.int32) % 3
        return LabelledPart(rng.integers(0, 256, (rows, 32, 32, 3), np.uint8), labels, ("",) * rows)

    folder = tmp_path_factory.mktemp("data") / "toy"
    return write_cifar(folder, LabelledImages("toy", CLASSES, part(60), part(12)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Ten PNG files in each of three class folders, 8 x 8: what is decoded is what was written."""
    folder, rng = tmp_path_factory.mktemp("data") / "pets", np.random.default_rng(1)
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
        for number in range(10):
            picture = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
            picture.save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def from_files(files):
    return read_splits(files, SMALL, DataOptions())


@pytest.fixture(scope="module")
def from_arrays(arrays):
    return read_splits(arrays, SMALL, DataOptions())


def counts(splits):
    return [np.bincount(splits[name].targets["label"], minlength=3).tolist() for name in SPLITS]


def check_statistics(splits):
    pixels = splits.train.arrays()["image"].reshape(-1, 3) / 255
    assert splits.facts["mean"] == pixels.mean(axis=0).round(6).tolist()
    assert splits.facts["deviation"] == pixels.std(axis=0).round(6).tolist()


def test_arrays(arrays):
    splits = read_splits(arrays, Config(), DataOptions())
    assert splits.name == "toy"
    assert counts(splits) == [[18] * 3, [2] * 3, [4] * 3]
    assert splits.train.inputs.keys() == {"image"} and splits.train.targets.keys() == {"label"}
    assert splits.train.inputs["image"].shape == (54, 32, 32, 3)
    assert splits.train.inputs["image"].dtype == np.uint8
    assert splits.train.targets["label"].dtype == np.int32
    assert splits.facts.keys() == {"classes", "image_size", "mean", "deviation"}
    assert splits.facts["classes"] == CLASSES and splits.facts["image_size"] == 32
    check_statistics(splits)
    assert not set(splits.train.ids) & set(splits.validation.ids)


def test_a_subset_is_taken_after_the_validation_part(arrays):
    whole = read_splits(arrays, Config(), DataOptions())
    subset = read_splits(arrays, Config(subset=15), DataOptions())
    assert counts(subset) == [[5] * 3, [2] * 3, [4] * 3]
    assert subset.validation.ids == whole.validation.ids
    assert set(subset.train.ids) < set(whole.train.ids)
    # Of the pictures in use, not of all.
    check_statistics(subset)
    assert subset.facts["mean"] != whole.facts["mean"]
    other = read_splits(arrays, Config(subset=15, split_seed=1), DataOptions())
    assert other.train.ids != subset.train.ids and other.validation.ids != subset.validation.ids


def test_rows_keep_their_pictures(arrays):
    splits = read_splits(arrays, Config(subset=15), DataOptions())
    records = np.fromfile(arrays / "train.bin", np.uint8).reshape(60, 3074)
    for name in ("train", "validation"):
        for row, id in enumerate(splits[name].ids):
            record = records[int(id.removeprefix("train#"))]
            assert splits[name].targets["label"][row] == record[1]
            planes = splits[name].inputs["image"][row].transpose(2, 0, 1)
            assert np.array_equal(planes.ravel(), record[2:])


def test_another_size(arrays):
    splits = read_splits(arrays, Config(image_size=16, subset=9), DataOptions())
    assert splits.train.inputs["image"].shape == (9, 16, 16, 3) and splits.facts["image_size"] == 16
    check_statistics(splits)


def test_files_are_streamed_and_measured(files, from_files):
    # A fifth of 30, then a tenth of 24: rounded to 2, one each of two of the three classes.
    train, validation, test = counts(from_files)
    assert test == [2] * 3 and sorted(validation) == [0, 1, 1]
    assert [a + b for a, b in zip(train, validation, strict=True)] == [8] * 3
    train = from_files.train.inputs["image"]
    assert isinstance(train, ImageFiles) and train.size == 8
    assert [path.relative_to(files).as_posix() for path in train.paths] == list(from_files.train.ids)
    check_statistics(from_files)


def test_unreadable_files(files, from_files, tmp_path, caplog):
    folder = tmp_path / "pets"
    shutil.copytree(files, folder)
    for name in SPLITS:
        (folder / from_files[name].ids[0]).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cannot be read: .*\n.*\n.*--skip-bad-images"):
        read_splits(folder, SMALL, DataOptions())
    with caplog.at_level(logging.WARNING):
        kept = read_splits(folder, Config(), DataOptions(skip_bad_images=True))
    assert sum("cannot be read and are left out" in r.getMessage() for r in caplog.records) == 3
    for name in SPLITS:
        assert kept[name].ids == from_files[name].ids[1:]
        assert kept[name].targets["label"].tolist() == from_files[name].targets["label"][1:].tolist()
    assert kept.facts["image_size"] == kept.train.inputs["image"].size == 32
    check_statistics(kept)
    for path in (folder / "bee").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"^pets: no picture of 'bee' in the training part can be read"):
        read_splits(folder, SMALL, DataOptions(skip_bad_images=True))


@pytest.mark.parametrize(
    ("subset", "text"),
    [
        (
            55,
            r"^subset is 55, but toy has 54 training pictures beside those for validation\.\n"
            r"Expected: at most 54, or none for all\nFix: --set subset=54$",
        ),
        (
            2,
            r"^subset is 2, which leaves '(ape|bee|cat)' without a picture\.\nExpected: enough for all 3 classes",
        ),
    ],
    ids=["too-large", "too-small"],
)
def test_subsets_that_cannot_be(subset, text, arrays):
    with pytest.raises(ConfigError, match=text):
        read_splits(arrays, Config(subset=subset), DataOptions())


@pytest.mark.parametrize("data", ["from_arrays", "from_files"])
def test_prepared_arrays_are_the_same(data, request, tmp_path):
    splits = request.getfixturevalue(data)
    recipe = SimpleNamespace(name="vgg15", config=SMALL)
    write_prepared(tmp_path / "prepared.npz", recipe, splits)
    again, config = read_prepared(tmp_path / "prepared.npz", "vgg15")
    assert config["image_size"] == 8
    assert again.facts == splits.facts | {"classes": list(CLASSES)}
    for name in SPLITS:
        assert again[name].ids == splits[name].ids
        assert np.array_equal(again[name].targets["label"], splits[name].targets["label"])
        assert again[name].targets["label"].dtype == np.int32
    assert np.array_equal(again.train.inputs["image"], splits.train.arrays()["image"])
