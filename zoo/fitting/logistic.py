"""Multinomial logistic regression."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.linalg import solve_triangular
from scipy.linalg.lapack import dpstrf
from threadpoolctl import threadpool_limits

from zoo.errors import DataError
from zoo.fitting.cross_validation import C_VALUES, choose_c
from zoo.fitting.gram import check_features, gram
from zoo.fitting.linear_classifier import LinearClassifier, Targets

_LOG = logging.getLogger(__name__)


def fit_logistic(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    c: Sequence[float] = C_VALUES,
    folds: int = 5,
    seed: int = 0,
    tolerance: float = 1e-4,
    most_iterations: int = 1000,
) -> LinearClassifier:
    """Fits a multinomial logistic regression and chooses C.

    The problem is that of scikit-learn's `LogisticRegression`: `1/2 |w|^2 - C sum log p`, without a penalty on the
    intercept, solved by its L-BFGS. Where there are more dimensions than rows, the optimum lies in the span of
    the rows: they are rotated into it first, which changes no inner product, and the weights are rotated back.

    Args:
        features: Float `[rows, D]`, finite; scaled as it will be served (e.g. to L2 norm 1).
        targets: int `[rows]`, classes 0..K-1.
        c: Choices of C; one alone is taken as it is.
        folds: Of the cross-validation that chooses C.
        seed: Of the folds.
        tolerance: Largest entry of the gradient at which a fit ends (scikit-learn's `tol`).
        most_iterations: Of L-BFGS; a fit that needs more ends with a warning.

    Returns:
        Weights `[D, K]` and bias `[K]` of the logits, with the choice of C. Of two classes, each has half of the
        one logit of scikit-learn: the probabilities are the same.

    Raises:
        ConfigError: c or folds out of range.
        DataError: Features that are nan or misshapen, one class only, multi-label targets, a class with one row
            while C is chosen.
    """
    features = check_features(features)
    checked = Targets(targets)
    checked.check_rows(len(features))
    if checked.multi_label:
        raise DataError(
            f"The targets are multi-label, of shape {np.shape(targets)}.",
            expected="one class a row: probabilities of a multinomial regression sum to 1",
            fix="fit a linear SVM, which takes each label against the rest",
        )
    labels = checked.positive.argmax(axis=1)
    rotated, basis = _in_span_of_rows(features) if features.shape[1] > len(features) else (features, None)

    def path(rows: np.ndarray, values: Sequence[float]) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(tol=tolerance, max_iter=most_iterations, warm_start=True)
        for value in values:
            # L-BFGS is many short products: threads of BLAS wait for each other longer than one works.
            with threadpool_limits(1, user_api="blas"):
                model.set_params(C=value).fit(rotated[rows], labels[rows])
            iterations = int(np.max(model.n_iter_))
            if iterations >= most_iterations:
                _LOG.warning("Logistic regression with C=%g stopped after %d iterations.", value, iterations)
            two = len(model.coef_) == 1
            weights = np.stack([-model.coef_[0], model.coef_[0]]) / 2 if two else model.coef_
            bias = np.array([-1.0, 1.0]) * model.intercept_ / 2 if two else model.intercept_
            yield weights.T, bias, iterations

    def held_out(train: np.ndarray, test: np.ndarray, values: Sequence[float]) -> Iterator[np.ndarray]:
        for weights, bias, _ in path(train, values):
            yield rotated[test] @ weights + bias

    best, quality = choose_c(checked, c, folds=folds, seed=seed, held_out=held_out)
    weights, bias, iterations = next(path(np.arange(len(labels)), [best]))
    return LinearClassifier(weights if basis is None else basis @ weights, bias, best, quality, iterations)


def _in_span_of_rows(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns coordinates `[rows, rank]` of the rows in an orthonormal basis `[D, rank]` of their span.

    Cholesky with pivots of the Gram matrix, `P^T X X^T P = L L^T`: L has the coordinates, and the first of the
    pivoted rows, multiplied by the inverse of their own triangle, are the basis (Gram and Schmidt).
    """
    with threadpool_limits(1, user_api="blas"):
        factor, pivots, rank, _ = dpstrf(gram(features), lower=1)
    if not rank:  # nothing but zeros: any one direction will do
        return features[:, :1], np.eye(features.shape[1], 1)
    pivots = pivots - 1
    lower = np.tril(factor)[:, :rank]
    coordinates = np.empty_like(lower)
    coordinates[pivots] = lower
    basis = solve_triangular(lower[:rank], features[pivots[:rank]], lower=True)
    return coordinates, basis.T
