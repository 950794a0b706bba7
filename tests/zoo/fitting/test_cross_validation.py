"""Folds have their share of every class, and C comes from held-out rows alone."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError
from zoo.fitting.cross_validation import choose_c, stratified_folds
from zoo.fitting.linear_classifier import Targets


def test_folds_share_rows_and_classes_evenly():
    labels = np.repeat(np.arange(4), [5, 7, 11, 20])
    parts = stratified_folds(Targets(labels), 5, 0)
    counts = np.array([np.bincount(labels[parts == fold], minlength=4) for fold in range(5)])
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    assert np.array_equal(parts, stratified_folds(Targets(labels), 5, 0))
    assert not np.array_equal(parts, stratified_folds(Targets(labels), 5, 1))


def test_folds_of_multi_label_rows_share_rare_labels():
    rng = np.random.default_rng(0)
    positive = rng.random((200, 6)) < (0.5, 0.3, 0.2, 0.1, 0.05, 0.05)
    parts = stratified_folds(Targets(positive), 5, 0)
    counts = np.array([positive[parts == fold].sum(axis=0) for fold in range(5)])
    assert np.ptp(counts, axis=0)[3:].max() <= 1  # at random, spreads of 4 and more are usual
    assert np.ptp(np.bincount(parts)) <= 4
    assert np.array_equal(parts, stratified_folds(Targets(positive), 5, 0))


def test_small_classes_reduce_the_folds(caplog):
    labels = np.repeat([0, 1], [10, 3])
    with caplog.at_level(logging.WARNING):
        parts = stratified_folds(Targets(labels), 5, 0)
    assert caplog.messages == ["Class 1 has 3 rows: 3 folds instead of 5."]
    assert sorted(parts[labels == 1]) == [0, 1, 2]


def test_a_class_with_one_row_cannot_be_held_out():
    labels = np.repeat([0, 1, 2], [10, 1, 4])
    with pytest.raises(DataError) as raised:
        stratified_folds(Targets(labels), 5, 0)
    assert str(raised.value) == (
        "Class 1 has one row only, which cannot be held out.\n"
        "Expected: at least two rows in each class\n"
        "Fix: add pictures, leave the class out, or give a single C"
    )
    assert choose_c(Targets(labels), [2], folds=5, seed=0, held_out=lambda *_: pytest.fail()) == (2.0, {})


def test_smallest_of_equally_good_c_wins():
    labels = np.array([0, 1] * 6)
    right, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    asked = []

    def held_out(train, test, values):
        asked.append((sorted([*train, *test]), values))
        return [{1.0: wrong, 2.0: right, 4.0: right}[value][test] for value in values]

    assert choose_c(Targets(labels), [4, 1, 2, 2], folds=3, seed=0, held_out=held_out) == (
        2.0,
        {1.0: 0.0, 2.0: 1.0, 4.0: 1.0},
    )
    assert asked == [(list(range(12)), [1.0, 2.0, 4.0])] * 3


@pytest.mark.parametrize(
    "c", [[], [0.0, 1.0], [-1.0], [float("nan")]], ids=["none", "zero", "negative", "nan"]
)
def test_c_must_be_positive(c):
    with pytest.raises(ConfigError, match="The choices of C are"):
        choose_c(Targets(np.array([0, 1])), c, folds=2, seed=0, held_out=lambda *_: pytest.fail())


@pytest.mark.parametrize("folds", [1, 13])
def test_number_of_folds(folds):
    with pytest.raises(ConfigError, match=f"{folds} folds are asked for"):
        stratified_folds(Targets(np.array([0, 1] * 6)), folds, 0)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (np.zeros(5, int), "All 5 rows are of one class"),
        (np.array([0, 2, 2]), "No row, or every row, has class 1"),
        (np.array([[1, 0], [1, 1]]), "No row, or every row, has class 0"),
        (np.array([0, -1]), "The targets have the shape (2,) and the dtype int64"),
        (np.array([0.0, 1.0]), "The targets have the shape (2,) and the dtype float64"),
        (np.array([[0.5, 1.0]]), "The targets have the shape (1, 2) and the dtype float64"),
        (np.array([], int), "The targets have the shape (0,) and the dtype int64"),
    ],
    ids=["one_class", "absent_class", "ubiquitous_label", "negative", "float", "soft", "empty"],
)
def test_targets_that_cannot_be_learned(values, text):
    with pytest.raises(DataError) as raised:
        Targets(values)
    assert str(raised.value).startswith(text)
