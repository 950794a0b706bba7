"""Edits: means of unit vectors, the mean text where one side is empty, and what is no edit."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import DataError
from zoo.search.edit import Edit

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def test_the_difference_of_the_means():
    # (east + north) / 2 - west = (1.5, .5)
    edit = Edit.of([EAST, NORTH], [WEST], 2)
    np.testing.assert_allclose(edit.direction, [1.5, 0.5])
    assert edit.length == pytest.approx(np.sqrt(2.5))


def test_its_length_does_not_grow_with_the_number_of_words():
    once, thrice = Edit.of([EAST], [NORTH], 2), Edit.of([EAST] * 3, [NORTH] * 3, 2)
    assert once.length == pytest.approx(thrice.length)


def test_the_mean_text_stands_for_an_empty_side():
    mean = np.array([0.2, 0.1])
    np.testing.assert_allclose(Edit.of([EAST], [], 2, mean).direction, [0.8, -0.1], atol=1e-7)
    np.testing.assert_allclose(Edit.of([], [NORTH], 2, mean).direction, [0.2, -0.9], atol=1e-7)
    # Where both sides are given, it plays no part.
    np.testing.assert_allclose(Edit.of([EAST], [NORTH], 2, mean).direction, [1.0, -1.0])


def test_arrays_are_as_good_as_lists():
    rows = np.eye(3, dtype=np.float32)
    np.testing.assert_allclose(Edit.of(rows[:2], rows[2:], 3).direction, [0.5, 0.5, -1.0])


@pytest.mark.parametrize(
    ("add", "remove", "text"),
    [
        (
            [],
            [],
            "nothing is added and nothing removed\n"
            "Fix: give a vector to add or to remove, or search with nearest()",
        ),
        (
            [EAST],
            [],
            "nothing to remove, and no mean text to stand for it\n"
            "Fix: give something to remove, or make the index with mean_text",
        ),
        (
            [EAST, NORTH],
            [NORTH, EAST],
            "the same is added and removed: the vectors differ by 0\n"
            "Expected: a difference of at least 1e-06\nFix: add something else than is removed",
        ),
        (
            [EAST],
            [[0.0, 0.0, 1.0]],
            "vectors to remove: shape [1, 3] of float64\nExpected: numbers of shape [n, 2]\n"
            "Fix: embed with the model that made the index",
        ),
        (
            [[1.0, 1.0]],
            [EAST],
            "vectors to add: row 0 has length 1.41421\nExpected: length 1 within 0.001\n"
            "Fix: divide each vector by its length",
        ),
        (
            [[np.nan, 0.0]],
            [EAST],
            "vectors to add: row 0 holds NaN or infinity\nExpected: finite numbers\n"
            "Fix: leave the row out, or embed it again",
        ),
    ],
    ids=["nothing", "one_side", "the_same", "size", "length", "nan"],
)
def test_what_is_no_edit(add, remove, text):
    with pytest.raises(DataError) as error:
        Edit.of(add, remove, 2)
    assert str(error.value) == text
