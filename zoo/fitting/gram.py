"""Inner products of the rows of feature matrices, and the way back from dual coefficients to weights."""

from __future__ import annotations

import numpy as np

from zoo.errors import DataError


def gram(features: np.ndarray, other: np.ndarray | None = None) -> np.ndarray:
    """Returns the Gram matrix of the rows of `features`.

    The Gram matrix of feature blocks side by side is the sum of their Gram matrices, `[A B][A B]^T = A A^T + B B^T`:
    the study of layer x layer needs one product per layer, not per pair.

    Args:
        features: Float `[rows, D]`, finite.
        other: Float `[more_rows, D]`, e.g. of the training part; None takes `features`.

    Returns:
        float64 `[rows, rows]`, or `[rows, more_rows]`.

    Raises:
        DataError: Not a finite matrix, or the two have different lengths.
    """
    left = check_features(features)
    if other is None:
        return left @ left.T
    right = check_features(other)
    if left.shape[1] != right.shape[1]:
        raise DataError(
            f"The features have {left.shape[1]} dimensions and the others {right.shape[1]}.",
            expected="features of the same layers on both sides",
            fix="extract both with the same settings",
        )
    return left @ right.T


def primal(features: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Returns the weights `X^T β` of dual coefficients.

    Args:
        features: Float `[rows, D]`, those of the Gram matrix, in its order.
        coefficients: β, `[rows, K]`.

    Returns:
        float64 `[D, K]`.

    Raises:
        DataError: Not a finite matrix, or another number of rows.
    """
    features = check_features(features)
    if len(features) != len(coefficients):
        raise DataError(
            f"The features have {len(features)} rows, but the dual coefficients belong to {len(coefficients)}.",
            expected="the rows that the Gram matrix was made of, in its order",
            fix="pass the training features",
        )
    return features.T @ coefficients


def check_features(features: np.ndarray) -> np.ndarray:
    """Returns `features` as a float64 matrix `[rows, D]`.

    Raises:
        DataError: It has another rank, no rows or dimensions, or numbers that are not finite.
    """
    features = np.asarray(features, np.float64)
    if features.ndim != 2 or 0 in features.shape:
        raise DataError(
            f"The features have the shape {features.shape}.",
            expected="[rows, dimensions], neither of them 0",
            fix="pool maps and flatten them before a linear classifier is fitted",
        )
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        wrong = np.flatnonzero(~finite)
        raise DataError(
            f"{len(wrong)} of {len(features)} rows of the features are nan or infinite, the first is row {wrong[0]}.",
            expected="finite numbers",
            fix="look at the picture of that row, and at the network's weights",
        )
    return features
