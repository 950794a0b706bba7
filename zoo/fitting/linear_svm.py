"""Linear support vector machines, one class against the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.errors import ConfigError, DataError
from zoo.fitting.cross_validation import C_VALUES, choose_c
from zoo.fitting.gram import gram, primal
from zoo.fitting.linear_classifier import LinearClassifier, Targets
from zoo.fitting.squared_hinge import minimize_squared_hinge

MOST_ROWS = 20_000


@dataclass(frozen=True)
class DualClassifier:
    """A linear classifier that is known by its coefficients on training rows.

    Attributes:
        coefficients: β, float64 `[rows, K]`: class k scores `x^T X^T β_k + b_k`.
        bias: b, float64 `[K]`.
        c: As in `LinearClassifier`, like the rest.
        cross_validated: C -> quality.
        iterations: Newton steps of the slowest class.
        gap: Largest relative duality gap of the classes.
    """

    coefficients: np.ndarray
    bias: np.ndarray
    c: float
    cross_validated: Mapping[float, float]
    iterations: int
    gap: float

    def scores(self, cross_gram: np.ndarray) -> np.ndarray:
        """Returns the scores `[rows, K]` of the rows of `gram(features, training_features)`."""
        return np.asarray(cross_gram, np.float64) @ self.coefficients + self.bias

    def primal(self, features: np.ndarray) -> LinearClassifier:
        """Returns the same classifier as weights of the training features `[rows, D]`."""
        weights = primal(features, self.coefficients)
        return LinearClassifier(weights, self.bias, self.c, self.cross_validated, self.iterations, self.gap)


def fit_linear_svm(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    c: Sequence[float] = C_VALUES,
    folds: int = 5,
    seed: int = 0,
    intercept_scaling: float = 1.0,
    tolerance: float = 1e-6,
) -> LinearClassifier:
    """Fits a linear SVM with squared hinge loss, one class against the rest, and chooses C.

    The problem is that of liblinear and of scikit-learn's `LinearSVC` (Fan et al. 2008, JMLR 9, section 2, "L2-loss
    SVC"): `1/2 |w|^2 + C sum max(0, 1 - y f)^2`, the intercept among the weights. So is the optimum, except that of
    two classes each has a column of its own (one is minus the other).

    Args:
        features: Float `[rows, D]`, finite; scaled as it will be served (e.g. to L2 norm 1).
        targets: int `[rows]`, classes 0..K-1; or 0 and 1 `[rows, K]` for multi-label targets.
        c: Choices of C; one alone is taken as it is.
        folds: Of the cross-validation that chooses C.
        seed: Of the folds.
        intercept_scaling: Value of the constant feature that is appended for the intercept; 0 for no intercept.
        tolerance: Relative duality gap at which a fit ends.

    Returns:
        Weights `[D, K]` and bias `[K]`, with the choice of C.

    Raises:
        ConfigError: c, folds or intercept_scaling out of range.
        DataError: Features that are nan or misshapen, one class only, a class with one row while C is chosen, more than
            `MOST_ROWS` rows.
    """
    if len(features) > MOST_ROWS:
        raise DataError(
            f"There are {len(features)} training rows: their Gram matrix would take "
            f"{8 * len(features) ** 2 / 2**30:.0f} GiB, several times over.",
            expected=f"at most {MOST_ROWS}",
            fix="train on fewer pictures of each class, or fit a logistic regression (fit_logistic)",
        )
    fitted = fit_linear_svm_on_gram(
        gram(features),
        targets,
        c=c,
        folds=folds,
        seed=seed,
        intercept_scaling=intercept_scaling,
        tolerance=tolerance,
    )
    return fitted.primal(features)


def fit_linear_svm_on_gram(
    kernel: np.ndarray,
    targets: np.ndarray,
    *,
    c: Sequence[float] = C_VALUES,
    folds: int = 5,
    seed: int = 0,
    intercept_scaling: float = 1.0,
    tolerance: float = 1e-6,
) -> DualClassifier:
    """Fits the SVM of `fit_linear_svm` on a Gram matrix, without touching a feature again.

    Args:
        kernel: `gram(features)`, float `[rows, rows]`; of concatenated features the sum of their Gram matrices.
        targets: As in `fit_linear_svm`, like the rest.
        c: Choices of C.
        folds: Of the cross-validation.
        seed: Of the folds.
        intercept_scaling: Value of the constant feature.
        tolerance: Relative duality gap.

    Raises:
        ConfigError: c, folds or intercept_scaling out of range.
        DataError: The matrix is not square, finite and symmetric, or does not fit the targets.
    """
    if not 0 <= intercept_scaling < np.inf:
        raise ConfigError(
            f"intercept_scaling is {intercept_scaling}.",
            expected="0 (no intercept) or more",
            fix="leave it at 1",
        )
    checked = Targets(targets)
    kernel = _check_gram(kernel) + intercept_scaling**2
    checked.check_rows(len(kernel))
    signs = np.where(checked.positive, 1.0, -1.0)

    def held_out(train: np.ndarray, test: np.ndarray, values: Sequence[float]) -> Iterator[np.ndarray]:
        block, cross = kernel[np.ix_(train, train)], kernel[np.ix_(test, train)]
        beta = None
        for value in values:
            solution = minimize_squared_hinge(block, signs[train], value, start=beta, tolerance=tolerance)
            beta = solution.coefficients
            yield cross @ beta

    best, quality = choose_c(checked, c, folds=folds, seed=seed, held_out=held_out)
    fitted = minimize_squared_hinge(kernel, signs, best, tolerance=tolerance)
    bias = intercept_scaling**2 * fitted.coefficients.sum(axis=0)
    return DualClassifier(fitted.coefficients, bias, best, quality, fitted.iterations, fitted.gap)


def _check_gram(kernel: np.ndarray) -> np.ndarray:
    kernel = np.asarray(kernel, np.float64)
    square = kernel.ndim == 2 and kernel.shape[0] == kernel.shape[1]
    if (
        not square
        or not np.isfinite(kernel).all()
        or not np.allclose(kernel, kernel.T, atol=1e-6 * np.abs(kernel).max())
    ):
        raise DataError(
            f"The Gram matrix of the training rows, of shape {kernel.shape}, is not square, finite and symmetric.",
            expected="gram(features), or a sum of such matrices",
            fix="gram(test, train) is for the scores of other rows, not for the fit",
        )
    return kernel
