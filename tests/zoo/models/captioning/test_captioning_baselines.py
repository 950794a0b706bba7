"""What needs no learned code: always right without a tendency, with the strongest one, and with one of no meaning."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.grid_digits import label_sets
from zoo.models.captioning.baselines import LINEAR, LabelledPictures, baselines, linear_with_code, ridge
from zoo.models.captioning.code_statistics import accuracies, label_entropy, right
from zoo.models.captioning.codes import measured_codes

CODES = measured_codes(3, 400)


def pictures(seed, noise=0.05, rows=400):
    """Features are the set itself, mixed and noisy."""
    rng = np.random.default_rng(seed)
    sets = label_sets(rng.integers(10, size=(rows, 4)))
    mixing = np.random.default_rng(99).standard_normal((10, 16))
    features = sets @ mixing + noise * rng.standard_normal((rows, 16))
    return LabelledPictures(features.astype(np.float32), sets)


TRAIN, VALIDATION, TESTED = (pictures(seed) for seed in range(3))


@pytest.fixture(scope="module")
def named():
    return baselines(TRAIN, VALIDATION, TESTED, 3)


def test_names_and_shapes(named):
    assert list(named) == [
        "uniform choice among true labels",
        "a priority list per code",
        "one constant label",
        "linear classifier + code",
    ]
    for say in named.values():
        assert say(CODES.fixed).shape == (32, 400)
        assert say(CODES.random[:7]).shape == (7, 400)


def test_a_uniform_choice_is_always_right_and_never_the_same(named):
    said = named["uniform choice among true labels"](CODES.fixed)
    assert right(said, TESTED.sets).all()
    assert label_entropy(said, 10).min() > 2.25
    (row,) = np.flatnonzero(TESTED.sets.sum(axis=1) == 4)[:1]
    assert set(said[:, row]) == set(np.flatnonzero(TESTED.sets[row]))


def test_a_priority_list_is_one_order_in_all_pictures(named):
    said = named["a priority list per code"](CODES.fixed)
    assert right(said, TESTED.sets).all()
    for of_code in said[:4]:
        # before[a, b]: a was said where b was right too.
        before = np.zeros((10, 10), bool)
        for word, row in zip(of_code, TESTED.sets, strict=True):
            before[word, row > 0] = True
        np.fill_diagonal(before, False)
        assert not (before & before.T).any()
    # Strict priority leaves 1.67 nats of ln 10, whatever the order.
    assert label_entropy(said, 10).mean() == pytest.approx(1.67, abs=0.03)
    drawn = named["a priority list per code"](CODES.random)
    assert label_entropy(drawn.ravel(), 10) > 2.29


def test_the_constant_is_the_commonest_label_of_training(named):
    sets = np.zeros((400, 10), np.float32)
    sets[:, 3], sets[:300, 7], sets[:, 0] = 1, 1, 0
    fitted = baselines(LabelledPictures(TRAIN.features, sets), VALIDATION, TESTED, 3)
    assert (fitted["one constant label"](CODES.fixed) == 3).all()
    said = named["one constant label"](CODES.random[:2])
    assert len(np.unique(said)) == 1
    assert said[0, 0] == TRAIN.sets.sum(axis=0).argmax()


def test_a_linear_classifier_turned_by_a_code_is_right_and_has_a_tendency(named):
    fixed, random = named[LINEAR](CODES.fixed), named[LINEAR](CODES.random)
    assert accuracies(random, TESTED.sets).mean() == pytest.approx(0.98, abs=0.02)
    assert label_entropy(fixed, 10).mean() < label_entropy(random.ravel(), 10) - 0.2
    assert np.array_equal(fixed, named[LINEAR](CODES.fixed))


def test_where_pictures_cannot_be_told_apart_the_code_is_hardly_heard():
    noisy = [pictures(seed, noise=50.0) for seed in range(3)]
    fixed = linear_with_code(*noisy, 3)(CODES.fixed)
    assert (fixed == fixed[0]).mean() > 0.95


def test_ridge_by_hand():
    # x = 1, 3 and y = -1, 1: centred gram 2, penalty 0.002.
    weights, bias = ridge(np.array([[1.0], [3.0]]), np.array([[-1.0], [1.0]]))
    assert weights == pytest.approx(np.array([[2 / 2.002]]))
    assert bias == pytest.approx(np.array([-4 / 2.002]))
    weights, bias = ridge(np.ones((4, 2), np.float32), np.array([[0.0], [1.0], [1.0], [1.0]]))
    assert weights.tolist() == [[0.0], [0.0]] and bias == pytest.approx([0.75])
