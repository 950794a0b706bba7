"""The sub-matrix square root: Yᵀ Y is the root of Xᵀ X / P."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import sqrtm

from zoo.errors import ConfigError
from zoo.layers.sub_matrix_square_root import SubMatrixSquareRoot

RNG = np.random.default_rng(0)


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def draw(*shape):
    return np.maximum(RNG.normal(size=shape), 0.1).astype("float32")


# Both sides of the Gram matrix; P < C makes A singular, of which scipy's root is only good in float64.
@pytest.mark.parametrize(("positions", "channels"), [(6, 40), (9, 9), (40, 6), (1, 5)])
def test_second_moment_is_the_root(positions, channels):
    x = draw(3, positions, channels)
    y = value(SubMatrixSquareRoot()(x)).astype("float64")
    for one, root in zip(x.astype("float64"), y, strict=True):
        second = one.T @ one / positions
        assert np.linalg.norm(root.T @ root @ root.T @ root - second) < 1e-5 * np.linalg.norm(second)
        if positions >= channels:
            expected = sqrtm(second)
            assert np.linalg.norm(root.T @ root - expected) < 1e-5 * np.linalg.norm(expected)


def test_it_is_the_decomposition_with_the_roots_of_the_singular_values():
    x = draw(1, 7, 30)
    u, s, vt = np.linalg.svd(x[0].astype("float64"), full_matrices=False)
    expected = (u * np.sqrt(s)) @ vt / 7**0.25
    assert value(SubMatrixSquareRoot()(x))[0] == pytest.approx(expected, abs=1e-5)


def test_by_hand():
    # Orthogonal rows of lengths 4 and 9 become rows of lengths 2 and 3, over 2^(1/4).
    x = np.array([[[4, 0, 0], [0, 0, 9]]], "float32")
    expected = np.array([[[2, 0, 0], [0, 0, 3]]]) / 2**0.25
    assert value(SubMatrixSquareRoot()(x)) == pytest.approx(expected, abs=1e-6)


def test_vectors_are_divided_by_the_root_of_their_length():
    # |(3, 4)| = 5, |(0, 16)| = 16.
    found = value(SubMatrixSquareRoot()(np.array([[3, 4], [0, 16]], "float32")))
    assert found == pytest.approx(np.array([[3, 4], [0, 4 * 5**0.5]]) / 5**0.5, abs=1e-6)


def test_a_map_stays_a_map():
    x = draw(2, 3, 4, 5)
    found = value(SubMatrixSquareRoot()(x))
    assert found.shape == x.shape
    assert found.reshape(2, 12, 5) == pytest.approx(value(SubMatrixSquareRoot()(x.reshape(2, 12, 5))))


def test_unknown_grids_give_the_same():
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, SubMatrixSquareRoot()(inputs))
    x = draw(2, 3, 3, 4)
    assert model.predict(x, verbose=0) == pytest.approx(value(SubMatrixSquareRoot()(x)), abs=1e-5)


def test_repeated_positions_share_their_root():
    x = np.repeat(draw(1, 1, 8), 5, axis=1)
    found = value(SubMatrixSquareRoot()(x))[0]
    # One direction of singular value √5 |x|: each row is x √(√5 |x|) / (√5 |x|) / 5^(1/4) = x / √(5 |x|).
    assert found == pytest.approx(x[0] / np.sqrt(5 * np.linalg.norm(x[0, 0])), abs=1e-6)


@pytest.mark.parametrize(("positions", "channels"), [(3, 5), (5, 3), (4, 4)])
def test_gradient_is_the_derivative(positions, channels):
    layer, x = SubMatrixSquareRoot(dtype="float64"), RNG.normal(size=(1, positions, channels))
    upstream, direction = RNG.normal(size=x.shape), RNG.normal(size=x.shape)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(layer(tensor) * upstream)
    ahead, behind = (np.sum(value(layer(x + step * direction)) * upstream) for step in (1e-6, -1e-6))
    assert np.sum(tape.gradient(total, tensor).numpy() * direction) == pytest.approx(
        (ahead - behind) / 2e-6, rel=1e-6
    )


def test_gradient_of_repeated_positions_that_move_together():
    layer = SubMatrixSquareRoot(dtype="float64")
    one, step = RNG.normal(size=(1, 1, 6)), RNG.normal(size=(1, 1, 6))
    tensor, upstream = tf.constant(np.repeat(one, 3, axis=1)), RNG.normal(size=(1, 3, 6))
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(layer(tensor) * upstream)
    ahead, behind = (
        np.sum(value(layer(np.repeat(one + h * step, 3, axis=1))) * upstream) for h in (1e-6, -1e-6)
    )
    assert np.sum(tape.gradient(total, tensor).numpy() * step) == pytest.approx(
        (ahead - behind) / 2e-6, rel=1e-6
    )


def test_epsilon_is_a_share():
    with pytest.raises(ConfigError, match=r"epsilon is 1\.(?s:.*)Expected: 0 <= epsilon < 1"):
        SubMatrixSquareRoot(1)
