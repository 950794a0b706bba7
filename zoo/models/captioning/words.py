"""From captions to tokens and back, in the graph: data preparation and every exported signature share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from zoo.errors import DataError
from zoo.models.captioning.tokens import END, FIRST_WORD, PADDING, START, UNKNOWN
from zoo.preprocessing.text import split_words, tokenize

# What stands for a word without a number; no vocabulary has it, for its letters are not all of a word.
_UNKNOWN_WORD = "<unk>"
_SHOWN = 5


class Tokenized(NamedTuple):
    """Captions as numbers. A word of a caption is counted by exactly one of the three.

    Attributes:
        tokens: int32 `[batch, length]`: start, words, end, then padding.
        known: int32 `[batch]`, words that have a number of their own.
        unknown: int32 `[batch]`, words that the vocabulary lacks, and that stand as `UNKNOWN`.
        cut: int32 `[batch]`, words after the last that fits; they are not looked at.
    """

    tokens: Any
    known: Any
    unknown: Any
    cut: Any


class TokenTable:
    """The words of a vocabulary and their numbers, both ways.

    Words are split as `zoo.preprocessing.text.tokenize` splits them: digits and punctuation are no words, so that
    "5" has none. Of a caption that is too long the first words are kept, and the end token after them.

    Args:
        vocabulary: The words; the first has the number 4.
        length: Tokens of a caption, start and end included.

    Raises:
        DataError: A word would never be found, because captions are not split into such words, or it is there
            twice; or there is no room for a word.
    """

    def __init__(self, vocabulary: Sequence[str], length: int) -> None:
        import tensorflow as tf

        self.vocabulary, self.length = tuple(vocabulary), length
        self._check()
        numbers = tf.range(FIRST_WORD, FIRST_WORD + len(self.vocabulary), dtype=tf.int32)
        pairs = tf.lookup.KeyValueTensorInitializer(tf.constant(self.vocabulary), numbers)
        self.table = tf.lookup.StaticHashTable(pairs, default_value=UNKNOWN)
        said = [""] * FIRST_WORD + list(self.vocabulary)
        said[UNKNOWN] = _UNKNOWN_WORD
        # Each with the blank before it, so that what is left out leaves none behind.
        self._said = tf.constant([f" {word}" if word else "" for word in said])

    def tokens(self, text: Any) -> Tokenized:
        """Returns the tokens of captions, and how many words are known, unknown and cut off.

        Args:
            text: String tensor `[batch]`.
        """
        import tensorflow as tf

        words = split_words(text)
        kept = words[:, : self.length - 2]
        numbers = tf.ragged.map_flat_values(self.table.lookup, kept)
        edge = tf.ones_like(text, tf.int32)[:, None]
        framed = tf.concat([START * edge, numbers, END * edge], axis=1)
        is_unknown = tf.ragged.map_flat_values(tf.equal, numbers, UNKNOWN)
        unknown = tf.reduce_sum(tf.cast(is_unknown, tf.int32), axis=1)
        read = tf.cast(kept.row_lengths(), tf.int32)
        return Tokenized(
            framed.to_tensor(PADDING, shape=[None, self.length]),
            known=read - unknown,
            unknown=unknown,
            cut=tf.cast(words.row_lengths(), tf.int32) - read,
        )

    def text(self, tokens: Any) -> Any:
        """Returns captions: string `[batch]`, words with a blank between, "<unk>" for an unknown one.

        Start, end and padding are left out.

        Args:
            tokens: int32 tensor `[batch, length]`, as `tokens` and `SentenceAutoencoder.decode` make them.
        """
        import tensorflow as tf

        return tf.strings.strip(tf.strings.reduce_join(tf.gather(self._said, tokens), axis=1))

    def _check(self) -> None:
        if never_found := [word for word in self.vocabulary if tokenize(word) != [word]]:
            raise DataError(
                f"{len(never_found)} words of the vocabulary are not what captions are split into: "
                f"{', '.join(map(repr, never_found[:_SHOWN]))}.",
                expected="words of lower-case letters of ASCII, with one apostrophe inside at most",
                fix="make the vocabulary by zoo.preprocessing.text.tokenize",
            )
        if len(set(self.vocabulary)) < len(self.vocabulary):
            twice = next(word for row, word in enumerate(self.vocabulary) if word in self.vocabulary[:row])
            raise DataError(
                f"{twice!r} is in the vocabulary twice.",
                expected="a number for each word",
                fix="leave out the second",
            )
        if self.length < 3 or not self.vocabulary:
            raise DataError(
                f"Captions of {self.length} tokens are to be made of {len(self.vocabulary)} words.",
                expected="3 tokens or more, for start, a word and end, and at least one word",
                fix="set length to max_words + 2",
            )
