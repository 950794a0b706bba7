"""The pairwise ranking loss on a batch worked by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ZooError
from zoo.losses.pairwise_ranking import pairwise_ranking

# Row: picture, column: sentence. With margin 0.2:
SCORES = np.array([[0.6, 0.5, 0.1], [0.7, 0.6, 0.2], [0.3, -0.4, 0.4]], "float32")
# sentences, 0.2 - s_ii + s_ik:  row 0: 0.1, 0      row 1: 0.3, 0   row 2: 0.1, 0
# pictures,  0.2 - s_kk + s_ik:  column 0: 0.3, 0   column 1: 0.1, 0   column 2: 0, 0
SUMMED, HARDEST = [0.4, 0.4, 0.1], [0.4, 0.4, 0.1]
# And one with two violations in a row and in a column.
CROWDED = np.array([[0.5, 0.4, 0.6], [0.2, 0.5, 0.5], [0.5, 0.1, 0.5]], "float32")
# sentences: row 0: 0.1 + 0.3   row 1: 0 + 0.2    row 2: 0.2 + 0
# pictures:  column 0: 0 + 0.2  column 1: 0.1 + 0  column 2: 0.3 + 0.2
CROWDED_SUMMED, CROWDED_HARDEST = [0.6, 0.3, 0.7], [0.5, 0.3, 0.5]
ALONE = np.eye(3, dtype=bool)


def ranking(scores, same, hardest, margin=0.2):
    return keras.ops.convert_to_numpy(
        pairwise_ranking(keras.ops.convert_to_tensor(scores), np.asarray(same), margin, hardest)
    )


@pytest.mark.parametrize(
    ("scores", "hardest", "expected"),
    [
        pytest.param(SCORES, 0.0, SUMMED, id="sum"),
        pytest.param(SCORES, 1.0, HARDEST, id="hardest"),
        pytest.param(CROWDED, 0.0, CROWDED_SUMMED, id="crowded sum"),
        pytest.param(CROWDED, 1.0, CROWDED_HARDEST, id="crowded hardest"),
        pytest.param(CROWDED, 0.25, [0.575, 0.3, 0.65], id="a quarter of the way"),
    ],
)
def test_a_batch_worked_by_hand(scores, hardest, expected):
    assert ranking(scores, ALONE, hardest) == pytest.approx(np.array(expected), abs=1e-6)


def test_other_sentences_of_the_same_picture_are_no_negatives():
    # Rows 0 and 2 are about one picture: s_02 and s_20 fall out.
    same = ALONE.copy()
    same[0, 2] = same[2, 0] = True
    # sentences: 0.1, 0.2, 0; pictures: 0, 0.1, 0.2
    assert ranking(CROWDED, same, 0.0) == pytest.approx([0.1, 0.3, 0.2], abs=1e-6)
    assert ranking(CROWDED, same, 1.0) == pytest.approx([0.1, 0.3, 0.2], abs=1e-6)


@pytest.mark.parametrize("hardest", [0.0, 1.0])
def test_nothing_is_wrong_where_all_are_the_same_or_far_apart(hardest):
    assert ranking(CROWDED, np.ones((3, 3), bool), hardest).tolist() == [0, 0, 0]
    assert ranking(2 * np.eye(3, dtype="float32"), ALONE, hardest).tolist() == [0, 0, 0]
    assert ranking(np.ones((1, 1), "float32"), [[True]], hardest).tolist() == [0]


def test_the_margin_is_the_least_distance_that_costs_nothing():
    apart = np.array([[0.5, 0.0], [0.0, 0.5]], "float32")
    assert ranking(apart, np.eye(2, dtype=bool), 0.0, margin=0.5).tolist() == [0, 0]
    assert ranking(apart, np.eye(2, dtype=bool), 0.0, margin=0.75) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("hardest", [0.0, 1.0])
def test_the_gradient_pulls_right_pairs_up_and_violating_ones_down(hardest):
    scores = tf.constant(CROWDED)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        total = tf.reduce_sum(pairwise_ranking(scores, ALONE, 0.2, hardest))
    slopes = tape.gradient(total, scores).numpy()
    # A wrong pair is pushed down once for its row and once for its column, if it violates there; each
    # violation pulls the right pair of that row or column up.
    summed = [[-3, 2, 2], [0, -2, 2], [2, 0, -3]]
    # Only the worst of a row (0.6, 0.5, 0.5) and of a column (0.5, 0.4, 0.6) counts.
    worst = [[-2, 1, 2], [0, -2, 1], [2, 0, -2]]
    assert slopes.tolist() == (worst if hardest else summed)


def test_arrays_and_tensors_give_the_same():
    rng = np.random.default_rng(0)
    scores = rng.uniform(-1, 1, (7, 7)).astype("float32")
    picture = rng.integers(0, 4, (7, 1))
    same = picture == picture.T
    # Written out pair by pair.
    expected = np.zeros((2, 7))
    for i in range(7):
        for others, row in ((scores[i], same[i]), (scores[:, i], same[:, i])):
            costs = [max(0.0, 0.2 - scores[i, i] + s) for s, own in zip(others, row, strict=True) if not own]
            expected[0, i] += sum(costs)
            expected[1, i] += max(costs, default=0.0)
    assert ranking(scores, same, 0.0) == pytest.approx(expected[0], abs=1e-5)
    assert ranking(scores, same, 1.0) == pytest.approx(expected[1], abs=1e-5)
    assert np.asarray(pairwise_ranking(scores, same, 0.2, 1.0)) == pytest.approx(expected[1], abs=1e-5)


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ZooError, match=r"same has shape \(3, 1\), but scores has shape \(3, 3\)\."):
        pairwise_ranking(SCORES, ALONE[:, :1], 0.2, 0.0)
