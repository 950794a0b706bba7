"""Orthonormal class vectors of a linear head, from its weights alone: what SVD-FC and SVD-CAM multiply with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.checks import check_fraction, listing
from zoo.errors import ConfigError, DataError, nearest

BASES = ("polar", "left")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ClassVectors:
    """Orthonormal vectors in place of the class vectors of a head with C channels.

    Attributes:
        vectors: Q, float64 `[C, K]` of the K kept classes, or `[C, rank]` with the basis "left".
        singular_values: Of the kept classes' weights, descending, float64 `[min(C, K)]`; those that count as 0
            are among them.
        rank: How many singular values do not count as 0.
        basis: "polar" or "left".
        classes: Column of the head that each kept class had, int64 `[K]`.
        dropped_classes: Columns that were left out.
    """

    vectors: np.ndarray
    singular_values: np.ndarray
    rank: int
    basis: str
    classes: np.ndarray
    dropped_classes: tuple[int, ...]

    @property
    def channels(self) -> int:
        """C."""
        return len(self.vectors)

    @property
    def dropped_directions(self) -> int:
        """How many singular values count as 0."""
        return len(self.singular_values) - self.rank

    @property
    def isometry(self) -> bool:
        """Whether `|Q^T x| = |x|` for every x: the class vectors span all channels."""
        return self.rank == self.channels

    @property
    def shortens(self) -> bool:
        """Whether `Q^T x` has fewer numbers than x."""
        return self.vectors.shape[1] < self.channels


def orthonormal_class_vectors(
    weights: np.ndarray,
    basis: str = "polar",
    drop_classes: Sequence[int] = (),
    tolerance: float = 1e-6,
) -> ClassVectors:
    """Orthonormalises the class vectors of a trained head by its singular value decomposition W = U S V^T.

    Class vectors of similar classes are alike, so that `W^T x` stresses few directions. `Q^T x` gives every
    direction that the head looks at the same weight (final report of KAKENHI 17K20008; MIRU2021). Which factor its
    authors used is not stated. "polar" is Q = U V^T = W (W^T W)^(-1/2), the nearest matrix with orthonormal columns
    (Schoenemann 1966; Loewdin 1950), whose column k still belongs to class k. "left" is U. Distances and linear
    SVMs are the same with both: `|U^T x| = |V U^T x|`.

    Rank deficiency and K >= C are logged as warnings: a direction that no class looks at is left out, and with
    K >= C vectors of rank C, `Q^T x` is an isometry of x, which no linear classifier tells from x itself.

    Args:
        weights: W `[C, K]`, one column for each class, without the bias. Computed in float64.
        basis: "polar" or "left".
        drop_classes: Columns to leave out first, e.g. `(0,)` for a background class.
        tolerance: Singular values below this share of the largest count as 0.

    Raises:
        DataError: W is no matrix, is not finite, or is 0.
        ConfigError: The basis is unknown, or a class to drop is not there.

    Example:
        >>> orthonormal_class_vectors(np.array([[3.0, 0.0], [0.0, 2.0], [0.0, 0.0]])).vectors
        array([[1., 0.],
               [0., 1.],
               [0., 0.]])
    """
    if basis not in BASES:
        raise ConfigError(
            f"Unknown basis '{basis}'.{nearest(basis, BASES)}",
            expected=f"one of {', '.join(BASES)}",
            fix='"polar" keeps one vector for each class',
        )
    check_fraction(tolerance, "tolerance")
    matrix = np.asarray(weights, np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise DataError(
            f"The class vectors have shape {matrix.shape}.",
            expected="[channels, classes], at least 1 x 1",
            fix="give the kernel of a Dense, or kernel[0, 0] of a 1x1 convolution",
        )
    if not np.isfinite(matrix).all():
        raise DataError(
            f"{np.count_nonzero(~np.isfinite(matrix))} of {matrix.size} weights of the head are not finite.",
            fix="use a checkpoint from before the training diverged",
        )
    dropped = tuple(dict.fromkeys(int(column) for column in drop_classes))
    classes = kept_columns(matrix.shape[1], dropped)
    left, values, right = np.linalg.svd(matrix[:, classes], full_matrices=False)
    rank = int(np.count_nonzero(values > tolerance * values[0]))
    if not rank:
        raise DataError(
            "All weights of the head are 0.", expected="a trained head", fix="load its weights first"
        )
    vectors = left[:, :rank] if basis == "left" else left[:, :rank] @ right[:rank]
    found = ClassVectors(vectors, values, rank, basis, classes, dropped)
    _warn(found, tolerance)
    return found


@dataclass(frozen=True, eq=False)
class CumulativeContribution:
    """Shares of the first 1, 2, ... n of n singular values, in both readings of the word.

    Attributes:
        sums: sum of the first values / sum of all, float64 `[n]`, 0..1.
        squares: The same of their squares, the variance of principal components.
    """

    sums: np.ndarray
    squares: np.ndarray

    @property
    def half(self) -> int:
        """Half the dimensions, rounded down."""
        return len(self.sums) // 2

    @property
    def half_of_sums(self) -> float:
        """What half the dimensions hold of the sum; 0 where there is one dimension."""
        return float(self.sums[self.half - 1]) if self.half else 0.0

    @property
    def half_of_squares(self) -> float:
        """What half the dimensions hold of the sum of squares; 0 where there is one dimension."""
        return float(self.squares[self.half - 1]) if self.half else 0.0


def cumulative_contribution(singular_values: np.ndarray) -> CumulativeContribution:
    """Returns the shares that the largest singular values hold, in both readings.

    The final report of KAKENHI 17K20008 finds 80 % or more in half the dimensions of every head that it examined,
    and does not say which reading it uses.

    Args:
        singular_values: `[n]`, 0 or more, in any order.

    Raises:
        DataError: There are none, one is negative or not finite, or all are 0.
    """
    values = np.sort(np.asarray(singular_values, np.float64))[::-1]
    if (
        values.ndim != 1
        or not values.size
        or not np.isfinite(values).all()
        or values[-1] < 0
        or not values[0]
    ):
        raise DataError(
            f"No singular values: shape {values.shape}, {_range(values)}.",
            expected="one or more finite numbers, none below 0, not all 0",
            fix="give what numpy.linalg.svd(W, compute_uv=False) returns",
        )
    # Divided first: the square of a tiny value would be 0.
    values = values / values[0]
    sums, squares = np.cumsum(values), np.cumsum(values**2)
    return CumulativeContribution(sums / sums[-1], squares / squares[-1])


def kept_columns(count: int, dropped: Sequence[int]) -> np.ndarray:
    """Returns the columns of a head of so many classes that are not dropped: int64 `[K]`.

    Raises:
        ConfigError: A class to drop is not there, or none is left.
    """
    foreign = [column for column in dropped if not 0 <= column < count]
    if foreign:
        raise ConfigError(
            f"drop_classes names {listing(foreign)}, but the head has {count} classes.",
            expected=f"numbers from 0 to {count - 1}",
            fix="leave drop_classes out, or count the classes from 0",
        )
    if len(dropped) == count:
        raise ConfigError(
            f"drop_classes leaves none of the {count} classes.",
            expected="at least one class that stays",
            fix="drop the background class alone",
        )
    return np.setdiff1d(np.arange(count), dropped)


def _warn(found: ClassVectors, tolerance: float) -> None:
    channels, classes = found.channels, len(found.classes)
    if found.dropped_directions:
        _log.warning(
            "%d of %d singular values of the head are below %g of the largest and are left out: rank %d",
            found.dropped_directions,
            len(found.singular_values),
            tolerance,
            found.rank,
        )
    if classes >= channels:
        _log.warning(
            "The head has %d classes for %d channels: %s. Only fewer classes than channels shorten the feature.",
            classes,
            channels,
            "its orthonormal class vectors turn the pooled feature without changing any distance (an isometry)"
            if found.isometry
            else f"its orthonormal class vectors keep {found.rank} directions of the pooled feature",
        )


def _range(values: np.ndarray) -> str:
    return f"from {values.min():g} to {values.max():g}" if values.size else "empty"
