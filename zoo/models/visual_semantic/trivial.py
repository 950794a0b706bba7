"""What a learned embedding has to beat: chance, and a ridge regression from features to words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo.models.visual_semantic.data import pictures_of
from zoo.models.visual_semantic.words import FIRST_WORD

if TYPE_CHECKING:
    from zoo.data.batches import Split

_RIDGE = 1.0


class Space(NamedTuple):
    """Vectors of length 1 of a split's pictures and sentences, and how further sentences become vectors."""

    pictures: np.ndarray
    sentences: np.ndarray
    embed_text: Callable[[np.ndarray], np.ndarray]


def trivial_spaces(train: Split, split: Split, words: int) -> dict[str, Space]:
    """Returns name -> space.

    chance: random vectors, the same in every run.
    ridge to words: sentences as counts of known words, weighted by how rare they are; pictures as the ridge regression
    of these from the features of length 1, in closed form (pictures that are decoded: from their mean colours).

    Args:
        train: To fit on.
        split: To embed.
        words: Number of words of the vocabulary.
    """
    pictures, sentences = pictures_of(split), np.asarray(split.inputs["token_ids"])
    rng = np.random.default_rng(0)
    drawn = _unit(rng.normal(size=(len(pictures) + len(sentences), 64)).astype(np.float32))
    of_words = rng.normal(size=(FIRST_WORD + words, 64)).astype(np.float32)

    def chance(token_ids: np.ndarray) -> np.ndarray:
        return _unit(of_words[token_ids[:, 0]])

    return {
        "chance": Space(drawn[: len(pictures)], drawn[len(pictures) :], chance),
        "ridge to words": _ridge(train, pictures, sentences, words),
    }


def _ridge(train: Split, pictures: Split, sentences: np.ndarray, words: int) -> Space:
    known = _counts(train.inputs["token_ids"], words)
    rarity = np.log(len(known) / (1.0 + (known > 0).sum(axis=0))).astype(np.float32)

    def embed_text(token_ids: np.ndarray) -> np.ndarray:
        return _unit(_counts(token_ids, words) * rarity)

    picture = train.targets["picture"][:, 0]
    targets = np.zeros((picture.max() + 1, words), np.float32)
    np.add.at(targets, picture, _unit(known * rarity))
    x = _with_one(_features(pictures_of(train)))
    weights = np.linalg.solve(x.T @ x + _RIDGE * np.eye(x.shape[1], dtype=np.float32), x.T @ targets)
    return Space(_unit(_with_one(_features(pictures)) @ weights), embed_text(sentences), embed_text)


def _features(pictures: Split) -> np.ndarray:
    arrays = pictures.arrays()
    if "features" in arrays:
        return _unit(arrays["features"])
    return _unit(arrays["image"].mean(axis=(1, 2)).astype(np.float32))


def _with_one(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)


def _counts(token_ids: Any, words: int) -> np.ndarray:
    counts = np.zeros((len(token_ids), words + FIRST_WORD), np.float32)
    np.add.at(counts, (np.arange(len(token_ids))[:, None], token_ids), 1.0)
    return counts[:, FIRST_WORD:]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
