"""The support vector machine on a Gram matrix is that of liblinear."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from zoo.errors import ConfigError, DataError
from zoo.fitting.gram import gram, primal
from zoo.fitting.linear_svm import fit_linear_svm, fit_linear_svm_on_gram
from zoo.fitting.squared_hinge import minimize_squared_hinge

ROWS, CLASSES = 90, 6


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of BLAS are slower than one on matrices of this size, most of all beside other work."""
    with threadpool_limits(1, user_api="blas"):
        yield


def clusters(dimensions: int, rows: int = ROWS, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Rows around one centre a class, overlapping."""
    rng = np.random.default_rng(dimensions)
    labels = np.arange(rows) % CLASSES
    features = rng.normal(size=(CLASSES, dimensions))[labels] + spread * rng.normal(size=(rows, dimensions))
    return features / np.linalg.norm(features, axis=1, keepdims=True), labels


def test_one_class_worked_by_hand():
    """K = 2 I of two opposite signs: β = y / (2 + 1/2C), the primal value 1/2 βKβ + C sum (1 - 2|β|)^2."""
    solution = minimize_squared_hinge(2 * np.eye(2), np.array([[1.0], [-1.0]]), 0.25)
    assert np.allclose(solution.coefficients, [[0.25], [-0.25]], atol=1e-12)
    assert solution.gap <= 1e-6


@pytest.mark.parametrize("dimensions", [12, 300])
@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("intercept_scaling", [1.0, 3.0])
def test_optimum_is_that_of_liblinear(dimensions, c, intercept_scaling):
    features, labels = clusters(dimensions)
    theirs = LinearSVC(
        C=c, dual=True, tol=1e-10, max_iter=200_000, intercept_scaling=intercept_scaling, random_state=0
    ).fit(features, labels)
    ours = fit_linear_svm(features, labels, c=[c], intercept_scaling=intercept_scaling, tolerance=1e-11)
    assert ours.weights.shape == (dimensions, CLASSES)
    assert np.allclose(ours.weights.T, theirs.coef_, atol=1e-5 * np.abs(theirs.coef_).max())
    assert np.allclose(ours.bias, theirs.intercept_, atol=1e-5 * np.abs(theirs.intercept_).max())
    others, _ = clusters(dimensions, 50)
    assert np.array_equal(ours.scores(others).argmax(axis=1), theirs.predict(others))
    assert ours.gap is not None
    assert 0 <= ours.gap + 1e-13 <= 2e-11


def test_without_an_intercept():
    features, labels = clusters(12)
    theirs = LinearSVC(C=1, tol=1e-10, max_iter=200_000, fit_intercept=False).fit(features, labels)
    ours = fit_linear_svm(features, labels, c=[1], intercept_scaling=0, tolerance=1e-11)
    assert np.allclose(ours.weights.T, theirs.coef_, atol=1e-5)
    assert not ours.bias.any()


def test_two_classes_have_opposite_columns():
    features, labels = clusters(12)
    ours = fit_linear_svm(features, labels % 2, c=[1], tolerance=1e-11)
    theirs = LinearSVC(C=1, tol=1e-10, max_iter=200_000).fit(features, labels % 2)
    assert np.allclose(ours.weights[:, 0], -ours.weights[:, 1], atol=1e-5)
    assert np.allclose(ours.weights[:, 1], theirs.coef_[0], atol=1e-5)


@pytest.mark.parametrize("c", [0.003, 0.3, 30.0])
def test_gap_and_warm_start(c):
    """Classes by the block, support rows few and many, factors and conjugate gradients: one optimum."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 30)) + 2
    signs = np.where(rng.random((400, 70)) < 0.3, 1.0, -1.0)
    kernel = gram(features) + 1
    cold = minimize_squared_hinge(kernel, signs, c, tolerance=1e-9)
    before = minimize_squared_hinge(kernel, signs, c / 10)
    warm = minimize_squared_hinge(kernel, signs, c, start=before.coefficients, tolerance=1e-9)
    values = []
    for solution in (cold, warm):
        assert solution.gap <= 1e-9
        scores = kernel @ solution.coefficients
        loss = np.maximum(0, 1 - signs * scores)
        values.append(0.5 * (solution.coefficients * scores).sum(axis=0) + c * (loss**2).sum(axis=0))
        for column in (0, 69):  # a point of the dual, solved without the solver, is a bound from below
            rows, y = np.flatnonzero(loss[:, column]), signs[:, column]
            system = kernel[np.ix_(rows, rows)] + np.eye(len(rows)) / (2 * c)
            beta = np.linalg.solve(system, y[rows])
            beta = y[rows] * np.maximum(0, y[rows] * beta)
            dual = y[rows] @ beta - 0.5 * beta @ system @ beta
            assert -1e-12 <= 1 - dual / values[-1][column] <= 1e-8
    assert np.allclose(*values, rtol=1e-9)
    assert np.allclose(kernel @ cold.coefficients, kernel @ warm.coefficients, atol=1e-3)


def test_unfinished_fit_warns(caplog):
    features, labels = clusters(12)
    signs = np.where(labels[:, None] == np.arange(CLASSES), 1.0, -1.0)
    with caplog.at_level(logging.WARNING):
        solution = minimize_squared_hinge(gram(features) + 1, signs, 100, most_iterations=1)
    assert solution.iterations == 1
    assert solution.gap > 1e-6
    assert "The SVM with C=100 stopped at a relative duality gap of" in caplog.text


def test_sum_of_grams_is_the_gram_of_the_concatenation():
    left, labels = clusters(20)
    right, _ = clusters(35)
    both = np.concatenate([left, right], axis=1)
    assert np.allclose(gram(left) + gram(right), gram(both), atol=1e-13)
    dual = fit_linear_svm_on_gram(gram(left) + gram(right), labels, seed=3, tolerance=1e-11)
    direct = fit_linear_svm(both, labels, seed=3, tolerance=1e-11)
    assert (dual.c, dual.cross_validated) == (direct.c, direct.cross_validated)
    weights = np.concatenate([primal(left, dual.coefficients), primal(right, dual.coefficients)])
    assert np.allclose(weights, direct.weights, atol=1e-8)
    assert np.allclose(dual.primal(both).weights, direct.weights, atol=1e-8)
    cross = gram(left[:7], left) + gram(right[:7], right)
    assert np.allclose(dual.scores(cross), direct.scores(both[:7]), atol=1e-8)


def test_choice_of_c_is_that_of_the_folds():
    """Fitted and scored again, fold by fold, by liblinear."""
    from zoo.fitting.cross_validation import stratified_folds
    from zoo.fitting.linear_classifier import Targets

    features, labels = clusters(40, spread=2.5)
    ours = fit_linear_svm(features, labels, c=(10.0, 0.01, 1.0), seed=5, tolerance=1e-9)
    assert list(ours.cross_validated) == [0.01, 1.0, 10.0]
    parts = stratified_folds(Targets(labels), 5, 5)
    for c, accuracy in ours.cross_validated.items():
        right = 0
        for fold in range(5):
            model = LinearSVC(C=c, tol=1e-8, max_iter=100_000).fit(
                features[parts != fold], labels[parts != fold]
            )
            right += (model.predict(features[parts == fold]) == labels[parts == fold]).sum()
        assert accuracy == right / ROWS
    best = max(ours.cross_validated.values())
    assert ours.c == min(c for c, accuracy in ours.cross_validated.items() if accuracy == best)
    again = fit_linear_svm(features, labels, c=(10.0, 0.01, 1.0), seed=5, tolerance=1e-9)
    assert again.cross_validated == ours.cross_validated
    assert np.array_equal(again.weights, ours.weights)
    other = fit_linear_svm(features, labels, c=(0.01, 1.0), seed=6)
    assert other.cross_validated[1.0] != ours.cross_validated[1.0]


def test_multi_label_is_one_fit_a_column_and_mean_average_precision():
    from zoo.metrics.ranking import average_precision

    rng = np.random.default_rng(0)
    features = rng.normal(size=(120, 8))
    targets = (features @ rng.normal(size=(8, 4)) + rng.normal(size=(120, 4)) > 1).astype(int)
    targets[:3] = 0  # rows without any label are rows too
    ours = fit_linear_svm(features, targets, c=(0.01, 1.0), tolerance=1e-11)
    for column in range(4):
        theirs = LinearSVC(C=ours.c, tol=1e-10, max_iter=200_000).fit(features, targets[:, column])
        assert np.allclose(ours.weights[:, column], theirs.coef_[0], atol=1e-5)
    seen = ours.scores(features)
    fitted = np.mean([average_precision(targets[:, k] > 0, seen[:, k]) for k in range(4)])
    assert 0.3 < ours.cross_validated[ours.c] < fitted


def test_wrong_gram_matrices_are_refused():
    features, labels = clusters(12)
    with pytest.raises(DataError, match=r"of shape \(90, 40\), is not square, finite and symmetric"):
        fit_linear_svm_on_gram(gram(features, features[:40]), labels)
    with pytest.raises(DataError, match=r"of shape \(90, 90\), is not square, finite and symmetric"):
        fit_linear_svm_on_gram(gram(features, features[::-1]), labels)
    with pytest.raises(DataError, match="There are 90 rows of features, but targets for 89"):
        fit_linear_svm(features, labels[1:])
    with pytest.raises(DataError, match="The features have 12 dimensions and the others 11"):
        gram(features, features[:, 1:])
    with pytest.raises(DataError, match="The features have 89 rows, but the dual coefficients belong to 90"):
        primal(features[1:], np.zeros((90, 2)))
    with pytest.raises(ConfigError, match=r"intercept_scaling is -1"):
        fit_linear_svm(features, labels, intercept_scaling=-1)


def test_features_that_are_no_finite_matrix_are_refused():
    features, labels = clusters(12)
    features[[4, 9], 2] = np.nan, np.inf
    with pytest.raises(
        DataError, match="2 of 90 rows of the features are nan or infinite, the first is row 4"
    ):
        fit_linear_svm(features, labels)
    with pytest.raises(DataError, match=r"The features have the shape \(90, 3, 3, 12\)"):
        fit_linear_svm(np.zeros((90, 3, 3, 12)), labels)


def test_constant_zero_and_repeated_rows_are_no_trouble():
    labels = np.arange(40) % 2
    nothing = fit_linear_svm(np.zeros((40, 3)), labels)
    assert not nothing.weights.any()
    assert np.allclose(nothing.bias, 0, atol=1e-9)
    repeated = np.repeat(np.eye(2), 20, axis=0)
    fitted = fit_linear_svm(repeated, np.repeat([0, 1], 20), c=[1000])
    assert np.array_equal(fitted.scores(np.eye(2)).argmax(axis=1), [0, 1])
    assert np.isfinite(fitted.weights).all()


def test_a_gram_matrix_that_no_machine_holds_is_refused():
    features = np.broadcast_to(np.ones(1), (20_001, 1))
    with pytest.raises(DataError, match="There are 20001 training rows: their Gram matrix would take 3 GiB"):
        fit_linear_svm(features, np.arange(20_001) % 2)
