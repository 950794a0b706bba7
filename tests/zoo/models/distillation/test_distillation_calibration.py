"""Statistics taken anew are the mean over the batches, exactly, and nothing else changes."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.models.distillation.calibration import recalibrate


@pytest.fixture
def norm():
    layer = keras.layers.BatchNormalization(momentum=0.9)
    layer.build((None, 1))
    layer.moving_mean.assign([123.0])
    layer.moving_variance.assign([456.0])
    return layer


def network_of(norm):
    x = keras.Input((1,))
    return keras.Model(x, keras.layers.Dense(2)(norm(x)))


# Means 1, 7 and 4, variances 1, 9 and 4.
BATCHES = [np.array([[0.0], [2.0]]), np.array([[4.0], [10.0]]), np.array([[2.0], [6.0]])]


@pytest.mark.parametrize(("batches", "mean", "variance"), [(1, 1, 1), (2, 4, 5), (3, 4, 14 / 3)])
def test_mean_over_batches(norm, batches, mean, variance):
    assert recalibrate(network_of(norm), iter(BATCHES[:batches])) == batches
    assert norm.moving_mean.numpy() == pytest.approx([mean], rel=1e-6)
    assert norm.moving_variance.numpy() == pytest.approx([variance], rel=1e-6)


def test_only_statistics_change(norm):
    network = network_of(norm)
    before = [weight.numpy() for weight in network.trainable_weights]
    recalibrate(network, BATCHES)
    for old, weight in zip(before, network.trainable_weights, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())
    assert norm.momentum == 0.9


def test_momentum_comes_back_after_an_error(norm):
    with pytest.raises(ValueError, match=r"incompatible|shape"):
        recalibrate(network_of(norm), [BATCHES[0], np.zeros((2, 5))])
    assert norm.momentum == 0.9


def test_norms_within_nested_models_are_reached(norm):
    x = keras.Input((1,))
    outer = keras.Model(x, network_of(norm)(x))
    recalibrate(outer, BATCHES[1:2])
    assert norm.moving_mean.numpy() == pytest.approx([7])


def test_a_network_without_norms_is_left_alone():
    x = keras.Input((1,))
    unread = iter(BATCHES)
    assert recalibrate(keras.Model(x, keras.layers.Dense(2)(x)), unread) == 0
    assert len(list(unread)) == 3


def test_the_second_norm_sees_what_the_first_gives_in_training():
    """Its statistics are 0 and 1 whatever the first one's old statistics were."""
    x = keras.Input((1,))
    first, second = keras.layers.BatchNormalization(epsilon=0.0), keras.layers.BatchNormalization()
    network = keras.Model(x, second(first(x)))
    first.moving_mean.assign([50.0])
    recalibrate(network, BATCHES)
    assert second.moving_mean.numpy() == pytest.approx([0], abs=1e-6)
    assert second.moving_variance.numpy() == pytest.approx([1], abs=1e-5)
