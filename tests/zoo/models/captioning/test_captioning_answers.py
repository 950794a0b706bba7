"""The typed helper of a served caption GAN, beside the client."""

from __future__ import annotations

import doctest
import subprocess
import sys

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError
from zoo.models.captioning import answers
from zoo.models.captioning.answers import Caption, captions_of, codes_of

CODE = np.array([[0.5, -1.0, 0.0], [0.25, 0.0, 3.0]], np.float32)
TOLD = {
    "caption": np.array(["three", "a dog"], object),
    "token_ids": np.array([[2, 7, 3], [2, 5, 6]], np.int32),
    "log_prob": np.array([-0.25, 0.0], np.float32),
}


def recognised(known, unknown, cut):
    counts = {"known_words": known, "unknown_words": unknown, "cut_words": cut}
    return {"code": CODE} | {name: np.array(values, np.int32) for name, values in counts.items()}


def test_captions_and_the_code_where_it_was_drawn():
    assert captions_of(TOLD) == [Caption("three", -0.25, None), Caption("a dog", 0.0, None)]
    assert captions_of(TOLD | {"code": CODE}) == [
        Caption("three", -0.25, (0.5, -1.0, 0.0)),
        Caption("a dog", 0.0, (0.25, 0.0, 3.0)),
    ]


def test_a_code_for_each_caption_that_was_read_whole():
    assert codes_of(recognised([1, 20], [0, 0], [0, 0])) == [(0.5, -1.0, 0.0), (0.25, 0.0, 3.0)]


def test_a_caption_under_a_code_that_was_not_finite():
    with pytest.raises(DataError) as caught:
        captions_of(TOLD | {"log_prob": np.array([0.0, np.nan], np.float32)})
    assert str(caught.value) == (
        "The captions of rows [1] have no probability: their codes were not finite.\n"
        "Expected: codes of finite numbers, as a standard normal distribution gives them\n"
        "Fix: look for NaN and infinity in `code`"
    )


NOT_READ = {
    "unknown words": (
        recognised([1, 2], [0, 1], [0, 4]),
        "The caption of row 1 has 2 known and 1 unknown words: its code says little.\n"
        "Expected: only words of the captions that the model was trained on\n"
        'Fix: use more common words, or take prediction["code"] as it is',
    ),
    "too long": (
        recognised([20, 1], [0, 0], [3, 0]),
        "The caption of row 0 is too long: its last 3 words were not read.\n"
        "Expected: 20 words or fewer\n"
        'Fix: shorten it, or take prediction["code"] as it is',
    ),
    "no words": (
        recognised([1, 0], [0, 0], [0, 0]),
        "The caption of row 1 has no words.\n"
        "Expected: words of letters; digits and punctuation separate words and are dropped\n"
        'Fix: write numbers out: "five" and not "5"',
    ),
}


@pytest.mark.parametrize(("prediction", "text"), NOT_READ.values(), ids=NOT_READ)
def test_a_caption_that_was_not_read_as_it_is(prediction, text):
    with pytest.raises(DataError) as caught:
        codes_of(prediction)
    assert str(caught.value) == text


def test_the_answer_of_another_signature():
    with pytest.raises(ConfigError) as caught:
        captions_of({"code": CODE, "unknown_words": np.zeros(2)})
    assert str(caught.value) == (
        "The answer has code, unknown_words, without caption, log_prob.\n"
        "Expected: the answer of a caption GAN's `serving_default`, `tensor` or `sample` signature\n"
        "Fix: name such a model and signature; other ones are asked by serving.client.Client"
    )
    with pytest.raises(ConfigError) as caught:
        codes_of(TOLD | {"code": CODE})
    assert str(caught.value) == (
        "The answer has caption, token_ids, log_prob, code, without known_words, unknown_words, cut_words.\n"
        "Expected: the answer of a caption GAN's `infer_code` signature\n"
        "Fix: name such a model and signature; other ones are asked by serving.client.Client"
    )


def test_its_examples():
    outcome = doctest.testmod(answers)
    assert outcome.attempted == 5
    assert not outcome.failed


def test_it_brings_no_tensorflow():
    code = f"import sys, {answers.__name__}; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
