"""Some of the rows of labelled data, every class in its proportion."""

from __future__ import annotations

import numpy as np

from zoo.errors import DataError


def stratified_rows(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Chooses rows at random so that the classes keep their proportions as nearly as whole numbers allow.

    Shares are rounded by the method of the largest remainder, ties by lot. Of equally large classes, then, two
    differ by one row at most. Which rows of a class come first does not depend on `count`.

    Args:
        labels: int `[rows]`, none negative.
        count: How many rows.
        seed: Of the choice.

    Returns:
        int64 `[count]`, ascending; a function of the arguments.

    Raises:
        DataError: There are fewer rows than that.
    """
    if not 0 <= count <= len(labels):
        raise DataError(
            f"{count} rows are asked for.",
            expected=f"0..{len(labels)}, the rows there are",
            fix="ask for fewer",
        )
    if not count:
        return np.empty(0, np.int64)
    rng = np.random.default_rng(seed)
    sizes = np.bincount(labels)
    quota, remainder = np.divmod(count * sizes, len(labels))
    by_remainder = np.lexsort((rng.permutation(len(sizes)), -remainder))
    quota[by_remainder[: count - quota.sum()]] += 1
    return _first_of_each(labels, quota, rng.permutation(len(labels)))


def rows_per_class(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Chooses the same number of rows of every class at random.

    Args:
        labels: int `[rows]`, none negative; every class has at least `count` rows.
        count: Rows of each class.
        seed: Of the choice; another count makes another one.

    Returns:
        int64 `[count * classes]`, ascending; a function of the arguments.
    """
    rng = np.random.default_rng([seed, count])
    quota = np.full(labels.max() + 1, count)
    return _first_of_each(labels, quota, rng.permutation(len(labels)))


def _first_of_each(labels: np.ndarray, quota: np.ndarray, shuffled: np.ndarray) -> np.ndarray:
    """The first `quota[k]` rows of each class k in the order of `shuffled`; ascending."""
    sizes = np.bincount(labels)
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(by_class[rank < np.repeat(quota, sizes)])


def split_off(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a share of every class off.

    Args:
        labels: int `[rows]`.
        share: 0..1, of the rows; the number of rows is rounded.
        seed: Of the choice.

    Returns:
        The rows that stay and the rows that are cut off, both ascending.
    """
    taken = stratified_rows(labels, round(share * len(labels)), seed)
    return np.setdiff1d(np.arange(len(labels)), taken, assume_unique=True), taken
