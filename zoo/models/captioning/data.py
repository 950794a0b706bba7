"""Pictures of digits in a grid -> splits of numbers; a word for each digit stands for a caption."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from zoo.data.batches import Split, Splits
from zoo.data.digits import open_digits
from zoo.data.grid_digits import SIDE, Grids, grid_digits, label_sets
from zoo.models.captioning.tokens import END, FIRST_WORD, START

if TYPE_CHECKING:
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SPLITS = ("train", "validation", "test")


class GridSettings(Protocol):
    """What of a config decides about the grids."""

    @property
    def grid(self) -> tuple[int, ...]:
        """Rows and columns."""

    @property
    def distinct(self) -> bool:
        """Whether the digits of a picture are all different."""

    @property
    def train_images(self) -> int:
        """How many training grids."""

    @property
    def test_images(self) -> int:
        """How many test grids, and as many validation grids."""

    @property
    def split_seed(self) -> int:
        """Of the digits held out for validation, and of the draws."""


def read_splits(data: str | Path, config: GridSettings, options: DataOptions) -> Splits:
    """Reads handwritten digits and sets them into grids.

    A training pair of the report is a picture and **one** of its labels, drawn uniformly over the cells and anew
    in each epoch. Rows here are pictures; the model draws the cell in its `compute_loss`, so that the arrays stay
    the same from one epoch to the next. A digit that is in two cells is so drawn twice as often.

    Args:
        data: Whatever `open_digits` knows.
        config: Shape, number and seed of the grids.
        options: Not used: the files are read whole, or not at all, and nothing is cached.

    Returns:
        Input `image`, uint8 `[rows, 64, 64, 1]`; targets `labels`, float32 `[rows, 10]`, 1 for each digit that is
        there, and `tokens`, int32 `[rows, cells, 3]`, the right captions: start, word, end. Facts: `words`, "zero"
        to "nine", and `image_size`, 64.

    Raises:
        DataError: The digits cannot be read.
        ConfigError: The grid does not fit the picture, or no grids are asked for.
    """
    del options
    grids = grid_digits(
        open_digits(data),
        grid=config.grid,
        train=config.train_images,
        validation=config.test_images,
        test=config.test_images,
        distinct=config.distinct,
        seed=config.split_seed,
    )
    splits = {name: _split(name, getattr(grids, name)) for name in SPLITS}
    log.info("%s: %s", grids.name, {name: len(split) for name, split in splits.items()})
    facts: dict[str, Any] = {"words": WORDS, "image_size": SIDE}
    return Splits(**splits, facts=facts, name=grids.name)


def captions_of(digits: np.ndarray) -> np.ndarray:
    """Returns the captions of single words as tokens: int32 `[..., 3]`, given int `[...]`, 0 for the first word."""
    edges = [np.full(digits.shape, token) for token in (START, END)]
    return np.stack([edges[0], digits + FIRST_WORD, edges[1]], axis=-1).astype(np.int32)


def _split(name: str, grids: Grids) -> Split:
    return Split(
        inputs={"image": grids.images[..., None]},
        targets={"labels": label_sets(grids.cells), "tokens": captions_of(grids.cells)},
        ids=tuple(f"{name}#{row}" for row in range(len(grids))),
    )
