"""Captions as words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from zoo.errors import DataError

_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")


def tokenize(caption: str) -> list[str]:
    """Splits a caption into lower-case words; digits and punctuation separate words and are dropped.

    A word is `[a-z]+(?:'[a-z]+)?`: "The dog's 2 T-shirts" gives `the`, `dog's`, `t`, `shirts`.

    Args:
        caption: One sentence of a person about a picture.

    Returns:
        The words in their order, repetitions kept.
    """
    # Not lower() first: it turns some letters that are not ASCII into letters that are.
    return [word.lower() for word in _WORD.findall(caption)]


def split_words(text: Any) -> Any:
    """Splits texts into words by the same rule as `tokenize`, in the graph: training and serving share it.

    Letters are those of ASCII; others separate words, as digits do.

    Args:
        text: String tensor `[batch]`.

    Returns:
        Ragged string tensor `[batch, (words)]`.
    """
    import tensorflow as tf

    apart = tf.strings.regex_replace(tf.strings.lower(text), "([a-z]+(?:'[a-z]+)?)", r" \1 ")
    pieces = tf.strings.split(apart)
    words = tf.ragged.map_flat_values(tf.strings.regex_full_match, pieces, "[a-z].*")
    return tf.ragged.boolean_mask(pieces, words)


def make_vocabulary(captions: Sequence[str], min_count: int) -> tuple[str, ...]:
    """Returns the words that at least `min_count` captions use, the most frequent first.

    Args:
        captions: Those of the training split alone: words of other splits would leak.
        min_count: Captions that use a word.

    Raises:
        DataError: No word is used that often.
    """
    import tensorflow as tf

    counts: Counter[bytes] = Counter()
    for words in split_words(tf.constant(captions)).to_list():
        counts.update(set(words))
    kept = sorted((-count, word.decode()) for word, count in counts.items() if count >= min_count)
    if not kept:
        raise DataError(
            f"None of {len(counts)} words is used by {min_count} training captions.",
            expected="at least one",
            fix=f"--set min_count={max(counts.values(), default=1)}",
        )
    return tuple(word for _, word in kept)
