"""Accuracies by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.models.distillation.evaluation import evaluate, log_softmax, measure


def test_measures_by_hand():
    logits = np.array(
        [[9.0, 0, 0, 0, 0, 0, 0], [6, 5, 4, 3, 2, 1, 0], [6, 5, 4, 3, 2, 1, 0], [0, 0, 0, 0, 0, 0, 0]]
    )
    found = measure(
        logits, np.array([0, 4, 5, 0]), teacher=np.roll(logits, [0], axis=0) * [1, 1, 1, 1, 1, 1, 1]
    )
    assert found["accuracy"] == 0.5  # the first, and of equal logits the first class
    assert found["top5_accuracy"] == 0.75  # the fifth of seven is among five, the sixth is not
    assert found["agreement"] == 1.0
    norm = math.log(sum(math.exp(k) for k in range(7)))
    expected = (math.log1p(6 * math.exp(-9)) + (norm - 2) + (norm - 1) + math.log(7)) / 4
    assert found["cross_entropy"] == pytest.approx(expected)


def test_agreement_is_not_accuracy():
    said, wanted = np.array([[1.0, 0], [1, 0], [0, 1]]), np.array([[1.0, 0], [0, 1], [0, 1]])
    found = measure(said, np.array([1, 0, 1]), wanted)
    assert (found["accuracy"], found["agreement"]) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert measure(said, np.array([1, 1, 0]), wanted)["agreement"] == pytest.approx(2 / 3)
    assert "agreement" not in measure(said, np.array([0, 0, 1]))


def test_log_softmax_of_large_logits():
    assert log_softmax(np.array([[1000.0, 1000.0]], "float32")) == pytest.approx(
        np.full((1, 2), -math.log(2))
    )


def test_rows_of_the_table(make_classifier, toy_splits):
    model, teacher = make_classifier(seed=1), make_classifier(seed=2)
    found = evaluate(model, toy_splits, toy_splits.test, teacher)
    assert list(found) == ["model", "majority class", "teacher"]
    assert all(row.keys() == found["model"].keys() for row in found.values())
    assert found["teacher"]["agreement"] == 1.0
    assert found["majority class"]["accuracy"] == pytest.approx(1 / 3)
    assert found["majority class"]["cross_entropy"] == pytest.approx(math.log(3))
    images, labels = toy_splits.test.inputs["image"], toy_splits.test.targets["label"]
    said = np.argmax(model(images)["logits"], axis=1)
    assert found["model"]["accuracy"] == pytest.approx((said == labels).mean())
    assert found["model"]["agreement"] == pytest.approx(
        (said == np.argmax(teacher(images)["logits"], 1)).mean()
    )
    assert list(evaluate(model, toy_splits, toy_splits.test)) == ["model", "majority class"]
