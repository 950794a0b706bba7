"""The signed square root: values and slopes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ConfigError
from zoo.layers.signed_square_root import SignedSquareRoot


def test_roots_keep_their_signs():
    z = np.array([[4, -9, 0, 0.25, -1e-20]], "float32")
    expected = np.array([[2, -3, 0, 0.5, -1e-10]])
    assert keras.ops.convert_to_numpy(SignedSquareRoot()(z)) == pytest.approx(expected, rel=1e-6, abs=0)


def test_slopes_are_those_of_the_root_and_finite_at_zero():
    z = tf.constant([4.0, -9.0, 0.0, 1e-8, -1e-20])
    with tf.GradientTape() as tape:
        tape.watch(z)
        total = tf.reduce_sum(SignedSquareRoot(epsilon=1e-6)(z) * [1.0, 1.0, 1.0, 1.0, 2.0])
    # 1 / (2 √|z|), but 1 / (2 √1e-6) = 500 where |z| is below 1e-6.
    assert tape.gradient(total, z).numpy() == pytest.approx([1 / 4, 1 / 6, 500, 500, 1000], rel=1e-5)


def test_unit_length_follows():
    model = keras.Sequential([keras.Input((2,)), SignedSquareRoot(), keras.layers.UnitNormalization()])
    # The roots 3, -4 have length 5.
    assert model.predict(np.array([[9.0, -16.0]]), verbose=0) == pytest.approx(np.array([[0.6, -0.8]]))


def test_epsilon_is_above_zero():
    with pytest.raises(ConfigError, match=r"epsilon is 0\.(?s:.*)Expected: a number above 0"):
        SignedSquareRoot(0)
