"""Recall and median rank of retrieval between pictures and their sentences."""

from __future__ import annotations

import numpy as np

RECALLS = (1, 5, 10)


def picture_to_sentence_ranks(scores: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Returns, for each picture, the rank of the best of its sentences among all sentences; 1 is first.

    Of equal scores the worse rank counts, so that a constant gains nothing, and one that is no number is the worst.

    Args:
        scores: float `[pictures, sentences]`, larger is nearer.
        picture: int `[sentences]`, the row of the picture that each sentence describes.
    """
    own = picture[None, :] == np.arange(len(scores))[:, None]
    best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
    return 1 + (~(scores < best) & ~own).sum(axis=1)


def sentence_to_picture_ranks(scores: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Returns, for each sentence, the rank of its picture among all pictures; 1 is first, ties count as worse.

    Args:
        scores: float `[pictures, sentences]`, larger is nearer.
        picture: int `[sentences]`, the row of the picture that each sentence describes.
    """
    right = scores[picture, np.arange(scores.shape[1])]
    return (~(scores < right)).sum(axis=0)


def recalls(ranks: np.ndarray) -> dict[str, float]:
    """Returns the percentage of ranks of at most 1, 5 and 10 ("R@1" and so on), and the median rank."""
    found = {f"R@{k}": float((ranks <= k).mean() * 100) for k in RECALLS}
    return found | {"median_rank": float(np.median(ranks))}
