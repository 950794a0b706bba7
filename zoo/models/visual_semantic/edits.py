"""Edited queries made from captions: this picture, less one word, plus another of its kind.

No benchmark of the report exists: it shows pictures (Figs. 5 and 6). Here the captions of a split say which pictures
fulfil a wish, so that measures can be compared by a number.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np

TOP = 10
SHARED_NOUNS = 2


@dataclass(frozen=True)
class EditQueries:
    """Wishes, row by row, and which pictures fulfil them.

    Attributes:
        picture: int `[queries]`, the picture that is asked with.
        remove: The word to remove; all captions of the picture together have it.
        add: The word to add; none of its captions has it.
        kind: What both words are, e.g. "colour".
        attribute: bool `[queries, pictures]`: the captions have the added word and not the removed one.
        context: bool `[queries, pictures]`: they share at least two other nouns with those of the query.
    """

    picture: np.ndarray
    remove: tuple[str, ...]
    add: tuple[str, ...]
    kind: tuple[str, ...]
    attribute: np.ndarray
    context: np.ndarray

    def __len__(self) -> int:
        return len(self.picture)


def edit_words() -> dict[str, tuple[str, ...]]:
    """Returns kind -> words: the frozen list that every result was made with."""
    text = (resources.files("zoo.models.visual_semantic") / "edit_words.csv").read_text()
    kinds: dict[str, list[str]] = {}
    for row in csv.DictReader(text.splitlines()):
        kinds.setdefault(row["kind"], []).append(row["word"])
    return {kind: tuple(words) for kind, words in kinds.items()}


def edit_queries(
    words: Sequence[set[str]], nouns: set[str], *, least_pictures: int = 20, per_pair: int = 20, seed: int = 0
) -> EditQueries:
    """Makes the queries of a split.

    Args:
        words: For each picture the words of its captions.
        nouns: Words that count as context.
        least_pictures: Pictures that must have a word for it to be used.
        per_pair: Most queries for an ordered pair of words, drawn at random.
        seed: Of the drawing.

    Returns:
        The queries; none where too few pictures share words.
    """
    has = {word: np.array([word in own for own in words]) for kind in edit_words().values() for word in kind}
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, str, str, str]] = []
    for kind, of_kind in edit_words().items():
        known = [word for word in of_kind if has[word].sum() >= least_pictures]
        for remove in known:
            for add in known:
                if add != remove:
                    fitting = np.flatnonzero(has[remove] & ~has[add])
                    drawn = rng.permutation(fitting)[:per_pair]
                    rows += [(int(picture), remove, add, kind) for picture in np.sort(drawn)]
    picture = np.array([row[0] for row in rows], int)
    removed, added = tuple(row[1] for row in rows), tuple(row[2] for row in rows)
    attribute = np.array([has[a] & ~has[r] for r, a in zip(removed, added, strict=True)], bool)
    return EditQueries(
        picture,
        removed,
        added,
        tuple(row[3] for row in rows),
        attribute.reshape(len(rows), len(words)),
        _context(words, nouns, picture, removed, added),
    )


def precision(ranked: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """Returns the share of the first ten pictures that are relevant, float `[queries]`.

    Args:
        ranked: int `[queries, >= 10]`, pictures from the best on.
        relevant: bool `[queries, pictures]`.
    """
    return np.take_along_axis(relevant, ranked[:, :TOP], axis=1).mean(axis=1)


def _context(
    words: Sequence[set[str]],
    nouns: set[str],
    picture: np.ndarray,
    removed: Sequence[str],
    added: Sequence[str],
) -> np.ndarray:
    listed = sorted(nouns)
    has = np.array([[noun in own for noun in listed] for own in words], np.float32).reshape(
        len(words), len(listed)
    )
    shared = has[picture] @ has.T
    for words_of_edit in (removed, added):
        column = np.array([listed.index(word) if word in nouns else -1 for word in words_of_edit], int)
        both = has[picture, column][:, None] * has[:, column].T
        shared -= np.where(column[:, None] >= 0, both, 0.0)
    return shared >= SHARED_NOUNS
