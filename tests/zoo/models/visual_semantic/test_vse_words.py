"""The vocabulary and the numbers of words."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from zoo.models.visual_semantic.words import FIRST_WORD, PADDING, UNKNOWN, WordTable
from zoo.preprocessing.text import make_vocabulary

CAPTIONS = ["A dog, a dog and a cat.", "The DOG's cat", "a cat", "dog !", ""]


def ids(table, *texts):
    numbers, unknown = table.ids(tf.constant(list(texts)))
    return numbers.numpy().tolist(), unknown.numpy().tolist()


def test_numbers_of_words_padding_and_the_unknown():
    assert (PADDING, UNKNOWN, FIRST_WORD) == (0, 1, 2)
    table = WordTable(("cat", "a", "dog"), 4)
    assert ids(table, "A dog?", "Zebra cat zebra", "") == (
        [[3, 4, 0, 0], [1, 2, 1, 0], [0, 0, 0, 0]],
        [0, 2, 0],
    )


def test_texts_are_cut_after_max_words():
    table = WordTable(("cat", "a", "dog"), 3)
    numbers, _ = ids(table, "a cat a dog zebra", "dog")
    assert numbers == [[3, 2, 3], [4, 0, 0]]


def test_a_cut_text_is_as_wide_as_a_short_one_and_of_int32():
    numbers, unknown = WordTable(("cat",), 5).ids(tf.constant(["cat"]))
    assert numbers.shape == (1, 5)
    assert (numbers.dtype, unknown.dtype) == (tf.int32, tf.int32)


def test_words_keep_their_numbers_in_a_graph():
    table = WordTable(("cat", "dog's"), 3)
    compiled = tf.function(table.ids, input_signature=[tf.TensorSpec([None], tf.string)])
    numbers, unknown = compiled(tf.constant(["the DOG'S cat", "", "x y z w"]))
    assert numbers.numpy().tolist() == [[1, 3, 2], [0, 0, 0], [1, 1, 1]]
    assert unknown.numpy().tolist() == [1, 0, 4]
    assert compiled(tf.zeros([0], tf.string))[0].shape == (0, 3)


def test_every_word_of_a_vocabulary_finds_itself():
    words = make_vocabulary(CAPTIONS, 1)
    numbers, unknown = WordTable(words, 1).ids(tf.constant(words))
    assert np.array_equal(numbers.numpy()[:, 0], FIRST_WORD + np.arange(len(words)))
    assert not unknown.numpy().any()
