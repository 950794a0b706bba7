from __future__ import annotations

import math

import pytest

from zoo.errors import DataError
from zoo.metrics.caption_diversity import distinct, self_bleu
from zoo.metrics.caption_scores import (
    Counted,
    check_rows,
    check_words,
    corpus_bleu,
    counted,
    n_grams,
    smoothed_bleu,
)
from zoo.metrics.cider import CiderD, cider_d


def split(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


# What people said of three pictures, and captions to score.
REFERENCES = [
    split(
        "a black dog runs across the green grass",
        "a dog is running on grass",
        "the black dog plays outside",
    ),
    split("two children sit on a wooden bench", "two kids are sitting on a bench in a park"),
    split("a man rides a red bike down the street"),
]
CANDIDATES = split(
    "a black dog runs on the grass", "two kids sit on a wooden bench in the park", "a man on a red bike"
)


def test_n_grams_are_counted():
    assert n_grams(["a", "b", "a", "b"], 2) == {("a", "b"): 2, ("b", "a"): 1}
    assert not n_grams(["a"], 2)
    assert counted(["a"]) == Counted(1, ({("a",): 1}, {}, {}, {}))
    assert [grams.total() for grams in counted(["a", "a"]).grams] == [2, 1, 0, 0]


# === BLEU ===


def test_bleu_by_hand():
    """All but "dog" match: 5 of 6 words, 3 of 5 bigrams, 2 of 4 and 1 of 3."""
    candidate, reference = split("the dog sat on the mat", "the cat sat on the mat")
    matched = 5 / 6 * 3 / 5 * 2 / 4 * 1 / 3
    assert corpus_bleu([candidate], [[reference]]) == pytest.approx(matched**0.25)


def test_bleu_sums_matches_before_it_divides():
    """12 of 12 words and 0 of 4: 12/16, 9/12, 6/8, 3/4 are all 3/4; the mean of the two scores would be 1/2."""
    right, wrong = list("abcdefghijkl"), list("vwxy")
    wrong_reference = list("mnop")
    # One sentence of 12 words has 12, 11, 10, 9 n-grams; three of 4 have 12, 9, 6, 3.
    candidates = [right[:4], right[4:8], right[8:], wrong]
    references = [[right[:4]], [right[4:8]], [right[8:]], [wrong_reference]]
    assert corpus_bleu(candidates, references) == pytest.approx(0.75)


def test_bleu_counts_a_word_as_often_as_one_reference_has_it():
    """Papineni's example: "the" seven times, of which 2 count; with the longer matches kept from being 0."""
    candidate = ["the", "the", "the", "the", "the", "the", "the"]
    references = split("the cat is on the mat", "there is a cat on the mat")
    assert corpus_bleu([candidate], [references]) == 0.0
    # Smoothed: 2/7, then 0.1 of 6, 5 and 4; the closest reference has 7 words.
    expected = (2 / 7 * 0.1 / 6 * 0.1 / 5 * 0.1 / 4) ** 0.25
    found = smoothed_bleu(counted(candidate), [counted(reference) for reference in references])
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["abcdefg"], math.exp(1 - 7 / 5)),
        (["abcdefg", "abcdef"], math.exp(1 - 6 / 5)),
        (["abcdef", "abcd"], 1.0),
        (["abcd", "abcdef"], 1.0),
    ],
    ids=["one", "the closest", "equally far", "equally far, the other way round"],
)
def test_the_brevity_penalty_goes_by_the_closest_reference(references, expected):
    """Five letters, all of them right; of two references equally far the shorter counts."""
    assert corpus_bleu([list("abcde")], [[list(r) for r in references]]) == pytest.approx(expected)


def test_bleu_is_that_of_nltk():
    """nltk 3.10.4, `corpus_bleu(REFERENCES, CANDIDATES)`, and `sentence_bleu` with its `method1` as in Texygen."""
    assert corpus_bleu(CANDIDATES, REFERENCES) == pytest.approx(0.413589806793144, rel=1e-12)
    with_a_short_one = [REFERENCES[0], [*REFERENCES[1], ["two", "kids"]]]
    assert self_bleu(with_a_short_one) == pytest.approx(0.06289218397014133, rel=1e-12)


def test_captions_too_short_for_a_4_gram_add_none():
    """Papineni's sums; nltk counts one 4-gram for each of them and finds (6/6 4/4 2/3 1/2)^(1/4) here."""
    candidates = [list("abcd"), ["a", "b"]]
    assert corpus_bleu(candidates, [[caption] for caption in candidates]) == pytest.approx(1.0)


def test_nothing_written_scores_nothing():
    assert corpus_bleu([[]], [[["a"]]]) == 0.0
    assert smoothed_bleu(counted([]), [counted(["a"])]) == 0.0
    assert cider_d([[], ["a"]], [[["a"]], [["b"]]])[0] == 0.0


# === CIDEr-D ===


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        # "a" is in both pictures and weighs 0: 1 of 2 unigrams counts, the bigram is the same, longer ones there are
        # none of: cosines 1, 1, 0, 0.
        ("a dog", 5.0),
        # Only the unigram; a word shorter than the reference.
        ("dog", 2.5 * math.exp(-1 / 72)),
        # Clipped: min(2w, w) w / (2w w) = 1/2 of one order.
        ("dog dog", 1.25),
        ("a cat", 0.0),
    ],
)
def test_cider_d_by_hand(candidate, expected):
    references = [split("a dog"), split("a cat")]
    assert cider_d(split(candidate, "a cat"), references) == pytest.approx([expected, 5.0])


def test_cider_d_takes_the_mean_over_references():
    references = [split("a dog", "a bird"), split("a cat")]
    assert cider_d(split("a dog", "a cat"), references)[0] == pytest.approx(2.5)


def test_a_word_in_a_third_of_the_pictures_weighs_log_3():
    """Unigrams x (in 1 of 3 pictures) and y (in 2 of 3); the reference says both, in the other order."""
    references = [split("y x"), split("y"), split("z")]
    rare, frequent = math.log(3), math.log(3 / 2)
    found = cider_d(split("x", "y", "z"), references)
    cosine = rare / math.hypot(rare, frequent)
    assert found[0] == pytest.approx(10 / 4 * cosine * math.exp(-1 / 72))
    assert found[1:] == pytest.approx([2.5, 2.5])


def test_cider_d_is_that_of_coco_caption():
    """What pycocoevalcap/cider/cider_scorer.py (commit 274cef6) says of these, its tokenizer left out."""
    expected = [2.5073283952335146, 3.595095841290466, 2.972217768349668]
    assert cider_d(CANDIDATES, REFERENCES) == pytest.approx(expected, rel=1e-12)


# === Diversity ===


def test_distinct_by_hand():
    captions = split("a dog runs", "a dog sits")
    # Of 6 words 4 are different, and 3 bigrams: "a dog", "dog runs", "dog sits".
    assert distinct([captions], 1) == pytest.approx(4 / 6)
    assert distinct([captions], 2) == pytest.approx(3 / 6)
    assert distinct([captions, split("x")], 1) == pytest.approx((4 / 6 + 1) / 2)
    assert distinct([[[], []]], 1) == 0.0


def test_self_bleu_is_1_of_equal_captions_and_0_of_different_ones():
    assert self_bleu([split("a b c d", "a b c d")]) == pytest.approx(1.0)
    assert self_bleu([split("a b c d", "e f g h")]) == 0.0
    assert self_bleu([split("a b c d", "a b c d"), split("a b c d", "e f g h")]) == pytest.approx(0.5)


def test_self_bleu_compares_with_all_others():
    """Two of three are the same; the third shares its first two words with them: 2/4, 1/3, .1/2, .1/1."""
    third = (2 / 4 * 1 / 3 * 0.1 / 2 * 0.1) ** 0.25
    assert self_bleu([split("a b c d", "a b c d", "a b x y")]) == pytest.approx((2 + third) / 3)


# === Wrong use ===


@pytest.mark.parametrize("score", [corpus_bleu, cider_d, check_rows])
def test_rows_that_do_not_belong_together(score):
    with pytest.raises(DataError) as error:
        score([["a"]], [])
    assert str(error.value) == (
        "There are 1 captions and references for 0 pictures.\n"
        "Expected: one caption for each picture, and at least one picture\n"
        "Fix: build both from the same list of pictures"
    )
    with pytest.raises(DataError, match=r"^There are 0 captions and references for 0 pictures\."):
        score([], [])
    with pytest.raises(DataError) as error:
        score([["a"], ["b"]], [[["a"]], []])
    assert str(error.value) == (
        "Picture 1 has no reference.\n"
        "Expected: at least one caption of a person\n"
        "Fix: leave pictures without captions out"
    )


@pytest.mark.parametrize(
    "score",
    [
        lambda: corpus_bleu(["a dog"], [[["a"]]]),
        lambda: cider_d([["a"], ["b"]], [["a dog"], [["a"]]]),
        lambda: distinct([["a dog"]], 1),
        lambda: self_bleu([["a dog", "a dog"]]),
        lambda: check_words(["a dog"]),
    ],
    ids=["bleu", "cider", "distinct", "self-bleu", "check"],
)
def test_a_text_is_no_list_of_words(score):
    with pytest.raises(DataError) as error:
        score()
    assert str(error.value) == (
        "A caption is the text 'a dog'.\n"
        "Expected: a list of words\n"
        "Fix: split it with `zoo.preprocessing.text.tokenize`"
    )


def test_one_picture_has_no_document_frequencies():
    with pytest.raises(DataError) as error:
        cider_d([["a"]], [[["a"]]])
    assert str(error.value) == (
        "CIDEr-D is asked for with 1 picture.\n"
        "Expected: 2 pictures or more, whose references tell frequent words from rare ones\n"
        "Fix: score all pictures of a split at once"
    )


def test_one_caption_has_no_others():
    with pytest.raises(DataError) as error:
        self_bleu([split("a", "b"), split("a")])
    assert str(error.value) == (
        "Picture 1 has 1 captions.\nExpected: 2 or more\nFix: write more captions of it"
    )
    with pytest.raises(DataError, match=r"^There are no pictures\."):
        distinct([], 1)


def test_references_weighed_once_give_the_same_scores():
    references = [[["a", "dog", "runs"], ["a", "red", "dog"]], [["two", "cats"]], [["a", "cat", "sits"]]]
    score = CiderD(references)
    for captions in ([["a", "dog"], ["two", "cats"], ["a", "cat"]], [["cats"], ["a", "cat"], ["a", "dog"]]):
        assert score(captions).tolist() == cider_d(captions, references).tolist()
    with pytest.raises(DataError, match=r"^There are 1 captions and references for 3 pictures"):
        score([["a"]])
