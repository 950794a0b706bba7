"""Orthonormal class vectors: the polar factor by other formulas, values worked by hand, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError, ZooError
from zoo.fitting.class_vectors import cumulative_contribution, orthonormal_class_vectors


def random(channels, classes, seed=0):
    return np.random.default_rng(seed).normal(size=(channels, classes))


def test_two_by_two_by_hand():
    """W = [[1, 2], [0, 1]]: W^T W = [[1, 2], [2, 5]], singular values sqrt(2) +- 1, Q = [[1, 1], [-1, 1]] / sqrt(2)."""
    found = orthonormal_class_vectors(np.array([[1.0, 2.0], [0.0, 1.0]]))
    assert found.vectors == pytest.approx(np.array([[1, 1], [-1, 1]]) / np.sqrt(2), abs=1e-15)
    assert found.singular_values == pytest.approx([np.sqrt(2) + 1, np.sqrt(2) - 1])
    assert (found.rank, found.channels, found.isometry, found.shortens) == (2, 2, True, False)


def test_orthogonal_classes_only_lose_their_lengths():
    found = orthonormal_class_vectors(np.array([[0.0, -3.0], [0.0, 4.0], [2.0, 0.0]]))
    assert found.vectors == pytest.approx(np.array([[0, -0.6], [0, 0.8], [1, 0]]))
    assert (found.isometry, found.shortens, found.dropped_directions) == (False, True, 0)


@pytest.mark.parametrize(("channels", "classes"), [(12, 5), (7, 6)])
def test_polar_is_the_weights_times_the_inverse_root_of_their_gram_matrix(channels, classes):
    weights = random(channels, classes)
    found = orthonormal_class_vectors(weights.astype("float32"))
    values, vectors = np.linalg.eigh(weights.T @ weights)
    expected = weights @ vectors @ np.diag(values**-0.5) @ vectors.T
    assert found.vectors.dtype == np.float64
    assert found.vectors == pytest.approx(expected, abs=1e-6)
    assert found.vectors.T @ found.vectors == pytest.approx(np.eye(classes), abs=1e-14)


def test_polar_is_the_nearest_orthonormal_matrix():
    weights = random(9, 4)
    polar = np.linalg.norm(weights - orthonormal_class_vectors(weights).vectors)
    left = np.linalg.norm(weights - orthonormal_class_vectors(weights, "left").vectors)
    others = [np.linalg.norm(weights - np.linalg.qr(random(9, 4, seed))[0]) for seed in range(1, 200)]
    assert polar < min(left, *others)


def test_left_and_polar_are_the_same_feature_for_any_distance():
    weights, x = random(9, 4), random(9, 6, seed=1)
    polar, left = (orthonormal_class_vectors(weights, basis).vectors.T @ x for basis in ("polar", "left"))
    assert polar.T @ polar == pytest.approx(left.T @ left)
    assert not np.allclose(polar, left)


@pytest.mark.parametrize(("classes", "numbers"), [(8, 8), (20, 20)], ids=["as many", "more classes"])
def test_as_many_classes_as_channels_change_no_length(classes, numbers, caplog):
    weights, x = random(8, classes), random(8, 50, seed=1)
    with caplog.at_level(logging.WARNING):
        found = orthonormal_class_vectors(weights)
    y = found.vectors.T @ x
    assert y.shape == (numbers, 50)
    assert np.linalg.norm(y, axis=0) == pytest.approx(np.linalg.norm(x, axis=0))
    assert (found.isometry, found.shortens, found.rank) == (True, False, 8)
    assert caplog.messages == [
        f"The head has {classes} classes for 8 channels: its orthonormal class vectors turn the pooled feature without "
        "changing any distance (an isometry). Only fewer classes than channels shorten the feature."
    ]


def test_fewer_classes_than_channels_say_nothing(caplog):
    with caplog.at_level(logging.WARNING):
        orthonormal_class_vectors(random(8, 7))
    assert not caplog.messages


@pytest.mark.parametrize(("basis", "shape"), [("polar", (9, 4)), ("left", (9, 3))])
def test_a_class_that_others_make_up_takes_no_direction(basis, shape, caplog):
    weights = random(9, 4)
    weights[:, 3] = weights[:, 0] - 2 * weights[:, 1]
    with caplog.at_level(logging.WARNING):
        found = orthonormal_class_vectors(weights, basis)
    assert (found.rank, found.dropped_directions, found.vectors.shape) == (3, 1, shape)
    # The projection onto what the classes span, however Q says it.
    basis_of_range = np.linalg.qr(weights[:, :3])[0]
    assert found.vectors @ found.vectors.T == pytest.approx(basis_of_range @ basis_of_range.T)
    assert caplog.messages == [
        "1 of 4 singular values of the head are below 1e-06 of the largest and are left out: rank 3"
    ]


def test_rank_below_the_channels_is_no_isometry(caplog):
    weights = np.repeat(random(6, 3), 3, axis=1)
    found = orthonormal_class_vectors(weights)
    assert (found.rank, found.isometry, found.shortens) == (3, False, False)
    assert caplog.messages[1].startswith(
        "The head has 9 classes for 6 channels: its orthonormal class vectors keep 3 directions of the pooled feature."
    )


def test_the_tolerance_is_a_share_of_the_largest():
    weights = np.diag([1000.0, 1.0, 0.01])
    assert [orthonormal_class_vectors(weights, tolerance=t).rank for t in (1e-6, 1e-4, 1e-2)] == [3, 2, 1]
    assert orthonormal_class_vectors(1e-30 * weights).rank == 3


def test_dropped_classes_are_as_if_never_there():
    weights = random(9, 5)
    found = orthonormal_class_vectors(weights, drop_classes=(0, 3, 0))
    assert found.classes.tolist() == [1, 2, 4]
    assert found.dropped_classes == (0, 3)
    np.testing.assert_array_equal(found.vectors, orthonormal_class_vectors(weights[:, [1, 2, 4]]).vectors)


def test_contribution_by_hand():
    found = cumulative_contribution(np.array([1.0, 4.0, 2.0, 3.0]))
    assert found.sums == pytest.approx([0.4, 0.7, 0.9, 1])
    assert found.squares == pytest.approx([16 / 30, 25 / 30, 29 / 30, 1])
    assert (found.half, found.half_of_sums, found.half_of_squares) == (
        2,
        pytest.approx(0.7),
        pytest.approx(25 / 30),
    )


@pytest.mark.parametrize(
    ("values", "half", "share"), [([5.0], 0, 0.0), ([2.0, 1.0, 1.0], 1, 0.5), ([3e-200, 1e-200], 1, 0.75)]
)
def test_half_the_dimensions_are_rounded_down(values, half, share):
    found = cumulative_contribution(np.array(values))
    assert (found.half, found.half_of_sums) == (half, pytest.approx(share))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([], "No singular values: shape (0,), empty."),
        ([0.0, 0.0], "No singular values: shape (2,), from 0 to 0."),
        ([1.0, -0.5], "No singular values: shape (2,), from -0.5 to 1."),
    ],
    ids=["none", "zero", "negative"],
)
def test_no_singular_values(values, what):
    with pytest.raises(DataError) as caught:
        cumulative_contribution(np.array(values))
    assert caught.value.what == what


@pytest.mark.parametrize(
    ("weights", "arguments", "kind", "what"),
    [
        (np.eye(3), {"basis": "polr"}, ConfigError, "Unknown basis 'polr'. Did you mean 'polar'?"),
        (
            np.eye(3),
            {"drop_classes": (1, 3, -1)},
            ConfigError,
            "drop_classes names 3, -1, but the head has 3 classes.",
        ),
        (np.eye(2), {"drop_classes": (0, 1)}, ConfigError, "drop_classes leaves none of the 2 classes."),
        (np.eye(2), {"tolerance": 1.0}, ZooError, "tolerance is 1.0."),
        (np.zeros((3, 2)), {}, DataError, "All weights of the head are 0."),
        (np.array([[1.0, np.nan]]), {}, DataError, "1 of 2 weights of the head are not finite."),
        (np.ones((1, 1, 3, 2)), {}, DataError, "The class vectors have shape (1, 1, 3, 2)."),
        (np.ones((3, 0)), {}, DataError, "The class vectors have shape (3, 0)."),
    ],
    ids=["basis", "class", "all classes", "tolerance", "zero", "nan", "rank", "empty"],
)
def test_wrong_use(weights, arguments, kind, what):
    with pytest.raises(kind) as caught:
        orthonormal_class_vectors(weights, **arguments)
    assert caught.value.what == what
