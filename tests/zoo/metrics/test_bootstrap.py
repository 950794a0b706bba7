"""Intervals of paired differences."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import DataError, ZooError
from zoo.metrics.bootstrap import paired_interval


def test_equal_differences_have_no_width():
    assert paired_interval(np.full(7, 0.25)) == (0.25, 0.25)


def test_two_rows_by_hand():
    # The mean of two drawn from {0, 1} is 0, 1/2 or 1 with 1/4, 1/2 and 1/4.
    assert paired_interval(np.array([0.0, 1.0])) == (0.0, 1.0)
    assert paired_interval(np.array([0.0, 1.0]), level=0.4) == (0.5, 0.5)


def test_a_mean_of_many_is_as_wide_as_its_standard_error_says():
    difference = np.random.default_rng(1).normal(0.3, 2.0, 4000)
    low, high = paired_interval(difference, draws=4000)
    error = difference.std() / np.sqrt(len(difference))
    assert (low, high) == pytest.approx(
        (difference.mean() - 1.96 * error, difference.mean() + 1.96 * error), abs=0.06 * error
    )


def test_weights_divide_the_sum_of_the_drawn_rows():
    # Every row has the ratio 1/2, so that every sample has it; without weights the mean would differ.
    assert paired_interval(np.array([1.0, 2.0, 5.0]), np.array([2, 4, 10])) == (0.5, 0.5)


def test_groups_are_drawn_whole():
    difference = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    # Each group sums to 0, whichever are drawn; row by row the mean varies.
    assert paired_interval(difference, groups=np.array(["a", "a", "b", "b", "c", "c"])) == (0.0, 0.0)
    low, high = paired_interval(difference)
    assert low < 0 < high


def test_repeated_rows_of_one_group_add_no_certainty():
    difference = np.random.default_rng(0).normal(size=50)
    repeated, group = np.repeat(difference, 20), np.repeat(np.arange(50), 20)
    assert paired_interval(repeated, groups=group) == pytest.approx(paired_interval(difference))
    low, high = paired_interval(repeated)
    wide_low, wide_high = paired_interval(difference)
    assert (high - low) < 0.4 * (wide_high - wide_low)


def test_the_same_seed_gives_the_same_interval_in_any_number_of_blocks(monkeypatch):
    difference = np.random.default_rng(0).normal(size=30)
    whole = paired_interval(difference, draws=100)
    monkeypatch.setattr("zoo.metrics.bootstrap._BLOCK_ROWS", 30 * 7)
    assert paired_interval(difference, draws=100) == whole
    assert paired_interval(difference, draws=100, seed=1) != whole


def test_nothing_to_draw_from():
    with pytest.raises(DataError) as caught:
        paired_interval(np.array([]))
    assert str(caught.value) == (
        "There are no differences to draw from.\nExpected: at least one row\nFix: measure something first"
    )


def test_one_weight_per_difference():
    with pytest.raises(ZooError, match=r"weights has shape \(2,\), but differences has shape \(3,\)"):
        paired_interval(np.zeros(3), np.zeros(2))
