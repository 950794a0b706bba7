"""Every metric by hand, and a trio's measured again with plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from tests.zoo.models.captioning.digit_trio import CODE, ROWS, digit_splits, digit_trio, digit_writer
from zoo.data.batches import Split
from zoo.errors import DataError
from zoo.models.captioning import evaluation
from zoo.models.captioning.codes import measured_codes
from zoo.models.captioning.evaluation import Answers, evaluate, labelled, measure, model_answers, write
from zoo.models.captioning.writer import single_words

METRICS = [
    "accuracy_random",
    "accuracy_fixed",
    "accuracy_worst",
    "codes_at_98",
    "accuracy_far",
    "accuracy_far_worst",
    "entropy_random",
    "entropy_fixed",
    "significant_codes",
    "skew",
    "information",
    "distinct_share",
    "recovery_vector",
    "recovery_words",
    "reconstruction",
]


@pytest.fixture(scope="module")
def splits():
    return digit_splits(pictures=False)


@pytest.fixture(scope="module")
def rows(splits):
    return evaluate(digit_trio(), splits, splits.test)


def test_every_metric_by_hand():
    # Two pictures, {0} and {0, 1}; two codes; the second far code is silent in one picture.
    sets = np.array([[1, 0], [1, 1]])
    answers = Answers(
        fixed=np.array([[0, 0], [0, 1]]),
        far=np.array([[1, 1], [0, -1]]),
        random=np.array([[0, 0], [0, 1], [0, 1], [0, 0]]),
        recovery_vector=0.9,
        recovery_words=0.25,
        reconstruction=0.5,
    )
    entropy_random = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    found = measure(answers, sets)
    assert list(found) == METRICS
    assert found == pytest.approx(
        {
            "accuracy_random": 1.0,
            "accuracy_fixed": 1.0,
            "accuracy_worst": 1.0,
            "codes_at_98": 2,
            "accuracy_far": 0.5,
            "accuracy_far_worst": 0.5,
            "entropy_random": entropy_random,
            "entropy_fixed": np.log(2) / 2,
            "significant_codes": 0,
            "skew": 0.25,
            "information": (np.log(2) + 1 / 8) / 2,
            "distinct_share": 1.0,
            "recovery_vector": 0.9,
            "recovery_words": 0.25,
            "reconstruction": 0.5,
        }
    )
    assert all(type(value) is float for value in found.values())


def test_98_percent_is_counted_from_98_on_and_the_worst_code_is_named():
    sets = np.zeros((100, 2))
    sets[:, 0] = 1
    fixed = np.zeros((3, 100), int)
    fixed[0, :3], fixed[1, :2] = 1, 1
    found = measure(Answers(fixed, fixed[:2], fixed), sets)
    assert found["codes_at_98"] == 2.0
    assert found["accuracy_worst"] == 0.97
    assert found["accuracy_fixed"] == pytest.approx(0.98 + 1 / 300)
    assert found["accuracy_far"] == pytest.approx(0.975)


def test_rows_have_the_same_finite_metrics(rows):
    assert list(rows) == [
        "model",
        "uniform choice among true labels",
        "a priority list per code",
        "one constant label",
        "linear classifier + code",
    ]
    for found in rows.values():
        assert list(found) == METRICS
        assert np.isfinite(list(found.values())).all()
    for name in list(rows)[1:3]:
        assert rows[name]["accuracy_worst"] == rows[name]["accuracy_far_worst"] == 1.0
    assert rows["one constant label"]["information"] == 0.0
    assert rows["linear classifier + code"]["recovery_words"] == 0.0


def test_a_model_is_measured_the_same_again(rows, splits):
    trio = digit_trio()
    tested = labelled(trio, splits.test)
    answers = model_answers(trio, tested, measured_codes(CODE, ROWS))
    assert answers.random.shape == (100, ROWS) and answers.far.shape == (32, ROWS)
    assert measure(answers, tested.sets) == rows["model"]
    tokens = np.array([[2, word + 4, 3] for word in range(10)], np.int32)
    assert 0 < answers.reconstruction == trio.autoencoder.reconstruction_rate(tokens) < 1


def test_the_model_is_measured_on_the_words_that_it_writes(rows, splits):
    features, sets = splits.test.inputs["features"], splits.test.targets["labels"]
    codes = measured_codes(CODE, ROWS)
    # Picture by picture, where `write` goes code by code.
    fixed = np.tile(codes.fixed[:, 0], (ROWS, 1))
    written = digit_writer().write(np.repeat(features, 32, axis=0), fixed)
    said = single_words(written["tokens"]).reshape(ROWS, 32)
    assert len(np.unique(said)) > 3 and (said != said[:, :1]).any()  # or nothing would be tested
    shares = np.mean(
        [[word in np.flatnonzero(own) for word in of] for of, own in zip(said, sets, strict=True)], 0
    )
    assert rows["model"]["accuracy_fixed"] == pytest.approx(shares.mean())
    assert rows["model"]["accuracy_worst"] == shares.min()

    random = codes.random.transpose(1, 0, 2).reshape(-1, CODE)
    written = digit_writer().write(np.repeat(features, 100, axis=0), random)
    variance = np.square(random - random.mean(axis=0)).sum()
    for key, metric in (("from_vector", "recovery_vector"), ("from_words", "recovery_words")):
        error = np.square(random - written[key]).sum()
        assert rows["model"][metric] == pytest.approx(1 - error / variance, abs=1e-4)


def test_writing_in_parts_is_writing_at_once(splits, monkeypatch):
    features, codes, writer = splits.test.inputs["features"], measured_codes(CODE, ROWS), digit_writer()
    whole = write(writer, features, codes.random[:5])
    monkeypatch.setattr(evaluation, "_ROWS_AT_ONCE", 2 * ROWS)
    parts = write(writer, features, codes.random[:5])
    assert parts["said"].shape == (5, ROWS) and parts["from_words"].shape == (5, ROWS, CODE)
    assert np.array_equal(whole["said"], parts["said"])
    np.testing.assert_allclose(whole["from_vector"], parts["from_vector"], atol=1e-5)
    one = writer.write(features, codes.random[3])
    assert np.array_equal(whole["said"][3], single_words(one["tokens"]))


@pytest.mark.parametrize(
    ("targets", "given"),
    [
        ({}, "none"),
        ({"labels": np.ones((ROWS, 9))}, "an array (12, 9)"),
        ({"labels": np.zeros((ROWS, 10))}, "an empty one"),
    ],
    ids=["none", "nine words", "empty"],
)
def test_a_split_without_sets_of_these_words(splits, targets, given):
    with pytest.raises(DataError) as caught:
        labelled(digit_trio(), Split(splits.test.inputs, targets, splits.test.ids))
    assert str(caught.value) == (
        f"Of 12 pictures the sets of right labels are wanted, but there is {given}.\n"
        "Expected: the target `labels`, [12, 10], with a 1 for each right word, one or more\n"
        "Fix: measure on the data that the words of this model come from"
    )
