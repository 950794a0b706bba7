"""How different the captions of one picture are from each other: distinct-n and self-BLEU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.errors import DataError
from zoo.metrics.caption_scores import Caption, check_words, counted, n_grams, smoothed_bleu


def distinct(pictures: Sequence[Sequence[Caption]], n: int) -> float:
    """Returns distinct-n, 0..1: different n-grams per word that was written, the mean over pictures.

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", section 5.3. There it
    is of all texts together: that is `distinct([all_captions], n)`, which falls as more is written and compares only
    equal amounts of text.

    Args:
        pictures: The captions of each picture.
        n: Words of an n-gram.

    Returns:
        The mean; a picture of which no word was written counts as 0.

    Raises:
        DataError: There is no caption, or one is no list of words.
    """
    _check(pictures, least=1)
    shares = []
    for captions in pictures:
        different = {gram for caption in captions for gram in n_grams(caption, n)}
        shares.append(len(different) / max(sum(map(len, captions)), 1))
    return float(np.mean(shares))


def self_bleu(pictures: Sequence[Sequence[Caption]]) -> float:
    """Returns self-BLEU-4, 0..1, lower for more variety; 1 where all captions of a picture are the same.

    Zhu et al. 2018, "Texygen", section 3.2: `smoothed_bleu` of each caption with all others as its references, the
    mean over captions; here the others are those of the same picture, and the mean over pictures is taken of that. It
    rises with the number of captions of a picture, and compares only equal numbers.

    Args:
        pictures: The captions of each picture, two or more.

    Raises:
        DataError: A picture has fewer than two captions, or one is no list of words.
    """
    _check(pictures, least=2)
    means = []
    for captions in pictures:
        every = [counted(caption) for caption in captions]
        scores = [smoothed_bleu(own, [*every[:i], *every[i + 1 :]]) for i, own in enumerate(every)]
        means.append(np.mean(scores))
    return float(np.mean(means))


def _check(pictures: Sequence[Sequence[Caption]], least: int) -> None:
    for row, captions in enumerate(pictures):
        if len(captions) < least:
            raise DataError(
                f"Picture {row} has {len(captions)} captions.",
                expected=f"{least} or more",
                fix="write more captions of it",
            )
        check_words(captions)
    if not pictures:
        raise DataError(
            "There are no pictures.", expected="captions of one or more", fix="write captions first"
        )
