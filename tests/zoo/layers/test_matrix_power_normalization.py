"""Matrix power normalisation against scipy's square root and numpy's eigenvalues."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import sqrtm

from zoo.errors import ConfigError
from zoo.layers.matrix_power_normalization import MatrixPowerNormalization

RNG = np.random.default_rng(0)


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def draw(*shape):
    return np.maximum(RNG.normal(size=shape), 0).astype("float32")


def powered(x, power, centre=True):
    """A^power `[C, C]` of one map `[P, C]`, in float64."""
    x = x.astype("float64")
    if centre:
        x = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    values = np.where(values > 1e-9 * values[-1], values, 0)
    return (vectors * np.where(values > 0, values, 1) ** power * (values > 0)) @ vectors.T


def distance(found, expected):
    """Relative distance of an upper triangle from a symmetric matrix."""
    triangle = expected[np.triu_indices(len(expected))]
    return np.linalg.norm(found - triangle) / np.linalg.norm(triangle)


def test_by_hand():
    # Centred: (±2, 0), (0, ±3), twice each; A = diag(8, 18) / 4, of which the root is diag(√2, 3/√2).
    x = np.array([[[3, 5], [-1, 5], [1, 8], [1, 2]]], "float32")
    found = value(MatrixPowerNormalization()(x))
    assert found == pytest.approx(np.array([[2**0.5, 0, 3 / 2**0.5]]), abs=1e-6)
    # Not centred: A = [12 20; 20 118] / 4.
    assert value(MatrixPowerNormalization(power=1, centre=False)(x)) == pytest.approx(
        np.array([[3, 5, 29.5]]), abs=1e-5
    )


@pytest.mark.parametrize("centre", [True, False], ids=["centred", "not centred"])
@pytest.mark.parametrize("power", [0.25, 0.5, 1.0])
@pytest.mark.parametrize(("positions", "channels"), [(50, 8), (8, 50), (8, 8)])
def test_powers_of_the_covariance(positions, channels, power, centre):
    x = draw(2, positions, channels)
    found = value(MatrixPowerNormalization(power=power, centre=centre)(x))
    assert found.shape == (2, channels * (channels + 1) // 2)
    for one, triangle in zip(x, found, strict=True):
        assert distance(triangle, powered(one, power, centre)) < 1e-5


def test_root_of_scipy_by_both_methods():
    x = draw(1, 200, 12)
    expected = sqrtm(np.cov(x[0].T.astype("float64"), bias=True))
    assert distance(value(MatrixPowerNormalization()(x))[0], expected) < 1e-5
    iterated = MatrixPowerNormalization(method="newton_schulz", iterations=12)
    assert distance(value(iterated(x))[0], expected) < 1e-5


def test_one_step_of_newton_schulz_by_hand():
    # A = diag(2, 4.5), A_n = diag(4, 9) / 13; Y_1 = A_n (3 - A_n) / 2 = diag(4 · 35, 9 · 30) / 338; times √6.5.
    x = np.array([[[3, 5], [-1, 5], [1, 8], [1, 2]]], "float32")
    found = value(MatrixPowerNormalization(method="newton_schulz", iterations=1)(x))
    assert found == pytest.approx(6.5**0.5 * np.array([[140, 0, 270]]) / 338, abs=1e-5)


@pytest.mark.parametrize(
    ("positions", "channels"), [(200, 12), (20, 40)], ids=["full rank", "rank-deficient"]
)
def test_error_of_newton_schulz_falls_with_its_steps(positions, channels):
    x = draw(1, positions, channels)
    expected = powered(x[0], 0.5)
    errors = [
        distance(value(MatrixPowerNormalization(method="newton_schulz", iterations=n)(x))[0], expected)
        for n in (1, 3, 5, 8, 11)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2e-3 < errors[2]


@pytest.mark.parametrize(("positions", "channels"), [(1, 64), (3, 256), (49, 128)])
@pytest.mark.parametrize("iterations", [5, 30, 100])
def test_newton_schulz_does_not_run_away_on_a_null_space(positions, channels, iterations):
    x = draw(1, positions, channels)
    layer = MatrixPowerNormalization(method="newton_schulz", iterations=iterations, centre=False)
    found = value(layer(x))[0]
    # What is left at the end is the ridge: √(2.4e-7 · 256) = 0.8 % on the diagonal.
    least = 0.25 if iterations == 5 else 0.02
    assert distance(found, powered(x[0], 0.5, centre=False)) < least


@pytest.mark.parametrize("method", ["eigh", "newton_schulz"])
@pytest.mark.parametrize(("positions", "channels"), [(4, 6), (12, 3)])
def test_gradient_is_the_derivative(method, positions, channels):
    layer = MatrixPowerNormalization(method=method, dtype="float64")
    x = RNG.normal(size=(1, positions, channels))
    direction, upstream = RNG.normal(size=x.shape), RNG.normal(size=channels * (channels + 1) // 2)
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(layer(tensor) * upstream)
    ahead, behind = (np.sum(value(layer(x + step * direction)) * upstream) for step in (1e-6, -1e-6))
    assert np.sum(tape.gradient(total, tensor).numpy() * direction) == pytest.approx(
        (ahead - behind) / 2e-6, rel=1e-5
    )


def test_order_of_the_triangle():
    # A of one position, not centred, is x xᵀ; its power 1: x1², x1 x2, x1 x3, x2², x2 x3, x3².
    found = value(MatrixPowerNormalization(power=1, centre=False)(np.array([[1, 2, 5]], "float32")))
    assert found == pytest.approx(np.array([[1, 2, 5, 4, 10, 25]]), abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"method": "svd"},
            "method is 'svd'.\nExpected: eigh or newton_schulz\nFix: choose one of them",
        ),
        ({"power": 0}, "power is 0.\nExpected: 0 < power <= 1\nFix: set it so; 0.5 is the paper's"),
        (
            {"power": 0.3, "method": "newton_schulz"},
            "power is 0.3 with method newton_schulz.\nExpected: 0.5: the iteration finds square roots only\n"
            "Fix: set power=0.5 or method='eigh'",
        ),
        ({"iterations": 0}, "iterations is 0.\nExpected: 1 or more\nFix: set it so, e.g. 5"),
        ({"epsilon": -1}, "epsilon is -1.\nExpected: 0 <= epsilon < 1\nFix: set it so, e.g. 1e-10"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_settings_out_of_range(settings, text):
    with pytest.raises(ConfigError) as error:
        MatrixPowerNormalization(**settings)
    assert str(error.value) == text
