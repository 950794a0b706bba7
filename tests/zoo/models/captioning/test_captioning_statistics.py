"""What a code does to the labels said, worked by hand; and the codes that models are measured under."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError
from zoo.models.captioning.code_statistics import (
    accuracies,
    distinct_share,
    information,
    label_entropy,
    label_shares,
    recovery_r2,
    right,
    shuffled_codes,
)
from zoo.models.captioning.codes import FAR, FIXED_CODES, NEAR, codes_between, measured_codes

# Pictures with {0}, {0}, {2} and {1, 2} of three labels.
SETS = np.array([[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 1]], np.float32)


def test_right_is_what_is_in_the_set_and_no_word_never_is():
    said = np.array([[0, 1, -1, 2], [0, 0, 2, 1]])
    assert right(said, SETS).tolist() == [[True, False, False, True], [True] * 4]
    assert accuracies(said, SETS).tolist() == [0.5, 1.0]
    assert accuracies(said[0], SETS) == 0.5


def test_frequencies_are_of_the_labels_said():
    said = np.array([[0, 0, 1, -1], [-1, -1, -1, -1], [2, 2, 2, 2]])
    np.testing.assert_allclose(label_shares(said, 3), [[2 / 3, 1 / 3, 0], [0, 0, 0], [0, 0, 1]])
    third = np.log(3) - 2 / 3 * np.log(2)
    np.testing.assert_allclose(label_entropy(said, 3), [third, 0, 0])
    assert label_entropy(np.arange(10), 10) == pytest.approx(np.log(10))


def test_distance_and_p_by_hand():
    # The first code says 0 and 0, the second 1 and 1: together two of each. A shuffled code says 00, 01, 10 or 11,
    # of which the first and the last are as far.
    skew = shuffled_codes(np.array([[0, 0], [1, 1]]), 2)
    assert skew.distance.tolist() == [0.5, 0.5]
    assert skew.p_value == pytest.approx([0.5, 0.5], abs=0.04)


def test_codes_that_decide_everything_are_all_significant():
    said = np.repeat(np.arange(4)[:, None], 60, axis=1)
    skew = shuffled_codes(said, 5, shuffles=999)
    assert skew.p_value.tolist() == [0.001] * 4
    # Three quarters of what the code says, the others do not.
    assert skew.distance.tolist() == [0.75] * 4


def test_codes_without_effect_are_not_significant():
    picture_decides = np.tile(np.arange(60) % 5, (4, 1))
    skew = shuffled_codes(picture_decides, 5)
    assert skew.distance.tolist() == [0.0] * 4 and skew.p_value.tolist() == [1.0] * 4


@pytest.mark.parametrize("free", [300, 30], ids=["every picture is open", "most pictures are decided"])
def test_p_is_uniform_where_labels_are_drawn_without_looking_at_the_code(free):
    rng = np.random.default_rng(0)
    said = np.tile(rng.integers(10, size=300), (200, 1))
    said[:, :free] = rng.integers(10, size=(200, free))
    p = shuffled_codes(said, 10, shuffles=500).p_value
    assert p.mean() == pytest.approx(0.5, abs=0.07)
    assert (p < 0.01).mean() <= 0.03 and (p < 0.1).mean() == pytest.approx(0.1, abs=0.06)


def test_a_code_that_silences_is_significant_too():
    said = np.random.default_rng(0).integers(3, size=(8, 100))
    said[5] = -1
    p = shuffled_codes(said, 3).p_value
    assert p[5] < 0.001 and (np.delete(p, 5) > 0.001).all()


def test_shuffles_are_the_same_every_time():
    said = np.random.default_rng(0).integers(10, size=(32, 50))
    first, again = (shuffled_codes(said, 10, shuffles=100).p_value for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, shuffled_codes(said, 10, shuffles=100, seed=1).p_value)


def test_information_is_the_entropy_that_the_code_decides():
    # Four codes; in the first picture they say two labels twice each, in the second always one.
    said = np.array([[0, 2], [1, 2], [0, 2], [1, 2]])
    assert information(said, 3) == pytest.approx((np.log(2) + 1 / 8) / 2)
    assert information(np.full((4, 2), 1), 3) == 0.0
    drawn = np.random.default_rng(0).integers(4, size=(100, 2000))
    assert information(drawn, 10) == pytest.approx(np.log(4), abs=0.002)


def test_distinct_labels_are_the_right_ones():
    # {0, 1} met with 0 and a wrong 2; {2} met; {0, 1, 2} met with none.
    sets = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1]])
    said = np.array([[0, 2, -1], [2, 2, -1], [0, 2, -1]])
    assert distinct_share(said, sets) == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_recovery():
    codes = np.array([[0.0, 1.0], [2.0, 1.0]], np.float32)
    assert recovery_r2(codes, codes) == 1.0
    assert recovery_r2(codes, np.full((2, 2), 1.0)) == 0.0
    # A squared error of 1 where the variance is 2; over codes and pictures likewise.
    recovered = np.array([[0.0, 1.0], [1.0, 1.0]])
    assert recovery_r2(codes, recovered) == 0.5
    assert recovery_r2(codes[:, None], recovered[:, None]) == 0.5


@pytest.mark.parametrize(
    ("said", "span"),
    [([0, 3], "0 .. 3"), ([-2, 1], "-2 .. 1"), ([], "none at all")],
    ids=["3", "-2", "empty"],
)
def test_labels_that_there_are_not(said, span):
    with pytest.raises(DataError) as caught:
        label_shares(np.array(said, int), 3)
    assert str(caught.value) == (
        f"The labels said are {span}.\n"
        "Expected: -1 .. 2\n"
        "Fix: pass what `single_words` returns, and the sets of the same pictures"
    )


def test_measured_codes():
    codes, more = measured_codes(3, 5), measured_codes(3, 9)
    assert codes.fixed.shape == codes.far.shape == (FIXED_CODES, 1, 3) and FIXED_CODES == 32
    assert codes.random.shape == (100, 5, 3)
    assert all(part.dtype == np.float32 for part in (codes.fixed, codes.far, codes.random))
    for part, (low, high) in ((codes.fixed, NEAR), (codes.far, FAR)):
        length = np.linalg.norm(part, axis=-1)
        assert low <= length.min() and length.max() <= high
    assert np.array_equal(codes.fixed, more.fixed) and np.array_equal(codes.far, more.far)
    assert np.array_equal(codes.random, measured_codes(3, 5).random)
    assert codes.random.std() == pytest.approx(1, abs=0.05)


def test_codes_between_are_normal_ones_of_these_lengths():
    drawn = codes_between((0.5, 2.0), 20_000, 3)
    normal = np.random.default_rng(0).standard_normal((60_000, 3))
    length = np.linalg.norm(normal, axis=1)
    kept = normal[(length >= 0.5) & (length <= 2.0)]
    quantiles = np.linspace(0.05, 0.95, 10)
    for some, others in (
        (drawn[:, 1], kept[:, 1]),
        (np.linalg.norm(drawn, axis=1), np.linalg.norm(kept, axis=1)),
    ):
        np.testing.assert_allclose(np.quantile(some, quantiles), np.quantile(others, quantiles), atol=0.03)
    long = np.linalg.norm(codes_between((0.0, 2.0), 5, 64), axis=1)
    assert ((long > 0) & (long <= 2)).all()


@pytest.mark.parametrize(
    "lengths", [(2.0, 2.0), (-1.0, 2.0), (50.0, 60.0)], ids=["empty", "negative", "never"]
)
def test_lengths_that_codes_do_not_have(lengths):
    with pytest.raises(ConfigError) as caught:
        codes_between(lengths, 2, 3)
    assert str(caught.value) == (
        f"Codes of 3 numbers are to have lengths from {lengths[0]:g} to {lengths[1]:g}.\n"
        "Expected: a range, from 0 on, that a standard normal distribution reaches\n"
        "Fix: name lengths around 1.73"
    )
