"""Splits of captions that a test writes out."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.batches import Split
from zoo.models.visual_semantic.words import FIRST_WORD, UNKNOWN


@pytest.fixture
def split_of():
    """(captions[picture][sentence] = words, vocabulary, features) -> a split of prepared arrays."""

    def make(captions, vocabulary, features=None, max_words=6):
        rows = [(picture, words) for picture, own in enumerate(captions) for words in own]
        token_ids = np.zeros((len(rows), max_words), np.int32)
        for row, (_, words) in enumerate(rows):
            numbers = [FIRST_WORD + vocabulary.index(w) if w in vocabulary else UNKNOWN for w in words]
            token_ids[row, : len(numbers)] = numbers
        picture = np.array([row[0] for row in rows], np.int32)
        features = np.eye(len(captions), dtype=np.float32) if features is None else features
        return Split(
            {"features": features[picture], "token_ids": token_ids},
            {"picture": picture[:, None]},
            tuple(f"{own}#{row}" for row, own in enumerate(picture)),
        )

    return make
