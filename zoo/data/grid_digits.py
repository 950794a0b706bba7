"""GridMNIST: pictures of several handwritten digits in a grid, each with as many right labels as it has digits.

Report "toward conditional image captioning with GANs": 64 x 64 pixels, 2 x 2 digits of MNIST, 10,000 pictures of
training digits and 1,000 of test digits. A label stands for a caption, so that whether a caption is right can be
counted.

The report does not say whether a digit may repeat within a picture. Drawn independently, 50.4 % of the pictures
have four distinct labels, 3.44 on average, and a digit is in 34.4 % of them; `distinct` draws four different ones,
each in 40 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from zoo.data.digits import CLASSES, Digits
from zoo.data.stratified import split_off
from zoo.errors import ConfigError, DataError

SIDE = 64
HELD_OUT = 0.1
"""Share of the training digits that make the validation grids and no training grid."""

# One stream of random numbers per part: the test grids do not depend on how many others there are.
_STREAMS = {"train": 0, "validation": 1, "test": 2}


@dataclass(frozen=True)
class Grids:
    """Pictures of digits in a grid.

    Attributes:
        images: uint8 `[rows, side, side]`, white on black, 0..255.
        cells: int32 `[rows, cells]`, the digit in each cell, row by row from the top left.
    """

    images: np.ndarray = field(repr=False)
    cells: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.cells)


@dataclass(frozen=True)
class GridDigits:
    """A data set of grids; no two parts share a digit's picture.

    Attributes:
        train: Grids to learn from.
        validation: Grids to choose by, of training digits that are in no training grid.
        test: Grids of test digits.
        name: Of the data set, after that of its digits.
    """

    train: Grids
    validation: Grids
    test: Grids
    name: str


def grid_digits(
    digits: Digits,
    *,
    grid: tuple[int, ...] = (2, 2),
    side: int = SIDE,
    train: int = 10_000,
    validation: int = 1_000,
    test: int = 1_000,
    distinct: bool = False,
    seed: int = 0,
) -> GridDigits:
    """Draws digits and sets them into grids, each padded with black to its cell (28 to 32 by 2 on every side).

    A tenth of the training digits, each class in proportion, is held out for the validation grids; a training
    grid is made of the others. Each part is drawn with replacement from its own digits: cells independently, so
    that a class is as frequent as in the data set; with `distinct`, classes without replacement and all equally
    likely, then a picture of each.

    Args:
        digits: Pictures of single digits.
        grid: Rows and columns.
        side: Of a whole picture, in pixels.
        train: How many training grids.
        validation: How many validation grids.
        test: How many test grids.
        distinct: Whether the digits of a picture are all different.
        seed: Of the digits held out and of the draws.

    Returns:
        The grids, a function of the arguments. The grids of a part depend on its own number alone.

    Raises:
        ConfigError: Rows or columns do not divide the side, a cell is smaller than a digit, more cells are to be
            distinct than there are digits, or a part would be empty.
        DataError: There are too few training digits to hold some of every class out.
    """
    _check(digits.side, grid, side, distinct)
    for name, count in (("train", train), ("validation", validation), ("test", test)):
        if count < 1:
            raise ConfigError(
                f"{count} {name} grids are asked for.", expected="1 or more", fix="ask for more"
            )
    own, held_out = _hold_out(digits, seed)

    def part(name: str, images: np.ndarray, labels: np.ndarray, count: int) -> Grids:
        rng = np.random.default_rng([seed, _STREAMS[name]])
        chosen = _draw(labels, count, grid[0] * grid[1], distinct, rng)
        return Grids(_tile(images, chosen, grid, side), labels[chosen])

    images, labels = digits.train_images, digits.train_labels
    return GridDigits(
        part("train", images[own], labels[own], train),
        part("validation", images[held_out], labels[held_out], validation),
        part("test", digits.test_images, digits.test_labels, test),
        f"{digits.name}-grid-{grid[0]}x{grid[1]}{'-distinct' if distinct else ''}",
    )


def label_sets(cells: np.ndarray) -> np.ndarray:
    """Returns which digits are in each picture, a repeated one once.

    Args:
        cells: int `[rows, cells]`, 0..9.

    Returns:
        float32 `[rows, 10]`: 1 for a digit that is there, else 0.
    """
    sets = np.zeros((len(cells), CLASSES), np.float32)
    np.put_along_axis(sets, cells, 1.0, axis=1)
    return sets


def _check(digit: int, grid: tuple[int, ...], side: int, distinct: bool) -> None:
    if len(grid) != 2 or min(grid) < 1:
        raise ConfigError(f"grid is {grid}.", expected="1 or more rows and columns", fix="set grid to (2, 2)")
    rows, columns = grid
    if side % rows or side % columns:
        raise ConfigError(
            f"A grid of {rows} x {columns} does not divide a picture of {side} x {side}.",
            expected=f"rows and columns that divide {side}",
            fix="set another grid, e.g. (2, 2), or another side",
        )
    if min(side // rows, side // columns) < digit:
        multiple = math.lcm(rows, columns)
        enough = multiple * math.ceil(digit * max(grid) / multiple)
        raise ConfigError(
            f"A grid of {rows} x {columns} leaves cells of {side // rows} x {side // columns} in a picture of "
            f"{side} x {side}, but a digit has {digit} x {digit}.",
            expected="cells that hold a digit",
            fix=f"set fewer rows and columns, or a side of {enough}",
        )
    if distinct and rows * columns > CLASSES:
        raise ConfigError(
            f"{rows * columns} cells cannot hold distinct digits, of which there are {CLASSES}.",
            expected=f"at most {CLASSES} cells",
            fix="set a smaller grid, or distinct to false",
        )


def _hold_out(digits: Digits, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rows = split_off(digits.train_labels, HELD_OUT, seed)
    for some in rows:
        absent = np.setdiff1d(np.arange(CLASSES), digits.train_labels[some])
        if len(absent):
            raise DataError(
                f"{digits.name} has {len(digits.train_labels)} training digits, too few to hold out a tenth for "
                f"validation: a part would have no {absent[0]}.",
                expected="ten or more of each class",
                fix="name a larger data set",
            )
    return rows


def _draw(labels: np.ndarray, count: int, cells: int, distinct: bool, rng: np.random.Generator) -> np.ndarray:
    """The rows of the digits: int64 `[count, cells]`."""
    if not distinct:
        return rng.integers(len(labels), size=(count, cells))
    classes = rng.permuted(np.tile(np.arange(CLASSES), (count, 1)), axis=1)[:, :cells]
    sizes = np.bincount(labels, minlength=CLASSES)
    rank = rng.integers(sizes[classes])
    by_class = np.argsort(labels, kind="stable")
    return by_class[(np.cumsum(sizes) - sizes)[classes] + rank]


def _tile(images: np.ndarray, chosen: np.ndarray, grid: tuple[int, ...], side: int) -> np.ndarray:
    rows, columns = grid
    height, width, digit = side // rows, side // columns, images.shape[1]
    top, left = (height - digit) // 2, (width - digit) // 2
    tiled = np.zeros((len(chosen), rows, height, columns, width), np.uint8)
    each = images[chosen].reshape(-1, rows, columns, digit, digit)
    tiled[:, :, top : top + digit, :, left : left + digit] = each.transpose(0, 1, 3, 2, 4)
    return tiled.reshape(-1, side, side)
