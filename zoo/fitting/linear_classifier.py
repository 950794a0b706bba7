"""What a fit of a linear classifier gets and gives: targets in, weights and bias of a Dense out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from zoo.checks import listing
from zoo.errors import DataError
from zoo.metrics.ranking import mean_average_precision


@dataclass(frozen=True)
class LinearClassifier:
    """Scores `x^T W + b` of K classes, fitted on the host, to be frozen into a Dense.

    Attributes:
        weights: W, float64 `[D, K]`.
        bias: b, float64 `[K]`.
        c: The C of the fit: weight of the losses against half the squared norm of the weights.
        cross_validated: C -> cross-validated accuracy (of multi-label targets: mean average precision);
            empty where there was one C only.
        iterations: Of the solver, for the last fit.
        gap: Largest relative duality gap of the classes, or None where the solver works without the dual.
    """

    weights: np.ndarray
    bias: np.ndarray
    c: float
    cross_validated: Mapping[float, float]
    iterations: int
    gap: float | None = None

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Returns the scores `[rows, K]` of features `[rows, D]`."""
        return np.asarray(features, np.float64) @ self.weights + self.bias


@dataclass(frozen=True)
class Targets:
    """Which rows belong to which class.

    Args:
        values: int `[rows]`, the classes 0..K-1; or 0 and 1 (or bool) `[rows, K]` for multi-label targets.

    Attributes:
        positive: bool `[rows, K]`.
        multi_label: Whether a row may have any number of classes.

    Raises:
        DataError: Another shape or other values, fewer than two classes, or a class that no row or every row has.
    """

    values: np.ndarray
    positive: np.ndarray = field(init=False)
    multi_label: bool = field(init=False)

    def __post_init__(self) -> None:
        """Checks the values."""
        values = np.asarray(self.values)
        labels = values.ndim == 1 and values.dtype.kind in "iu" and len(values) > 0 and values.min() >= 0
        multi_hot = values.ndim == 2 and values.size > 0 and bool(np.isin(values, (0, 1)).all())
        if not (labels or multi_hot):
            raise DataError(
                f"The targets have the shape {values.shape} and the dtype {values.dtype}.",
                expected="class numbers int [rows] from 0 on, or 0 and 1 [rows, classes]",
                fix="number the classes from 0 on; -1 and nan are no classes",
            )
        if labels and values.max() == 0:
            raise DataError(
                f"All {len(values)} rows are of one class.",
                expected="at least two classes",
                fix="look at the folders of the training part",
            )
        positive = values[:, None] == np.arange(values.max() + 1) if labels else values.astype(bool)
        alone = np.flatnonzero(positive.all(axis=0) | ~positive.any(axis=0))
        if len(alone):
            raise DataError(
                f"No row, or every row, has class {listing(alone.tolist())}.",
                expected="rows with and rows without it, for each of the classes",
                fix="leave the class out, or add pictures",
            )
        object.__setattr__(self, "positive", positive)
        object.__setattr__(self, "multi_label", not labels)

    def check_rows(self, rows: int) -> None:
        """Raises DataError unless there are targets for so many rows."""
        if len(self.positive) != rows:
            raise DataError(
                f"There are {rows} rows of features, but targets for {len(self.positive)}.",
                expected="one target a row",
                fix="take features and targets of the same pictures",
            )

    def quality(self, scores: np.ndarray) -> float:
        """Returns the accuracy of scores `[rows, K]`, or of multi-label targets the mean over classes of the
        average precision."""
        if self.multi_label:
            return mean_average_precision(self.positive.T, scores.T)
        return float(np.mean(scores.argmax(axis=1) == self.positive.argmax(axis=1)))
