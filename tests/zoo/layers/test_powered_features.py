"""Features with a power of their singular values, and the gradient, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo.layers.powered_features import powered_features

RNG = np.random.default_rng(0)


def with_values(values, positions, channels):
    """A map `[P, C]` with these singular values."""
    n = len(values)
    left, right = (np.linalg.qr(RNG.normal(size=(size, n)))[0] for size in (positions, channels))
    return (left * np.asarray(values, "float64")) @ right.T


def powered(x, power):
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    return (u * np.where(s > 1e-6 * s[0], s, 0) ** power) @ vt


def gradient(x, power, upstream):
    tensor = tf.constant(x[None])
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(powered_features(tensor, power, 1e-10) * upstream)
    return tape.gradient(total, tensor).numpy()[0]


@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
@pytest.mark.parametrize(("positions", "channels"), [(4, 9), (9, 4), (6, 6)])
@pytest.mark.parametrize("values", [[1, 2, 3, 4], [2, 2, 2, 7], [0.1, 5], [0]], ids=str)
def test_singular_values_are_raised(positions, channels, values, power):
    x = with_values(values, positions, channels)
    assert powered_features(tf.constant(x[None]), power, 1e-10).numpy()[0] == pytest.approx(
        powered(x, power), abs=1e-9
    )


# Null space included: there the step keeps the rank.
@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
@pytest.mark.parametrize(("positions", "channels"), [(4, 9), (9, 4), (4, 4)])
@pytest.mark.parametrize(
    "values", [[1, 2, 3, 4], [2, 2, 2, 7], [3, 3 + 1e-9, 3 + 1e-5, 3], [1, 3, 3]], ids=str
)
def test_gradient_is_the_derivative_also_of_equal_singular_values(positions, channels, values, power):
    x, upstream = with_values(values, positions, channels), RNG.normal(size=(positions, channels))
    if len(values) == 4:
        direction = RNG.normal(size=x.shape)
        moved = [x + step * direction for step in (1e-5, -1e-5)]
    else:
        turn, mix = RNG.normal(size=(positions, positions)), RNG.normal(size=(channels, channels))
        direction = turn @ x + x @ mix
        moved = [(np.eye(positions) + h * turn) @ x @ (np.eye(channels) + h * mix) for h in (1e-5, -1e-5)]
    ahead, behind = (np.sum(powered(m, power) * upstream) for m in moved)
    assert np.sum(gradient(x, power, upstream) * direction) == pytest.approx(
        (ahead - behind) / 2e-5, rel=1e-5
    )


def test_gradient_by_hand():
    # Z = diag(2, 3) for X = diag(4, 9). Along the diagonal 1/(2 √s) = 1/4, 1/6. Beside it, a symmetric step t moves Z
    # by t (3 - 2) / (9 - 4) on both sides, an antisymmetric one by t (2 + 3) / (4 + 9).
    found = gradient(np.diag([4.0, 9.0]), 0.5, np.array([[1.0, 1.0], [0.0, 1.0]]))
    beside = np.array([1 / 5 + 5 / 13, 1 / 5 - 5 / 13]) / 2
    assert found == pytest.approx(np.array([[1 / 4, beside[0]], [beside[1], 1 / 6]]))


def test_zeros_stay_zero():
    zero = np.zeros((3, 4), "float32")
    assert not powered_features(tf.constant(zero[None]), 0.5, 1e-10).numpy().any()
    assert not gradient(zero, 0.5, np.ones((3, 4), "float32")).any()


def test_small_singular_values_survive_float32():
    # λ = s² of 1e-8 lies below what float32 holds of a Gram matrix whose largest is 1.
    x = with_values([1, 0.5, 0.3, 1e-4], 4, 30).astype("float32")
    found = powered_features(tf.constant(x[None]), 0.5, 1e-10).numpy()[0].astype("float64")
    assert np.linalg.svd(found, compute_uv=False)[3] == pytest.approx(1e-2, rel=0.05)
    expected = powered(x.astype("float64"), 1 / 2)
    assert found.T @ found == pytest.approx(expected.T @ expected, abs=1e-5)


def test_an_imagined_direction_does_no_harm():
    # Centred: one eigenvalue of X Xᵀ is nothing but rounding; nothing is clamped here.
    x = RNG.normal(size=(8, 50)) + 3
    x = (x - x.mean(axis=0)).astype("float32")
    for power in (0.25, 0.5):
        expected = powered(x.astype("float64"), power)
        found = powered_features(tf.constant(x[None]), power, 0.0).numpy()[0]
        assert found.T @ found == pytest.approx(expected.T @ expected, abs=1e-3)
