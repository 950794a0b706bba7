"""The captions of a split as sentences by themselves, as rows of tokens and as words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.data.batches import Split
from zoo.models.captioning.tokens import FIRST_WORD, UNKNOWN


def sentences_of(split: Split) -> Split:
    """Returns the captions of a split without pictures, each once: input `tokens`, int32 `[captions, T]`.

    Captions with an unknown word are left out: it is never written.
    """
    tokens = np.unique(flat(split.targets["tokens"]), axis=0)
    tokens = tokens[(tokens != UNKNOWN).all(axis=1)]
    return Split({"tokens": tokens}, {}, tuple(f"sentence#{row}" for row in range(len(tokens))))


def flat(tokens: np.ndarray) -> np.ndarray:
    """Returns all captions below each other: int32 `[captions, T]`."""
    return tokens.reshape(-1, tokens.shape[-1])


def words_of(tokens: np.ndarray, vocabulary: Sequence[str]) -> list[list[str]]:
    """Returns the words of captions; int32 `[rows, T]`, start, end and padding are left out."""
    shown = {UNKNOWN: "<unk>"} | dict(enumerate(vocabulary, FIRST_WORD))
    return [[shown[token] for token in row if token in shown] for row in tokens.tolist()]
