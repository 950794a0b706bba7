"""What can be counted of captions without the pictures: length, nouns, colours, numbers, single words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from zoo.data.nouns import tagged_nouns
from zoo.errors import DataError
from zoo.metrics.caption_scores import Caption, check_words

COLOURS = (
    "black", "white", "red", "green", "yellow", "blue", "brown", "orange", "pink", "purple", "gray", "grey",
)  # fmt: skip
"""The eleven basic colour terms of English (Berlin and Kay 1969), gray in both spellings."""

COUNTS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "single", "couple", "pair", "few",
    "several", "many", "group", "crowd",
)  # fmt: skip
"""Words that say how many; "one" counts wherever it stands ("one of", "another one")."""

Grid: TypeAlias = Sequence[Sequence[Caption]]
"""Captions of pictures under codes: `captions[picture][code]` is a list of words."""


def count_traits(
    captions: Grid, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, np.ndarray]:
    """Counts the traits of each caption.

    Args:
        captions: Of pictures under codes.
        progress: Called with (captions done, all captions), of those that differ from each other.

    Returns:
        `length` in words, `nouns` (different ones, by their part of speech in the caption, see `tagged_nouns`),
        `colours` and `counts` (words of `COLOURS` and `COUNTS`, repetitions counted): float64 `[pictures, codes]`.

    Raises:
        DataError: The captions are no grid of lists of words.
        MissingExtraError: HanTa is not installed.
    """
    _check_grid(captions)
    # Captions repeat themselves: each is tagged once.
    texts = {text: [text] for row in captions for text in map(" ".join, row)}
    nouns = dict(zip(texts, map(len, tagged_nouns(texts, progress=progress)), strict=True))
    counted: dict[str, Callable[[Caption], int]] = {
        "length": len,
        "nouns": lambda caption: nouns[" ".join(caption)],
        "colours": lambda caption: sum(word in COLOURS for word in caption),
        "counts": lambda caption: sum(word in COUNTS for word in caption),
    }
    return {
        name: np.array([[count(caption) for caption in row] for row in captions], np.float64)
        for name, count in counted.items()
    }


def frequent_words(captions: Grid, most: int = 50) -> tuple[str, ...]:
    """Returns the words that most captions have, the most frequent first (alphabetical among equals).

    Raises:
        DataError: The captions are no grid of lists of words.
    """
    _check_grid(captions)
    count = Counter(word for row in captions for caption in row for word in set(caption))
    return tuple(sorted(count, key=lambda word: (-count[word], word))[:most])


def word_information(captions: Grid, words: Sequence[str]) -> dict[str, float]:
    """Returns I(word; c | X), in nats: how much the code decides about whether a caption has the word.

    The plug-in estimate over the codes of the grid: H(word | X) - H(word | c, X). A code writes one caption of a
    picture, always the same, so that the second term is 0; what is left is the entropy of a word's share among the
    codes, the mean over pictures. It is 0 for a word that the picture alone decides on, at most log 2, and too low by
    about 1 / (2 codes) for words that the code decides on. It does not say that a code does the same to all pictures:
    that is what `code_effects` tests. For captions that are sampled it would be no information about a code.

    Args:
        captions: Of pictures under codes.
        words: Which.

    Raises:
        DataError: The captions are no grid of lists of words.
    """
    _check_grid(captions)
    found = {}
    for word in words:
        share = np.array([np.mean([word in caption for caption in row]) for row in captions])
        sides = np.stack([share, 1 - share])
        found[word] = float(-(sides * np.log(np.where(sides > 0, sides, 1.0))).sum(axis=0).mean())
    return found


def _check_grid(captions: Grid) -> None:
    lengths = {len(row) for row in captions}
    if len(lengths) != 1 or 0 in lengths:
        raise DataError(
            f"The pictures have {sorted(lengths) or 'no'} captions.",
            expected="as many of each, and at least one",
            fix="write a caption of every picture under every code",
        )
    for row in captions:
        check_words(row)
