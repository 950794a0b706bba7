"""The drawn data set with classes."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.examples import cached_labelled_shapes
from zoo.data.labelled import open_labelled
from zoo.data.labelled_shapes import CLASSES, draw_labelled, write_labelled_shapes
from zoo.data.licences import data_terms
from zoo.errors import DataError
from zoo.recipe import DataOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_labelled_shapes(tmp_path_factory.mktemp("drawn") / "shapes", train=60, test=12, seed=2)


def test_the_layout_is_that_of_cifar_100(folder):
    assert sorted(p.name for p in folder.iterdir()) == ["fine_label_names.txt", "test.bin", "train.bin"]
    assert (folder / "train.bin").stat().st_size == 60 * 3074
    data = open_labelled(folder, DataOptions())
    assert data.classes == CLASSES == ("circle", "square", "triangle", "star", "cross", "heart")
    assert data["test"].counts(6).tolist() == [2] * 6
    assert (data["train"].counts(6) + data["validation"].counts(6)).tolist() == [10] * 6
    assert data.name == "shapes" and not data_terms(data.name).research_only


def test_a_smaller_set_is_the_beginning_and_no_picture_comes_twice(folder, tmp_path):
    small = write_labelled_shapes(tmp_path / "small", train=12, test=6, seed=2)
    for file in ("train.bin", "test.bin"):
        assert (folder / file).read_bytes().startswith((small / file).read_bytes())
    other = write_labelled_shapes(tmp_path / "other", train=12, test=6, seed=3)
    assert (other / "train.bin").read_bytes() != (small / "train.bin").read_bytes()
    pictures = {bytes(r) for f in ("train.bin", "test.bin") for r in np.fromfile(folder / f, "V3074")}
    assert len(pictures) == 72


def test_the_object_is_what_the_label_says():
    """With one generator state only the kind differs: the circle fills its box, the star does not."""
    shares = {}
    for label, kind in enumerate(CLASSES):
        inside = []
        for seed in range(30):
            picture = draw_labelled(label, np.random.default_rng(seed)).astype(int)
            assert picture.shape == (32, 32, 3)
            ground = np.median(picture[[0, 0, -1, -1], [0, -1, 0, -1]], axis=0)
            inside.append((np.abs(picture - ground).max(axis=-1) > 40).mean())
        shares[kind] = np.mean(inside)
    assert shares["circle"] > shares["square"] > shares["star"]
    assert min(shares.values()) > 0.03


def test_it_is_drawn_once(tmp_path):
    first = cached_labelled_shapes(tmp_path, images=30)
    before = (first / "train.bin").stat().st_mtime_ns
    assert cached_labelled_shapes(tmp_path, images=30) == first
    assert (first / "train.bin").stat().st_mtime_ns == before
    assert (first / "test.bin").stat().st_size == 6 * 3074
    assert first.relative_to(tmp_path).as_posix() == "data/labelled-shapes-v1-30-0/shapes"


@pytest.mark.parametrize(("train", "test"), [(100, 12), (12, 0)], ids=["uneven", "none"])
def test_numbers_that_cannot_be_even(train, test, tmp_path):
    with pytest.raises(
        DataError, match=r"pictures of 6 classes are asked for\.\nExpected: a multiple of 6"
    ) as error:
        write_labelled_shapes(tmp_path / "x", train=train, test=test)
    assert str(error.value).endswith(f"Fix: ask for {102 if train == 100 else 6}")
    assert not list(tmp_path.iterdir())
