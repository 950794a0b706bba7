"""Edited queries in a world of six pictures counted by hand, and what each measure makes of a circle of pictures."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.models.visual_semantic.edit_evaluation import edit_precisions, queries_of
from zoo.models.visual_semantic.edits import EditQueries, edit_queries, edit_words, precision
from zoo.search.measures import MEASURES

WORLD = [
    {"red", "dog", "grass", "ball"},
    {"blue", "dog", "grass", "ball"},
    {"red", "cat", "snow", "tree"},
    {"blue", "cat", "grass", "ball"},
    {"red", "blue", "dog", "grass"},
    {"cat", "snow", "tree"},
]
NOUNS = {"dog", "cat", "grass", "ball", "tree", "snow"}
# (picture, remove, add) -> the pictures with the wish fulfilled, the pictures with two other nouns in common.
EXPECTED = {
    (0, "red", "blue"): ({1, 3}, {0, 1, 3, 4}),  # dog grass ball
    (2, "red", "blue"): ({1, 3}, {2, 5}),  # cat snow tree
    (1, "blue", "red"): ({0, 2}, {0, 1, 3, 4}),
    (3, "blue", "red"): ({0, 2}, {0, 1, 3}),  # cat grass ball
    (0, "dog", "cat"): ({2, 3, 5}, {0, 1, 3}),  # grass ball: the words of the edit are not context
    (1, "dog", "cat"): ({2, 3, 5}, {0, 1, 3}),
    (4, "dog", "cat"): ({2, 3, 5}, set()),  # grass alone
    (2, "cat", "dog"): ({0, 1, 4}, {2, 5}),
    (3, "cat", "dog"): ({0, 1, 4}, {0, 1, 3}),
    (5, "cat", "dog"): ({0, 1, 4}, {2, 5}),
}


def test_the_queries_of_a_small_world():
    # "snow" is in two pictures only, so that no place can be exchanged.
    queries = edit_queries(WORLD, NOUNS, least_pictures=3)
    assert list(zip(queries.picture.tolist(), queries.remove, queries.add, strict=True)) == list(EXPECTED)
    assert queries.kind == ("colour",) * 4 + ("animal",) * 6
    found = [
        (set(np.flatnonzero(a).tolist()), set(np.flatnonzero(c).tolist()))
        for a, c in zip(queries.attribute, queries.context, strict=True)
    ]
    assert found == list(EXPECTED.values())


def test_words_need_enough_pictures():
    queries = edit_queries(WORLD, NOUNS, least_pictures=2)
    assert [
        row[0] for row in zip(queries.picture.tolist(), queries.kind, strict=True) if row[1] == "place"
    ] == [
        2,
        5,
        *(0, 1, 3, 4),
    ]
    none = edit_queries(WORLD, NOUNS, least_pictures=4)
    assert len(none) == 0
    assert none.attribute.shape == none.context.shape == (0, 6)


def test_at_most_so_many_queries_for_a_pair_drawn_by_the_seed():
    def drawn(seed):
        queries = edit_queries(WORLD, NOUNS, least_pictures=3, per_pair=1, seed=seed)
        return list(zip(queries.picture.tolist(), queries.remove, queries.add, strict=True))

    assert [row[1:] for row in drawn(0)] == [("red", "blue"), ("blue", "red"), ("dog", "cat"), ("cat", "dog")]
    assert set(drawn(0)) < set(EXPECTED)
    assert drawn(0) == drawn(0)
    assert len({tuple(drawn(seed)) for seed in range(8)}) > 1


def test_the_frozen_words_are_one_kind_each():
    kinds = edit_words()
    words = [word for of_kind in kinds.values() for word in of_kind]
    assert len(words) == len(set(words))
    assert all(len(of_kind) > 1 for of_kind in kinds.values())
    assert {"colour", "animal", "vehicle", "food", "place", "clothing"} <= kinds.keys()


def test_precision_is_the_share_of_the_first_ten():
    relevant = np.zeros((2, 12), bool)
    relevant[0, [0, 3, 11]] = relevant[1, 10] = True
    ranked = np.array([np.arange(12), np.arange(12)[::-1]])
    assert precision(ranked, relevant).tolist() == [0.2, 0.1]


def test_queries_of_a_split_use_the_words_of_all_captions_of_a_picture(split_of):
    vocabulary = ("red", "blue", "dog", "grass", "ball")
    captions = [[["red", "dog"], ["grass", "ball", "?"]]] * 20 + [[["blue", "dog"], ["grass", "ball"]]] * 20
    queries = queries_of(split_of(captions, vocabulary), vocabulary)
    assert set(zip(queries.remove, queries.add, strict=True)) == {("red", "blue"), ("blue", "red")}
    assert len(queries) == 40
    assert queries.attribute.shape == (40, 40)
    assert np.array_equal(queries.attribute[0], np.arange(40) >= 20)
    assert queries.context.all()  # dog and grass, in different captions; they are shipped nouns


# --- 21 pictures on a circle, 8 degrees apart; asked with the one at 0, removing 0 and adding 90 degrees ---

ANGLES = np.radians(8.0 * np.arange(21))
PICTURES = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
WORDS = {"x": np.array([1, 0], np.float32), "y": np.array([0, 1], np.float32)}


def circle(queries=1):
    attribute, context = np.zeros((2, queries, 21), bool)
    attribute[:, 7:17], context[:, 1:11] = True, True
    return EditQueries(
        np.zeros(queries, int), ("x",) * queries, ("y",) * queries, ("?",) * queries, attribute, context
    )


# The ten pictures that each finds: those nearest to the angle of q + weight d.
FOUND = {
    "nearest": range(1, 11),  # 0 degrees
    "added word": range(7, 17),  # 90
    "direction alone": range(11, 21),  # 135
    "kiros 0.25": range(1, 11),  # (3/4, 1/4): 18
    "kiros 1": range(7, 17),  # (0, 1): 90
    "kiros 2": range(10, 20),  # (-1, 2): 117
    "direction": range(7, 17),  # X - q goes to 90 + angle / 2, d to 135
}


@pytest.mark.parametrize("ranker", FOUND)
def test_precision_on_the_circle(ranker):
    found = edit_precisions(circle(), PICTURES, WORDS)[ranker]
    attribute, context = set(range(7, 17)), set(range(1, 11))
    own = set(FOUND[ranker])
    assert found["attribute"].tolist() == [len(own & attribute) / 10]
    assert found["context"].tolist() == [len(own & context) / 10]
    assert found["both"].tolist() == [len(own & attribute & context) / 10]


def test_every_measure_and_every_reference_is_there():
    found = edit_precisions(circle(3), PICTURES, WORDS)
    kiros = {f"kiros {weight}" for weight in ("0.25", "0.5", "1", "2")}
    assert found.keys() == kiros | {
        "direction",
        "anchored",
        "nearest",
        "added word",
        "direction alone",
        "chance",
    }
    assert {name.split()[0] for name in found} >= set(MEASURES)
    assert all(len(values) == 3 for row in found.values() for values in row.values())


def test_the_length_of_the_direction_matters_to_kiros_alone():
    plain, long = (edit_precisions(circle(), PICTURES, WORDS, scale=scale) for scale in (1.0, 10.0))
    for ranker in ("direction", "anchored", "nearest", "added word", "direction alone", "chance"):
        for kind in plain[ranker]:
            assert plain[ranker][kind].tolist() == long[ranker][kind].tolist(), ranker
    # (-9, 10) lies at 132 degrees: 11 to 20.
    assert long["kiros 1"]["attribute"].tolist() == [0.6]
    assert long["kiros 1"]["context"].tolist() == [0]


def test_chance_finds_what_there_is():
    found = edit_precisions(circle(400), PICTURES, WORDS)["chance"]
    # Ten of the twenty others are right by either, four by both.
    assert found["attribute"].mean() == pytest.approx(0.5, abs=0.03)
    assert found["context"].mean() == pytest.approx(0.5, abs=0.03)
    assert found["both"].mean() == pytest.approx(0.2, abs=0.03)


def test_the_query_and_its_duplicate_never_count_as_hits():
    pictures = PICTURES.copy()
    pictures[1] = pictures[0]
    queries = circle()
    queries.attribute[:], queries.context[:] = False, False
    queries.attribute[0, :2] = queries.context[0, :2] = True
    found = edit_precisions(queries, pictures, WORDS)
    for ranker in ("kiros 0.25", "kiros 1", "direction", "anchored"):
        assert found[ranker]["both"].tolist() == [0], ranker
