"""Logistic regression is scikit-learn's, also where the features are rotated first."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from zoo.errors import DataError
from zoo.fitting.logistic import fit_logistic


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of BLAS are slower than one on matrices of this size, most of all beside other work."""
    with threadpool_limits(1, user_api="blas"):
        yield


def clusters(dimensions: int, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(dimensions)
    labels = np.arange(60) % classes
    return rng.normal(size=(classes, dimensions))[labels] + rng.normal(size=(60, dimensions)), labels


@pytest.mark.parametrize("dimensions", [8, 200])
@pytest.mark.parametrize("c", [0.01, 1.0])
def test_optimum_is_that_of_the_unrotated_features(dimensions, c):
    features, labels = clusters(dimensions)
    theirs = LogisticRegression(C=c, tol=1e-9, max_iter=10_000).fit(features, labels)
    ours = fit_logistic(features, labels, c=[c], tolerance=1e-9, most_iterations=10_000)
    assert ours.weights.shape == (dimensions, 5)
    assert np.allclose(ours.weights.T, theirs.coef_, atol=1e-5)
    assert np.allclose(ours.bias, theirs.intercept_, atol=1e-5)
    assert np.allclose(ours.scores(features), theirs.decision_function(features), atol=1e-4)
    assert ours.gap is None


def test_two_classes_share_the_one_logit():
    features, labels = clusters(100, 2)
    theirs = LogisticRegression(C=1, tol=1e-9).fit(features, labels)
    ours = fit_logistic(features, labels, c=[1], tolerance=1e-9)
    logits = np.exp(ours.scores(features))
    assert np.allclose(logits / logits.sum(axis=1, keepdims=True), theirs.predict_proba(features), atol=1e-6)


def test_choice_of_c_is_deterministic_and_that_of_the_folds():
    from zoo.fitting.cross_validation import stratified_folds
    from zoo.fitting.linear_classifier import Targets

    features, labels = clusters(70)
    ours = fit_logistic(features, labels, c=(0.01, 0.1), folds=3, seed=2, tolerance=1e-6)
    again = fit_logistic(features, labels, c=(0.01, 0.1), folds=3, seed=2, tolerance=1e-6)
    assert ours.cross_validated == again.cross_validated
    assert np.array_equal(ours.weights, again.weights)
    parts = stratified_folds(Targets(labels), 3, 2)
    for c, accuracy in ours.cross_validated.items():
        right = 0
        for fold in range(3):
            rest = parts != fold
            model = LogisticRegression(C=c, tol=1e-6, max_iter=10_000).fit(features[rest], labels[rest])
            right += (model.predict(features[~rest]) == labels[~rest]).sum()
        assert accuracy == right / 60


def test_unfinished_fit_warns(caplog):
    features, labels = clusters(8)
    with caplog.at_level(logging.WARNING), pytest.warns(match="(?i)converge"):
        fit_logistic(features, labels, c=[100], most_iterations=2)
    assert caplog.messages == ["Logistic regression with C=100 stopped after 2 iterations."]


def test_multi_label_targets_are_refused():
    with pytest.raises(DataError, match=r"multi-label, of shape \(4, 2\)(.|\n)*fit a linear SVM"):
        fit_logistic(np.eye(4), np.array([[1, 1], [0, 1], [1, 0], [0, 0]]))
    with pytest.raises(DataError, match="All 4 rows are of one class"):
        fit_logistic(np.eye(4), np.zeros(4, int))
    with pytest.raises(DataError, match="rows of the features are nan"):
        fit_logistic(np.full((4, 2), np.nan), np.array([0, 1, 0, 1]))


def test_rank_deficient_features_with_more_dimensions_than_rows():
    features, labels = clusters(8)
    wide = features @ np.random.default_rng(0).normal(size=(8, 100))
    wide[30:] = wide[:30]
    theirs = LogisticRegression(C=0.1, tol=1e-9, max_iter=10_000).fit(wide, labels)
    ours = fit_logistic(wide, labels, c=[0.1], tolerance=1e-9, most_iterations=10_000)
    assert np.allclose(ours.weights.T, theirs.coef_, atol=1e-4)
    assert np.allclose(fit_logistic(np.zeros((60, 100)), labels, c=[1]).weights, 0)
