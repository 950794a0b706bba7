"""The measures: worked by hand in the plane, against their formulas, and the same in numpy and keras.ops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.search.measures import MEASURES, check_weight, rank, score


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def products(rows, query, direction):
    length = np.linalg.norm(direction)
    return rows @ query, rows @ direction, query @ direction, length


def test_by_hand_in_the_plane():
    # q points east, the edit north with length 2. North itself: step (-1, 1), 1 along and 1 off; (.6, .8): step
    # (-.4, .8), .8 along, .4 off, distance sqrt(.8). South: 1 the wrong way.
    query, direction = np.array([1.0, 0.0]), np.array([0.0, 2.0])
    rows = np.array([[0.0, 1.0], [0.6, 0.8], [0.0, -1.0]])
    found = score("direction", *products(rows, query, direction), 0.0, np)
    np.testing.assert_allclose(found.along, [1.0, 0.8, -1.0], atol=1e-12)
    np.testing.assert_allclose(found.off, [1.0, 0.4, 1.0], atol=1e-12)
    np.testing.assert_allclose(found.keep, [0.0, 0.6, 0.0], atol=1e-12)
    np.testing.assert_allclose(found.score, [math.sqrt(0.5), 0.8 / math.sqrt(0.8), -math.sqrt(0.5)])
    anchored = score("anchored", *products(rows, query, direction), 0.5, np)
    np.testing.assert_allclose(anchored.score, np.add(found.score, [0.0, 0.3, 0.0]))
    kiros = score("kiros", *products(rows, query, direction), 0.5, np)
    np.testing.assert_allclose(kiros.score, [1.0, 0.6 + 0.8, -1.0])


def test_the_formulas():
    rng = np.random.default_rng(0)
    rows, query = unit(rng.standard_normal((200, 16))), unit(rng.standard_normal(16))
    added, removed = unit(rng.standard_normal((2, 16)))
    direction = added - removed
    step = rows - query
    given = products(rows, query, direction)
    expected = step @ direction / np.linalg.norm(step, axis=1) / np.linalg.norm(direction)
    np.testing.assert_allclose(score("direction", *given, 0.0, np).score, expected)
    target = unit(query - removed + added)
    kiros = score("kiros", *given, 1.0, np)
    np.testing.assert_array_equal(np.argsort(kiros.score), np.argsort(rows @ target))
    np.testing.assert_allclose(kiros.along**2 + kiros.off**2, np.linalg.norm(step, axis=1) ** 2)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_query_and_its_duplicates_score_minus_infinity(measure):
    angle = 0.9e-3
    rows = np.array([[1.0, 0.0], [math.cos(angle), math.sin(angle)], [math.cos(0.01), math.sin(0.01)]])
    given = products(rows, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    found = score(measure, *given, check_weight(measure, None), np).score
    assert found[0] == found[1] == -math.inf
    assert math.isfinite(found[2])


def test_rank_believes_the_distances_it_is_given():
    # The products say that the row is the query; the distance says that it is not.
    one, far = np.ones(1), np.array([0.04])
    np.testing.assert_allclose(rank("direction", one, one, far, np.array([0.1]), 0.0, np), [0.5])


@pytest.mark.parametrize("measure", MEASURES)
def test_numpy_and_keras_agree(measure):
    from keras import ops

    rng = np.random.default_rng(1)
    rows, queries = unit(rng.standard_normal((50, 8))), unit(rng.standard_normal((3, 8)))
    rows[7] = queries[1]
    directions = rng.standard_normal((3, 8))
    given = [
        queries @ rows.T,
        directions @ rows.T,
        np.sum(queries * directions, axis=1)[:, None],
        np.linalg.norm(directions, axis=1)[:, None],
        np.array([[0.5], [1.0], [2.0]]),
    ]
    given = [array.astype(np.float32) for array in given]
    ours = score(measure, *given, np)
    theirs = score(measure, *map(ops.convert_to_tensor, given), ops)
    assert ours.score[1, 7] == -math.inf
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, ops.convert_to_numpy(other), rtol=1e-5, atol=1e-6)


def test_weights():
    assert [check_weight(measure, None) for measure in ("kiros", "direction", "anchored")] == [1.0, 0.0, 0.3]
    assert check_weight("kiros", 2) == 2.0


@pytest.mark.parametrize(
    ("measure", "weight", "text"),
    [
        (
            "kiro",
            None,
            "there is no measure 'kiro'. Did you mean 'kiros'?\nExpected: kiros, direction, anchored\n"
            "Fix: name one of them",
        ),
        (
            "direction",
            1.0,
            "weight 1.0 for the measure 'direction', which has none\n"
            "Fix: leave the weight out, or take 'anchored'",
        ),
        ("kiros", math.nan, "weight nan for the measure 'kiros'\nFix: give a finite number"),
    ],
    ids=["unknown", "direction", "nan"],
)
def test_wrong_weights(measure, weight, text):
    with pytest.raises(ConfigError) as error:
        check_weight(measure, weight)
    assert str(error.value) == text
