"""The losses of the game against values worked by hand, and gradients by inputs against finite differences."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ConfigError, ZooError
from zoo.losses.adversarial import (
    discriminator_loss,
    distance_from_unit_norm,
    generator_loss,
    input_gradient,
    squared_norm,
)
from zoo.losses.objectives import OBJECTIVES

LN3 = math.log(3)
REAL = np.array([[LN3], [0.0]], "float32")
GENERATED = np.array([[-LN3], [LN3]], "float32")
# softplus(-ln 3) = ln 4/3, softplus(ln 3) = ln 4, softplus(0) = ln 2, softplus(-2 ln 3) = ln 10/9.
BY_HAND = {
    ("discriminator", "vanilla"): [2 * math.log(4 / 3), math.log(2) + math.log(4)],
    ("discriminator", "wgan_gp"): [-2 * LN3, LN3],
    ("discriminator", "relativistic"): [math.log(10 / 9), math.log(4)],
    ("generator", "vanilla"): [math.log(4), math.log(4 / 3)],
    ("generator", "wgan_gp"): [LN3, -LN3],
    ("generator", "relativistic"): [math.log(10), math.log(4 / 3)],
}


@pytest.mark.parametrize(("player", "objective"), BY_HAND, ids="-".join)
def test_losses_by_hand(player, objective):
    loss = {"discriminator": discriminator_loss, "generator": generator_loss}[player]
    assert loss(objective, REAL, GENERATED).numpy() == pytest.approx(BY_HAND[player, objective], rel=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("loss", [discriminator_loss, generator_loss], ids=["discriminator", "generator"])
def test_logits_far_away_keep_losses_finite(loss, objective):
    far = np.array([[200.0], [-200.0]], "float32")
    assert np.isfinite(loss(objective, far, far[::-1])).all()


@pytest.mark.parametrize("loss", [discriminator_loss, generator_loss], ids=["discriminator", "generator"])
def test_misuse_is_refused(loss):
    with pytest.raises(ZooError, match=r"real has shape \(2, 1\), but generated has shape \(3, 1\)"):
        loss("vanilla", REAL, np.zeros((3, 1), "float32"))
    with pytest.raises(ConfigError) as error:
        loss("wgan", REAL, GENERATED)
    assert str(error.value) == (
        "There is no objective 'wgan'. Did you mean 'wgan_gp'?\n"
        "Expected: one of vanilla, wgan_gp, relativistic\n"
        "Fix: set objective to one of them"
    )


def test_penalties_by_hand():
    gradient = np.array([[3.0, 4.0], [0.6, 0.8], [0.0, 0.0]], "float32")
    assert squared_norm(gradient).numpy() == pytest.approx([25.0, 1.0, 0.0])
    assert distance_from_unit_norm(gradient).numpy() == pytest.approx([16.0, 0.0, 1.0], abs=1e-5)


def test_the_penalty_has_a_gradient_where_the_network_has_none():
    zero = tf.zeros((1, 3))
    with tf.GradientTape() as tape:
        tape.watch(zero)
        penalty = distance_from_unit_norm(zero)
    assert np.isfinite(tape.gradient(penalty, zero)).all()


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Two inputs, and no corner: finite differences are right everywhere."""
    keras.utils.set_random_seed(0)
    s, x = keras.Input((3,)), keras.Input((2,))
    hidden = keras.layers.Dense(5, activation="tanh")(keras.layers.Concatenate()([s, x]))
    return keras.Model([s, x], keras.layers.Dense(1)(hidden))


def given() -> list[tf.Tensor]:
    rng = np.random.default_rng(1)
    return [tf.constant(rng.normal(size=(4, size)), "float32") for size in (3, 2)]


@pytest.mark.parametrize("index", [0, 1])
def test_input_gradient_by_finite_differences(network, index):
    inputs = given()
    output, gradient = input_gradient(network, inputs, index)
    assert output.numpy() == pytest.approx(network(inputs).numpy())
    assert gradient.shape == inputs[index].shape
    for row, column in np.ndindex(*gradient.shape):
        step = np.zeros(gradient.shape, "float32")
        step[row, column] = 1e-2
        moved = [
            network([x + sign * step if i == index else x for i, x in enumerate(inputs)]) for sign in (1, -1)
        ]
        slope = float(moved[0][row, 0] - moved[1][row, 0]) / 2e-2
        assert float(gradient[row, column]) == pytest.approx(slope, abs=1e-3)


def test_a_network_that_is_linear_has_its_weights_as_gradient():
    s, x = keras.Input((2,)), keras.Input((2,))
    linear = keras.Model([s, x], keras.layers.Dense(1)(keras.layers.Concatenate()([s, x])))
    linear.set_weights([np.array([[3.0], [4.0], [50.0], [60.0]]), np.array([7.0])])
    _, gradient = input_gradient(linear, [tf.zeros((2, 2)), tf.ones((2, 2))], 0)
    assert gradient.numpy() == pytest.approx(np.array([[3.0, 4.0]] * 2))
    # X is held fixed: its weights of 50 and 60 are no part of the penalty.
    assert squared_norm(gradient).numpy() == pytest.approx([25.0, 25.0])


@pytest.mark.parametrize("penalty", [squared_norm, distance_from_unit_norm])
def test_gradient_of_the_penalty_by_finite_differences(network, penalty):
    """The second derivative, by a weight of the first layer."""
    inputs, kernel = given(), network.trainable_variables[0]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(penalty(input_gradient(network, inputs, 0)[1]))
    found = tape.gradient(loss, kernel.value)
    before = kernel.numpy()
    for place in [(0, 0), (2, 4), (4, 1)]:  # the last is a weight of X
        sums = []
        for sign in (1, -1):
            moved = before.copy()
            moved[place] += sign * 1e-2
            kernel.assign(moved)
            sums.append(float(tf.reduce_sum(penalty(input_gradient(network, inputs, 0)[1]))))
        kernel.assign(before)
        assert float(found[place]) == pytest.approx((sums[0] - sums[1]) / 2e-2, abs=2e-3, rel=1e-2)
        assert abs(float(found[place])) > 1e-4
