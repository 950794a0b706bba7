"""How sure a mean difference is: percentile intervals by resampling what was measured on both sides."""

from __future__ import annotations

import numpy as np

from zoo.checks import check_same_shape
from zoo.errors import DataError

# Resamples are drawn in blocks of so many rows in all, which bounds the memory.
_BLOCK_ROWS = 5_000_000


def paired_interval(
    differences: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    groups: np.ndarray | None = None,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """Returns the interval of the mean of paired differences, by the percentile bootstrap.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3. Both sides of a difference are of one
    row (a picture, a query), so that what makes a row hard for both cancels.

    Args:
        differences: float `[rows]`, one side less the other, summed over whatever `weights` counts.
        weights: float `[rows]`: the mean of a sample is the sum of its differences over the sum of its weights; a row
            that was left out of both has 0 in both. None: 1 each.
        groups: `[rows]`, labels of rows that are not independent, e.g. of queries with one picture: whole groups are
            drawn (the cluster bootstrap). None: every row is drawn by itself.
        level: Share of the resampled means that the interval holds.
        draws: Resamples.
        seed: Of the drawing.

    Raises:
        DataError: There are no rows, or shapes differ.
    """
    difference = np.asarray(differences, np.float64)
    weight = np.ones_like(difference) if weights is None else np.asarray(weights, np.float64)
    check_same_shape(weight, difference, names=("weights", "differences"))
    if not len(difference):
        raise DataError(
            "There are no differences to draw from.",
            expected="at least one row",
            fix="measure something first",
        )
    if groups is not None:
        check_same_shape(np.asarray(groups), difference, names=("groups", "differences"))
        _, group = np.unique(groups, return_inverse=True)
        difference, weight = (_sums(group, each) for each in (difference, weight))

    rng = np.random.default_rng(seed)
    means: list[np.ndarray] = []
    for size in _blocks(draws, max(_BLOCK_ROWS // len(difference), 1)):
        drawn = rng.integers(0, len(difference), (size, len(difference)))
        means.append(difference[drawn].sum(axis=1) / weight[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _sums(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(np.bincount(group, values))


def _blocks(draws: int, largest: int) -> list[int]:
    return [min(largest, draws - start) for start in range(0, draws, largest)]
