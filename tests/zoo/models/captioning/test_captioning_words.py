"""Captions to tokens and back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import DataError
from zoo.models.captioning.autoencoder import SentenceAutoencoder
from zoo.models.captioning.data import WORDS, captions_of
from zoo.models.captioning.tokens import FIRST_WORD
from zoo.models.captioning.words import TokenTable

TABLE = TokenTable(("a", "dog's", "cat"), 6)


def read(table, *texts):
    """Tokens, and the counts of known, unknown and cut words."""
    tokens, *counts = table.tokens(tf.constant(list(texts), tf.string))
    return tokens.numpy().tolist(), [count.numpy().tolist() for count in counts]


def test_tokens_are_start_words_end_padding():
    tokens, (known, unknown, cut) = read(TABLE, "A dog's cat.", "zebra cat ZEBRA", "", "5 !")
    assert tokens == [[2, 4, 5, 6, 3, 0], [2, 1, 6, 1, 3, 0], [2, 3, 0, 0, 0, 0], [2, 3, 0, 0, 0, 0]]
    assert (known, unknown, cut) == ([3, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0])


def test_a_caption_that_is_too_long_is_cut_before_the_end_token_and_its_rest_counted():
    tokens, (known, unknown, cut) = read(TABLE, "a a a a", "a a cat x cat x", "zebra " * 9)
    assert tokens == [[2, 4, 4, 4, 4, 3], [2, 4, 4, 6, 1, 3], [2, 1, 1, 1, 1, 3]]
    assert (known, unknown, cut) == ([4, 3, 0], [0, 1, 4], [0, 2, 5])


def test_bytes_that_are_no_utf8_separate_words():
    assert read(TABLE, b"\xff\xfea\xffcat")[0] == [[2, 4, 6, 3, 0, 0]]


def test_types_and_shapes_in_a_graph_also_of_no_caption():
    compiled = tf.function(TABLE.tokens, input_signature=[tf.TensorSpec([None], tf.string)])
    for texts in ([], ["a zebra"]):
        found = compiled(tf.constant(texts, tf.string))
        assert found.tokens.shape == (len(texts), 6)
        assert {part.dtype for part in found} == {tf.int32}
        assert {tuple(part.shape) for part in found[1:]} == {(len(texts),)}
    assert compiled.get_concrete_function().structured_outputs.tokens.shape.as_list() == [None, 6]


def test_text_leaves_out_start_end_and_padding_and_shows_unknown_words():
    tokens = tf.constant([[2, 4, 5, 3, 0, 0], [2, 1, 6, 4, 6, 5], [2, 3, 0, 0, 0, 0]])
    assert TABLE.text(tokens).numpy().tolist() == [b"a dog's", b"<unk> cat a cat dog's", b""]
    assert TABLE.text(tf.zeros([0, 6], tf.int32)).shape == (0,)


@pytest.mark.parametrize("text", ["cat", "dog's a cat a", ""])
def test_captions_of_known_words_come_back(text):
    tokens, _ = read(TABLE, text)
    assert TABLE.text(tf.constant(tokens)).numpy().tolist() == [text.encode()]


def test_digits_have_the_tokens_that_training_gives_them():
    table = TokenTable(WORDS, 3)
    tokens, (known, unknown, cut) = read(table, *WORDS)
    assert np.array_equal(tokens, captions_of(np.arange(10)))
    assert table.text(tf.constant(tokens)).numpy().tolist() == [word.encode() for word in WORDS]
    assert (known, unknown, cut) == ([1] * 10, [0] * 10, [0] * 10)


def test_it_fits_the_autoencoder():
    autoencoder = SentenceAutoencoder(vocabulary=TABLE.vocabulary, max_words=4, word_size=2, units=2)
    tokens, _ = read(TABLE, "a cat", "cat cat cat cat cat")
    assert len(tokens[0]) == autoencoder.length
    written, _ = autoencoder.decode(autoencoder.codes(np.array(tokens, np.int32)), autoencoder.length)
    rows = np.asarray(written).tolist()
    said = [" ".join(TABLE.vocabulary[t - FIRST_WORD] for t in row if t >= FIRST_WORD) for row in rows]
    assert [text.decode() for text in TABLE.text(written).numpy()] == said


WRONG = {
    "not split so": (
        (("a", "T-shirt", "Dog"), 5),
        "2 words of the vocabulary are not what captions are split into: 'T-shirt', 'Dog'.\n"
        "Expected: words of lower-case letters of ASCII, with one apostrophe inside at most\n"
        "Fix: make the vocabulary by zoo.preprocessing.text.tokenize",
    ),
    "twice": (
        (("a", "cat", "a"), 5),
        "'a' is in the vocabulary twice.\nExpected: a number for each word\nFix: leave out the second",
    ),
    "too short": (
        (("a",), 2),
        "Captions of 2 tokens are to be made of 1 words.\n"
        "Expected: 3 tokens or more, for start, a word and end, and at least one word\n"
        "Fix: set length to max_words + 2",
    ),
    "no words": (
        ((), 5),
        "Captions of 5 tokens are to be made of 0 words.\n"
        "Expected: 3 tokens or more, for start, a word and end, and at least one word\n"
        "Fix: set length to max_words + 2",
    ),
}


@pytest.mark.parametrize(("arguments", "text"), WRONG.values(), ids=WRONG)
def test_a_vocabulary_that_cannot_be_used(arguments, text):
    with pytest.raises(DataError) as caught:
        TokenTable(*arguments)
    assert str(caught.value) == text
