"""Words in the graph are the words of `tokenize`."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo.preprocessing.text import split_words, tokenize

TEXTS = {
    "empty": "",
    "blank": " \t\n ",
    "no letters": "42 ! ... 7",
    "apostrophes": "'tis the dogs' rock'n'roll, o'clock's DON'T x' ''y'' a'b'c'd",
    "curly apostrophe": "dog\u2019s",
    "digits": "1a2b3 t2shirt 4",
    "hyphens": "T-shirt well-known--end -x-",
    "underscores": "a_b-c.d/e",
    "case": "The DOG Barks",
    "accents": "Café naïve ÉCOLE Ångström",
    "letters that become others in lower case": "\u212aelvin \u0130stanbul \u017fet",
    "other scripts": "日本 cat犬dog Привет",
    "blanks of unicode": "\xa0a\u2003b\u0085c\u2028d",
    "control characters": "a\x00b\x0bc\x0cd\re",
    "emoji": "a 🐕 dog🐈cat",
    "long": "word " * 200,
}


def words_in_graph(texts):
    split = tf.function(split_words, input_signature=[tf.TensorSpec([None], tf.string)])
    return [[word.decode() for word in row] for row in split(tf.constant(texts)).to_list()]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_graph_and_python_agree(text):
    assert words_in_graph([text]) == [tokenize(text)]


def test_graph_and_python_agree_on_drawn_texts():
    rng = np.random.default_rng(0)
    letters = list("aAzZ'' -_.,09éK\u212a\u0130’犬\n\t")
    texts = ["".join(rng.choice(letters, rng.integers(0, 30))) for _ in range(2000)]
    assert words_in_graph(texts) == [tokenize(text) for text in texts]


def test_rows_stay_apart():
    assert words_in_graph(["a b", "", "c"]) == [["a", "b"], [], ["c"]]
    assert words_in_graph(["", ""]) == [[], []]


def test_bytes_that_are_no_text_separate_words():
    assert split_words(tf.constant([b"\xffdog\xc3cat\xf0\x9f"])).to_list() == [[b"dog", b"cat"]]


def test_of_no_texts_there_are_no_words():
    assert split_words(tf.zeros([0], tf.string)).to_list() == []
