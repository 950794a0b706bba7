"""Ranks and recall on scores that can be read by eye."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.metrics.retrieval import picture_to_sentence_ranks, recalls, sentence_to_picture_ranks

PICTURE = np.array([0, 0, 1, 2])
SCORES = np.array(
    [
        [0.1, 0.8, 0.9, 0.2],  # best own 0.8; before it 0.9
        [0.5, 0.5, 0.4, 0.6],  # own 0.4; before it three
        [0.1, 0.2, 0.3, 0.7],  # own 0.7, the best
    ]
)


def test_ranks_of_the_best_sentence_of_a_picture():
    assert picture_to_sentence_ranks(SCORES, PICTURE).tolist() == [2, 4, 1]


def test_ranks_of_the_picture_of_a_sentence():
    # Columns: 0.1 after 0.5 and beside another 0.1; 0.8 first; 0.4 after 0.9; 0.7 first.
    assert sentence_to_picture_ranks(SCORES, PICTURE).tolist() == [3, 1, 2, 1]


def test_a_constant_gains_nothing():
    constant = np.zeros((3, 4))
    # Of a picture with two sentences only those of others come before it.
    assert picture_to_sentence_ranks(constant, PICTURE).tolist() == [3, 4, 4]
    assert sentence_to_picture_ranks(constant, PICTURE).tolist() == [3, 3, 3, 3]


def test_what_is_no_number_ranks_last():
    nothing = np.full((3, 4), np.nan)
    assert picture_to_sentence_ranks(nothing, PICTURE).tolist() == [3, 4, 4]
    assert sentence_to_picture_ranks(nothing, PICTURE).tolist() == [3, 3, 3, 3]


def test_other_sentences_of_the_picture_do_not_push_back():
    scores = np.array([[0.9, 0.8, 0.1, 0.1], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert picture_to_sentence_ranks(scores, PICTURE).tolist() == [1, 1, 1]
    assert sentence_to_picture_ranks(scores, PICTURE).tolist() == [1, 1, 1, 1]


def test_recall_counts_ranks_up_to_1_5_and_10_in_percent():
    found = recalls(np.array([1, 2, 5, 6, 10, 11, 100, 1]))
    assert found == {"R@1": 25.0, "R@5": 50.0, "R@10": 75.0, "median_rank": 5.5}


@pytest.mark.parametrize("seed", range(3))
def test_ranks_are_positions_in_the_sorted_list(seed):
    rng = np.random.default_rng(seed)
    picture = np.repeat(np.arange(6), 3)
    scores = rng.normal(size=(6, 18))  # without ties
    for row, rank in enumerate(picture_to_sentence_ranks(scores, picture)):
        order = np.argsort(-scores[row])
        places = [place for place, column in enumerate(order) if picture[column] == row]
        assert rank == places[0] + 1
    for column, rank in enumerate(sentence_to_picture_ranks(scores, picture)):
        assert np.argsort(-scores[:, column])[rank - 1] == picture[column]
