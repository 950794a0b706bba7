"""The losses of a student, against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.losses.distillation import softened_divergence, squared_error

# At a temperature of 4 the teacher says 3/4 and 1/4, the student 1/2 and 1/2.
TEACHER = np.array([[4 * math.log(3), 0.0]], "float32")
STUDENT = np.zeros((1, 2), "float32")
DIVERGENCE = 16 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))  # 2.0930


def test_divergence_by_hand():
    assert softened_divergence(STUDENT, TEACHER, 4.0).numpy() == pytest.approx([DIVERGENCE], rel=1e-6)


def test_divergence_goes_from_the_teacher_to_the_student():
    backwards = 16 * (0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))
    assert softened_divergence(TEACHER, STUDENT, 4.0).numpy() == pytest.approx([backwards], rel=1e-6)
    assert abs(backwards - DIVERGENCE) > 0.1


def test_divergence_is_0_where_both_say_the_same():
    logits = np.random.default_rng(0).normal(scale=9, size=(5, 7)).astype("float32")
    shifted = logits + np.arange(5, dtype="float32")[:, None]  # no softmax sees that
    assert softened_divergence(shifted, logits, 2.0).numpy() == pytest.approx(np.zeros(5), abs=1e-4)


def test_divergence_has_a_signal_far_below_zero():
    """Where `keras.distillation.LogitsDistillation` with its default loss gives exactly 0."""
    said = softened_divergence(STUDENT - 50, TEACHER - 50, 4.0).numpy()
    assert said == pytest.approx([DIVERGENCE], rel=1e-5)


def test_gradient_of_the_divergence_by_hand():
    """tau (softmax(z_s / tau) - softmax(z_t / tau)): of a size that does not shrink as tau grows."""
    student = tf.constant(STUDENT)
    with tf.GradientTape() as tape:
        tape.watch(student)
        loss = softened_divergence(student, TEACHER, 4.0)
    assert tape.gradient(loss, student).numpy() == pytest.approx(np.array([[-1.0, 1.0]]), abs=1e-6)


def test_divergence_of_other_shapes_is_refused():
    with pytest.raises(ZooError, match=r"teacher's logits has shape \(1, 2\), but the student's logits has"):
        softened_divergence(np.zeros((2, 2), "float32"), TEACHER, 4.0)


def test_squared_error_by_hand():
    target = np.array([[1.0, 3.0], [5.0, 7.0]], "float32")  # mean 4, variance 5
    constant = np.full((2, 2), 4.0, "float32")
    assert squared_error(constant, target, relative=False).numpy() == pytest.approx([5.0, 5.0])
    assert squared_error(constant, target, relative=True).numpy() == pytest.approx([1.0, 1.0])
    off = np.array([[2.0, 4.0], [7.0, 9.0]], "float32")
    assert squared_error(off, target, relative=True).numpy() == pytest.approx([0.2, 0.8])


def test_the_relative_error_does_not_see_the_scale():
    rng = np.random.default_rng(0)
    imitation, target = rng.normal(size=(2, 4, 3, 3, 2)).astype("float32")
    large, small = (squared_error(s * imitation, s * target, relative=True).numpy() for s in (100.0, 0.1))
    assert large == pytest.approx(small, rel=1e-4)
    assert large.shape == (4,)


def test_a_target_that_never_varies_gives_a_finite_error():
    error = squared_error(np.full((1, 4), 3.0, "float32"), np.full((1, 4), 2.0, "float32"), relative=True)
    assert error.numpy() == pytest.approx([1e6])


def test_half_precision_is_compared_in_float32():
    """bfloat16 has 8 bits: a mean over 4,096 values of it would be off by more than this."""
    target = tf.cast(tf.random.stateless_normal((2, 64, 64), (1, 2)), tf.bfloat16)
    error = squared_error(target + tf.constant(1, tf.bfloat16), target, relative=False)
    assert error.dtype == tf.float32
    assert error.numpy() == pytest.approx([1.0, 1.0], abs=0.01)


def test_maps_of_other_shapes_are_refused():
    with pytest.raises(
        ZooError, match=r"teacher's map has shape \(1, 2\), but the student's map has .*\(1, 3\)"
    ):
        squared_error(np.zeros((1, 3)), np.zeros((1, 2)), relative=True)
