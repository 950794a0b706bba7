"""Grids of digits as splits: inputs, targets, facts, and the round trip through prepared arrays."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.data.digits import open_digits
from zoo.data.grid_digits import grid_digits
from zoo.data.prepared import read_prepared, write_prepared
from zoo.errors import ConfigError, DataError
from zoo.models.captioning.data import SPLITS, WORDS, captions_of, read_splits
from zoo.models.captioning.tokens import END, FIRST_WORD, START
from zoo.recipe import DataOptions


@dataclass(frozen=True)
class Config:
    grid: tuple[int, int] = (2, 2)
    distinct: bool = False
    train_images: int = 40
    test_images: int = 12
    split_seed: int = 3


@pytest.fixture(scope="module")
def splits():
    return read_splits("digits", Config(), DataOptions())


def test_inputs_targets_and_facts(splits):
    assert splits.facts == {"words": WORDS, "image_size": 64}
    assert WORDS[0] == "zero" and WORDS[9] == "nine" and len(set(WORDS)) == 10
    assert splits.name == "digits-grid-2x2"
    for name, rows in zip(SPLITS, (40, 12, 12), strict=True):
        split = splits[name]
        image, labels, tokens = split.inputs["image"], split.targets["labels"], split.targets["tokens"]
        assert image.shape == (rows, 64, 64, 1) and image.dtype == np.uint8
        assert labels.shape == (rows, 10) and labels.dtype == np.float32
        assert tokens.shape == (rows, 4, 3) and tokens.dtype == np.int32
        assert (tokens[..., 0] == START).all() and (tokens[..., 2] == END).all()
        assert split.ids[-1] == f"{name}#{rows - 1}"
        for own, four in zip(labels, tokens[..., 1] - FIRST_WORD, strict=True):
            assert set(np.flatnonzero(own)) == set(four)


@pytest.mark.parametrize("distinct", [False, True], ids=["independent", "distinct"])
def test_they_are_the_grids_of_the_config(distinct):
    splits = read_splits("digits", Config(distinct=distinct, grid=(1, 2)), DataOptions())
    grids = grid_digits(
        open_digits("digits"), grid=(1, 2), train=40, validation=12, test=12, distinct=distinct, seed=3
    )
    for name in SPLITS:
        assert np.array_equal(splits[name].inputs["image"][..., 0], getattr(grids, name).images)
        assert np.array_equal(splits[name].targets["tokens"], captions_of(getattr(grids, name).cells))


def test_prepared_arrays_are_the_same(splits, tmp_path):
    file = tmp_path / "prepared.npz"
    write_prepared(file, SimpleNamespace(name="caption_gan", config=Config()), splits)
    again, settings = read_prepared(file, "caption_gan")
    # The file keeps facts as JSON, which knows no tuples.
    assert again.facts == {"words": list(WORDS), "image_size": 64} and again.name == splits.name
    assert settings["split_seed"] == 3
    for name in SPLITS:
        assert np.array_equal(again[name].arrays()["image"], splits[name].inputs["image"])
        assert np.array_equal(again[name].targets["tokens"], splits[name].targets["tokens"])


def test_wrong_use(tmp_path):
    with pytest.raises(ConfigError, match=r"^A grid of 3 x 3 does not divide a picture of 64 x 64\."):
        read_splits("digits", Config(grid=(3, 3)), DataOptions())
    with pytest.raises(ConfigError, match=r"^0 train grids are asked for\."):
        read_splits("digits", Config(train_images=0), DataOptions())
    with pytest.raises(DataError, match=r" lacks train-images-idx3-ubyte, "):
        read_splits(tmp_path, Config(), DataOptions())
