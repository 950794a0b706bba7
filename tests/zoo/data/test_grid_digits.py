"""Grids of digits: which digit is where and from which part, and how often a label is right."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from zoo.data.digits import Digits, open_digits
from zoo.data.grid_digits import grid_digits, label_sets
from zoo.errors import ConfigError, DataError

SMALL = {"train": 200, "validation": 60, "test": 60}


def make_digits(train=100, test=50, side=28):
    """Picture i of the training part is filled with 1 + i, picture i of the test part with 201 + i."""

    def images(first, rows):
        values = np.arange(first, first + rows, dtype=np.uint8)
        return np.broadcast_to(values[:, None, None], (rows, side, side))

    labels = [np.arange(rows, dtype=np.int32) % 10 for rows in (train, test)]
    return Digits(images(1, train), labels[0], images(201, test), labels[1], "toy")


DIGITS = make_digits()


def pictures_of(images):
    """Which training (1..) or test (201..) picture is in each cell of a 2 x 2 grid of 64 pixels."""
    return images[:, [16, 16, 48, 48], [16, 48, 16, 48]].astype(int)


@pytest.fixture(scope="module", params=[False, True], ids=["independent", "distinct"])
def grids(request):
    return grid_digits(DIGITS, **SMALL, distinct=request.param)


def test_shapes(grids):
    for name, rows in SMALL.items():
        part = getattr(grids, name)
        assert len(part) == rows
        assert part.images.shape == (rows, 64, 64) and part.images.dtype == np.uint8
        assert part.cells.shape == (rows, 4) and part.cells.dtype == np.int32
    assert grids.name in ("toy-grid-2x2", "toy-grid-2x2-distinct")


def test_each_part_has_a_draw_of_its_own(grids):
    assert not np.array_equal(grids.test.cells, grids.validation.cells)
    assert not np.array_equal(grids.test.cells, grids.train.cells[:60])


def test_every_cell_holds_its_digit_row_by_row(grids):
    for part, first in ((grids.train, 1), (grids.validation, 1), (grids.test, 201)):
        assert np.array_equal((pictures_of(part.images) - first) % 10, part.cells)


def test_no_two_parts_share_a_digit(grids):
    train, validation, test = (
        set(pictures_of(part.images).ravel().tolist()) for part in (grids.train, grids.validation, grids.test)
    )
    # One of each class is held out; 800 draws from 90 leave none out but by a chance of 1 in 80.
    assert len(validation) == 10 and not train & validation
    assert train | validation <= set(range(1, 101)) and len(train) > 80
    assert test <= set(range(201, 251)) and len(test) > 40


def test_a_digit_is_padded_by_two():
    image = grid_digits(DIGITS, **SMALL).train.images[0]
    filled = np.zeros((64, 64), bool)
    for top in (2, 34):
        for left in (2, 34):
            filled[top : top + 28, left : left + 28] = True
            assert len(np.unique(image[top : top + 28, left : left + 28])) == 1
    assert np.array_equal(image > 0, filled)


def test_another_grid_is_padded_on_both_sides():
    """Cells of 42 x 28 hold digits of 9: 16 above, 17 below, 9 to the left and 10 to the right."""
    data = grid_digits(make_digits(side=9), grid=(2, 3), side=84, **SMALL)
    assert data.name == "toy-grid-2x3" and data.test.cells.shape == (60, 6)
    rows, columns = np.nonzero(data.test.images[0])
    assert sorted(set(rows.tolist())) == [*range(16, 25), *range(58, 67)]
    assert sorted(set(columns.tolist())) == [*range(9, 18), *range(37, 46), *range(65, 74)]
    # Row by row: the fourth cell begins the second row.
    shown = data.test.images[:, [20, 20, 20, 60, 60, 60], [12, 40, 68, 12, 40, 68]].astype(int)
    assert np.array_equal((shown - 201) % 10, data.test.cells)


def test_distinct_digits_are_all_different():
    cells = grid_digits(DIGITS, **SMALL, distinct=True).train.cells
    assert all(len(set(row)) == 4 for row in cells.tolist())
    whole = grid_digits(DIGITS, grid=(2, 5), side=140, **SMALL, distinct=True).test.cells
    assert np.array_equal(np.sort(whole, axis=1), np.tile(np.arange(10), (60, 1)))


def test_the_draw_is_a_function_of_its_arguments():
    first, again = grid_digits(DIGITS, **SMALL), grid_digits(DIGITS, **SMALL)
    other = grid_digits(DIGITS, **SMALL, seed=1)
    fewer = grid_digits(DIGITS, **SMALL | {"train": 7})
    for name in SMALL:
        one = getattr(first, name)
        assert np.array_equal(one.images, getattr(again, name).images)
        assert not np.array_equal(one.cells, getattr(other, name).cells)
    assert np.array_equal(fewer.test.images, first.test.images)
    assert np.array_equal(fewer.validation.images, first.validation.images)


def test_label_sets():
    sets = label_sets(np.array([[3, 3, 0, 9], [1, 1, 1, 1]]))
    assert sets.tolist() == [[1, 0, 0, 1, 0, 0, 0, 0, 0, 1], [0, 1] + [0] * 8]
    assert sets.dtype == np.float32


def statistics(cells):
    """Share of pictures with four labels; labels per picture; share with a digit; share with one of a pair."""
    sets = label_sets(cells)
    pairs = np.maximum(sets[:, :, None], sets[:, None])[:, ~np.eye(10, dtype=bool)]
    return (sets.sum(axis=1) == 4).mean(), sets.sum(axis=1).mean(), sets.mean(), pairs.mean()


def test_how_often_a_label_is_right():
    """All 10,000 grids once: .504 = 10 * 9 * 8 * 7 / 10^4, .3439 = 1 - .9^4, .5904 = 1 - .8^4."""
    every = np.stack(np.meshgrid(*[np.arange(10)] * 4), axis=-1).reshape(-1, 4)
    expected = statistics(every)
    assert expected == pytest.approx((0.504, 3.439, 0.3439, 0.5904), abs=1e-6)
    drawn = grid_digits(make_digits(side=1), side=2, train=10_000).train.cells
    # Three standard errors of 10,000 grids.
    errors = np.abs(np.subtract(statistics(drawn), expected))
    assert (errors < (0.015, 0.021, 0.0021, 0.004)).all(), errors
    distinct = grid_digits(make_digits(side=1), side=2, train=10_000, distinct=True).train.cells
    assert statistics(distinct) == pytest.approx((1, 4, 0.4, 2 / 3), abs=1e-6)
    assert label_sets(distinct).mean(axis=0) == pytest.approx(np.full(10, 0.4), abs=0.015)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"grid": (3, 2)},
            "A grid of 3 x 2 does not divide a picture of 64 x 64.\n"
            "Expected: rows and columns that divide 64\n"
            "Fix: set another grid, e.g. (2, 2), or another side",
        ),
        (
            {"grid": (2, 4)},
            "A grid of 2 x 4 leaves cells of 32 x 16 in a picture of 64 x 64, but a digit has 28 x 28.\n"
            "Expected: cells that hold a digit\n"
            "Fix: set fewer rows and columns, or a side of 112",
        ),
        (
            {"grid": (3, 4), "side": 60},
            "A grid of 3 x 4 leaves cells of 20 x 15 in a picture of 60 x 60, but a digit has 28 x 28.\n"
            "Expected: cells that hold a digit\n"
            "Fix: set fewer rows and columns, or a side of 120",
        ),
        (
            {"grid": (3, 4), "side": 120, "distinct": True},
            "12 cells cannot hold distinct digits, of which there are 10.\n"
            "Expected: at most 10 cells\nFix: set a smaller grid, or distinct to false",
        ),
        (
            {"grid": (0, 2)},
            "grid is (0, 2).\nExpected: 1 or more rows and columns\nFix: set grid to (2, 2)",
        ),
        (
            {"grid": (2,)},
            "grid is (2,).\nExpected: 1 or more rows and columns\nFix: set grid to (2, 2)",
        ),
        (
            {"validation": 0},
            "0 validation grids are asked for.\nExpected: 1 or more\nFix: ask for more",
        ),
    ],
    ids=["does-not-divide", "small-cell", "small-cell-oblong", "distinct", "no-rows", "one-number", "empty-part"],
)  # fmt: skip
def test_wrong_use(arguments, text):
    with pytest.raises(ConfigError) as error:
        grid_digits(DIGITS, **SMALL | arguments)
    assert str(error.value) == text


def test_too_few_digits_to_hold_some_out():
    with pytest.raises(DataError) as error:
        grid_digits(make_digits(train=50), **SMALL)
    assert str(error.value).startswith(
        "toy has 50 training digits, too few to hold out a tenth for validation: a part would have no "
    )
    assert str(error.value).endswith("\nExpected: ten or more of each class\nFix: name a larger data set")


@pytest.mark.skipif("MIZOO_DATA" not in os.environ, reason="MIZOO_DATA is not set")
def test_real_grids():
    """The report's 10,000 and 1,000. MNIST's classes are a little uneven, hence the margins."""
    digits = open_digits(Path(os.environ["MIZOO_DATA"]) / "mnist")
    grids = grid_digits(digits)
    assert grids.train.images.shape == (10_000, 64, 64) and grids.test.images.shape == (1_000, 64, 64)
    assert statistics(grids.train.cells) == pytest.approx((0.504, 3.44, 0.344, 0.59), rel=0.03)
    # Of a real grid, the first cell without its frame is a test digit of that label.
    known = {
        image.tobytes(): label for image, label in zip(digits.test_images, digits.test_labels, strict=True)
    }
    first = grids.test.images[:, 2:30, 2:30]
    assert [known[cell.tobytes()] for cell in first] == grids.test.cells[:, 0].tolist()
