"""Rows chosen class by class."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.stratified import rows_per_class, split_off, stratified_rows
from zoo.errors import DataError


def counts(labels, rows):
    return np.bincount(labels[rows], minlength=labels.max() + 1).tolist()


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ([6, 6, 6], 9, [3, 3, 3]),
        ([8, 4, 4], 8, [4, 2, 2]),
        # Shares 2.5, 1.5, 1: the halves go to one of the two by lot.
        ([10, 5, 1], 16, [10, 5, 1]),
        # Shares 4.5, 0.5 + remainder: 10 * [9, 1] / 10.
        ([9, 1], 10, [9, 1]),
        # Shares 2.7, 0.9, 0.4 of 4.
        ([27, 9, 4], 4, [3, 1, 0]),
        ([3, 3], 0, [0, 0]),
    ],
    ids=["even", "proportional", "all", "all-uneven", "largest-remainder", "none"],
)
def test_the_classes_keep_their_proportions(sizes, count, expected):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    rows = stratified_rows(labels, count, seed=3)
    assert counts(labels, rows) == expected
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert rows.dtype == np.int64


def test_what_cannot_be_even_differs_by_one_and_the_lot_decides():
    labels = np.arange(40) % 4
    extra = set()
    for seed in range(20):
        taken = counts(labels, stratified_rows(labels, 13, seed))
        assert sorted(taken) == [3, 3, 3, 4]
        extra.add(taken.index(4))
    assert extra == {0, 1, 2, 3}


def test_the_choice_is_random_and_a_function_of_its_arguments():
    labels = np.arange(200) % 5
    chosen = {seed: stratified_rows(labels, 50, seed).tolist() for seed in range(4)}
    assert chosen[2] == stratified_rows(labels.astype(np.int32), 50, 2).tolist()
    assert len(set(map(tuple, chosen.values()))) == 4
    # Neither the first rows nor the last.
    assert np.mean(chosen[0]) == pytest.approx(99.5, abs=30)
    # A smaller choice is part of a larger one.
    assert set(stratified_rows(labels, 25, 0)) < set(chosen[0])


def test_a_share_is_cut_off():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    rest, taken = split_off(labels, 0.1, seed=0)
    assert counts(labels, taken) == [5, 3, 2]
    assert sorted([*rest, *taken]) == list(range(100))
    assert rest.tolist() == sorted(rest)


@pytest.mark.parametrize("count", [-1, 11], ids=["negative", "too-many"])
def test_more_rows_than_there_are(count):
    with pytest.raises(
        DataError, match=rf"^{count} rows are asked for\.\nExpected: 0\.\.10, the rows there are"
    ):
        stratified_rows(np.arange(10) % 2, count, 0)


def test_so_many_rows_of_every_class():
    labels = np.array([0, 1, 1, 0, 2, 1, 2, 0, 2, 2])
    chosen = rows_per_class(labels, 2, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [2, 2, 2]
    assert (np.diff(chosen) > 0).all()
    assert rows_per_class(labels, 2, seed=0).tolist() == chosen.tolist()
    assert any(rows_per_class(labels, 2, seed=seed).tolist() != chosen.tolist() for seed in range(1, 5))
