"""How near captions come to what people agree on: CIDEr-D."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from zoo.errors import DataError
from zoo.metrics.caption_scores import ORDERS, Caption, NGram, check_rows, n_grams

_SIGMA = 6.0


def cider_d(candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> np.ndarray:
    """Returns CIDEr-D of each caption (Vedantam et al. 2015, section 6); their mean is that of the corpus.

    As coco-caption computes it: n-grams of 1..4 words weighted by tf-idf, where an n-gram's document frequency is the
    number of pictures here that have it in a reference; cosines with clipped counts; a Gaussian penalty (sigma 6) on
    the difference in length; the mean over n and over references, times 10. Words are taken as they come, where
    coco-caption has a tokenizer of its own before it.

    Args:
        candidates: A caption of each picture.
        references: The captions that people wrote about each, one or more; their number may differ.

    Returns:
        float64 `[pictures]`, 0..10.

    Raises:
        DataError: Rows do not belong together, a text is no list of words, or there are fewer than two pictures: with
            one every n-gram is in every picture, and all weights are 0.
    """
    check_rows(candidates, references)
    return CiderD(references)(candidates)


class CiderD:
    """CIDEr-D against references that are weighed once, for many captions of the same pictures.

    Args:
        references: As of `cider_d`.

    Raises:
        DataError: There are fewer than two pictures.
    """

    def __init__(self, references: Sequence[Sequence[Caption]]) -> None:
        if len(references) < 2:
            raise DataError(
                f"CIDEr-D is asked for with {len(references)} picture.",
                expected="2 pictures or more, whose references tell frequent words from rare ones",
                fix="score all pictures of a split at once",
            )
        self.references = references
        self.frequency: Counter[NGram] = Counter()
        for captions in references:
            self.frequency.update(
                {gram for caption in captions for n in ORDERS for gram in n_grams(caption, n)}
            )
        self.weighted = [[self._weighted(caption) for caption in captions] for captions in references]

    def __call__(self, candidates: Sequence[Caption]) -> np.ndarray:
        """Returns the score of a caption of each picture, as `cider_d` does; it raises the same."""
        check_rows(candidates, self.references)
        scores = []
        for candidate, captions, others in zip(candidates, self.references, self.weighted, strict=True):
            own = self._weighted(candidate)
            near = [
                _similarity(own, other) * _penalty(len(candidate) - len(caption))
                for caption, other in zip(captions, others, strict=True)
            ]
            scores.append(10.0 * float(np.mean(near)))
        return np.array(scores)

    def _weighted(self, caption: Caption) -> list[dict[NGram, float]]:
        pictures = math.log(len(self.references))
        return [
            {
                gram: count * (pictures - math.log(max(self.frequency[gram], 1)))
                for gram, count in n_grams(caption, n).items()
            }
            for n in ORDERS
        ]


def _similarity(own: Sequence[dict[NGram, float]], other: Sequence[dict[NGram, float]]) -> float:
    """Mean over n of the clipped cosine; 0 for an order of which one side has no weight."""
    cosines = []
    for mine, theirs in zip(own, other, strict=True):
        norms = math.hypot(*mine.values()) * math.hypot(*theirs.values())
        dot = sum(min(weight, theirs[gram]) * theirs[gram] for gram, weight in mine.items() if gram in theirs)
        cosines.append(dot / norms if norms else 0.0)
    return float(np.mean(cosines))


def _penalty(difference: int) -> float:
    return math.exp(-(difference**2) / (2 * _SIGMA**2))
