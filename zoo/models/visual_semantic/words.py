"""Words as numbers: the table that data and export share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoo.preprocessing.text import split_words

PADDING, UNKNOWN, FIRST_WORD = 0, 1, 2


class WordTable:
    """From texts to the numbers of their words, in the graph.

    Args:
        vocabulary: The words; the first has the number 2.
        max_words: Words of a text that are read; the rest is cut off.
    """

    def __init__(self, vocabulary: Sequence[str], max_words: int) -> None:
        import tensorflow as tf

        self.vocabulary, self.max_words = tuple(vocabulary), max_words
        numbers = tf.range(FIRST_WORD, FIRST_WORD + len(vocabulary), dtype=tf.int32)
        pairs = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary), numbers)
        self.table = tf.lookup.StaticHashTable(pairs, default_value=UNKNOWN)

    def ids(self, text: Any) -> tuple[Any, Any]:
        """Returns the numbers of the words of each text, and how many words are unknown.

        Args:
            text: String tensor `[batch]`.

        Returns:
            int32 `[batch, max_words]`: 0 after the last word, 1 for an unknown one; and int32 `[batch]`.
        """
        import tensorflow as tf

        numbers = tf.ragged.map_flat_values(self.table.lookup, split_words(text))
        unknown = tf.reduce_sum(tf.cast(numbers == UNKNOWN, tf.int32), axis=1)
        return numbers.to_tensor(PADDING, shape=[None, self.max_words]), unknown
