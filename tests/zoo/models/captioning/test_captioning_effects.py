"""What a code does to captions: traits that are counted, correlations with their p, information of words."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from zoo.errors import DataError, MissingExtraError
from zoo.models.captioning.caption_traits import (
    COLOURS,
    COUNTS,
    count_traits,
    frequent_words,
    word_information,
)
from zoo.models.captioning.code_effects import code_effects

GRID = [
    [text.split() for text in ("a dog", "two brown dogs on the grass", "a black and white dog")],
    [text.split() for text in ("a man", "a group of two men", "a man in a red shirt")],
]


def effects(traits, codes, **settings) -> dict:
    return {(e.trait, e.dimension): e for e in code_effects(traits, codes, **settings)}


def test_traits_by_hand():
    found = count_traits(GRID)
    assert list(found) == ["length", "nouns", "colours", "counts"]
    assert found["length"].tolist() == [[2, 6, 5], [2, 5, 6]]
    assert found["nouns"].tolist() == [
        [1, 2, 1],
        [1, 2, 2],
    ]  # dog; dogs, grass; dog; man; group, men; man, shirt
    assert found["colours"].tolist() == [[0, 1, 2], [0, 0, 1]]
    assert found["counts"].tolist() == [[0, 1, 0], [0, 2, 0]]


def test_captions_that_repeat_are_tagged_once():
    seen = []
    count_traits([[["a", "dog"], ["a", "dog"]], [["a", "dog"], []]], progress=lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]


def test_no_word_is_a_colour_and_a_count():
    assert len(COLOURS) == 12 and not set(COLOURS) & set(COUNTS)
    assert COUNTS[:10] == ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@pytest.mark.parametrize("shared", [True, False], ids=["shared codes", "own codes"])
@pytest.mark.parametrize(("ranks", "peer"), [(True, spearmanr), (False, pearsonr)], ids=["ranks", "values"])
def test_of_one_picture_it_is_the_known_correlation(ranks, peer, shared):
    rng = np.random.default_rng(0)
    codes, trait = rng.normal(size=(12, 2)), rng.integers(3, 9, 12).astype(float)
    found = effects({"length": trait[None]}, codes if shared else codes[None], ranks=ranks, permutations=9)
    for k in (0, 1):
        assert found["length", k].correlation == pytest.approx(peer(codes[:, k], trait)[0])
        assert found["length", k].slope == pytest.approx(np.polyfit(codes[:, k], trait, 1)[0])


def test_what_a_picture_shows_does_not_count():
    """Two pictures whose captions are 5 and 50 words long, and one word more for each unit of c."""
    codes = np.array([[-1.0], [0.0], [1.0], [2.0]])
    trait = np.array([5.0, 50.0])[:, None] + codes[:, 0]
    for ranks in (True, False):
        found = effects({"length": trait}, codes, ranks=ranks, permutations=9)["length", 0]
        assert found.correlation == pytest.approx(1.0)
        assert found.slope == pytest.approx(1.0)


def test_p_of_three_codes_by_hand():
    """Of the six orders of three codes two are as far out as the true one: 1/3, not 1/100 for 50 pictures."""
    codes = np.array([[0.0], [1.0], [2.0]])
    trait = np.tile([3.0, 4.0, 5.0], (50, 1))
    assert effects({"length": trait}, codes, permutations=1999)["length", 0].p_value == pytest.approx(
        1 / 3, abs=0.04
    )
    # Each picture with codes of its own: each is another witness.
    own = np.tile(codes, (50, 1, 1))
    assert effects({"length": trait}, own, permutations=199)["length", 0].p_value == 1 / 200


def test_p_values_are_uniform_where_the_code_does_nothing():
    """Codes that prefer long captions by chance, in every picture the same, are no effect of a dimension."""
    rng = np.random.default_rng(1)
    p = []
    for draw in range(60):
        codes, preference = rng.normal(size=(12, 3)), rng.normal(size=12)
        trait = preference + 0.3 * rng.normal(size=(40, 12))
        p += [e.p_value for e in code_effects({"length": trait}, codes, permutations=99, seed=draw)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.05)
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)


def test_an_effect_is_found_and_told_from_the_other_dimensions():
    rng = np.random.default_rng(2)
    codes = rng.normal(size=(32, 3))
    trait = np.round(8 + 1.5 * codes[:, 1] + rng.normal(size=(20, 32)))
    found = effects({"length": trait, "counts": np.zeros_like(trait)}, codes)
    assert found["length", 1].p_value == 0.001 and found["length", 1].correlation > 0.6
    assert found["length", 1].slope == pytest.approx(1.5, abs=0.2)
    assert min(found["length", 0].p_value, found["length", 2].p_value) > 0.01
    assert [found["counts", k].p_value for k in range(3)] == [1.0] * 3
    assert found["counts", 0].slope == 0 and math.isnan(found["counts", 0].correlation)


def test_a_dimension_that_stands_still_has_no_effect():
    """As along one axis of c, the others at 0.1, which is not exact in binary."""
    codes = np.stack([np.linspace(-2, 2, 7), np.full(7, 0.1)], axis=-1)
    found = effects({"length": np.tile(np.arange(7.0), (3, 1))}, codes, permutations=9)
    assert found["length", 0].correlation == pytest.approx(1.0)
    assert math.isnan(found["length", 1].correlation) and math.isnan(found["length", 1].slope)
    assert found["length", 1].p_value == 1.0


def test_the_same_seed_draws_the_same_permutations():
    rng = np.random.default_rng(3)
    traits, codes = {"length": rng.normal(size=(4, 9))}, rng.normal(size=(9, 1))
    first, again, other = (code_effects(traits, codes, seed=seed, permutations=50) for seed in (0, 0, 1))
    assert first == again
    assert first[0].p_value != other[0].p_value and first[0].correlation == other[0].correlation


def test_information_of_words_by_hand():
    """ "a" in all, in 2 of 4, in none of the captions of three pictures: (0 + log 2 + 0) / 3."""
    grid = [[["a"]] * 4, [["a"], ["a", "b"], ["b"], ["b"]], [["c"]] * 4]
    found = word_information(grid, ["a", "b", "c", "d"])
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert found["a"] == pytest.approx(math.log(2) / 3)
    assert found["b"] == pytest.approx(quarter / 3)
    assert found["c"] == found["d"] == 0


def test_frequent_words_are_counted_by_captions():
    grid = [[["b", "b", "b"], ["a"]], [["a", "c"], ["b", "d"]]]
    assert frequent_words(grid) == ("a", "b", "c", "d")
    assert frequent_words(grid, most=3) == ("a", "b", "c")


# === Wrong use ===


@pytest.mark.parametrize("count", [count_traits, frequent_words, lambda grid: word_information(grid, ["a"])])
def test_captions_that_are_no_grid(count):
    with pytest.raises(DataError) as error:
        count([[["a"], ["a"]], [["a"]]])
    assert str(error.value) == (
        "The pictures have [1, 2] captions.\nExpected: as many of each, and at least one\n"
        "Fix: write a caption of every picture under every code"
    )
    with pytest.raises(DataError, match=r"^The pictures have no captions\."):
        count([])
    with pytest.raises(DataError, match=r"^A caption is the text 'a dog'\."):
        count([["a dog"]])


@pytest.mark.parametrize(
    ("codes", "pictures"), [((4, 2), 5), ((5, 3, 2), 5), ((3,), 5), ((2, 2), 2)], ids=str
)
def test_codes_that_do_not_belong_to_the_captions(codes, pictures):
    captions = 2 if codes == (2, 2) else 3
    with pytest.raises(DataError) as error:
        code_effects({"length": np.zeros((pictures + (codes[0] == 5), captions))}, np.zeros(codes))
    assert str(error.value).startswith(f"The codes have the shape {codes}, for ")
    assert str(error.value).endswith(
        "Expected: [codes, dimensions] or [pictures, codes, dimensions], three codes or more\n"
        "Fix: pass the codes that the captions were written under, in their order"
    )


def test_nouns_need_a_tagger(monkeypatch):
    monkeypatch.setitem(sys.modules, "HanTa.HanoverTagger", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mizoo\[nlp\]'"):
        count_traits(GRID)
