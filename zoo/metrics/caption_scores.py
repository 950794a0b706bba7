"""How near captions come to others, word for word: BLEU, and the n-grams that all such scores count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from zoo.errors import DataError

Caption: TypeAlias = Sequence[str]
"""The words of a caption, as `zoo.preprocessing.text.tokenize` gives them."""

NGram: TypeAlias = tuple[str, ...]

ORDERS = (1, 2, 3, 4)
# What an order without any match counts for in a single sentence: Chen and Cherry 2014, smoothing 1.
_SMOOTHING = 0.1


class Counted(NamedTuple):
    """A caption as BLEU sees it: its length, and how often it has each n-gram, for n = 1..4."""

    length: int
    grams: tuple[Counter[NGram], ...]


def n_grams(caption: Caption, n: int) -> Counter[NGram]:
    """Counts the n-grams of a caption."""
    return Counter(zip(*(caption[start:] for start in range(n)), strict=False))


def counted(caption: Caption) -> Counted:
    """Returns what is compared of a caption, made once for many comparisons."""
    return Counted(len(caption), tuple(n_grams(caption, n) for n in ORDERS))


def corpus_bleu(candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> float:
    """Returns BLEU-4 of a corpus, 0..1 (Papineni et al. 2002, section 2.3).

    Matches are clipped and summed over all pictures before anything is divided; nothing is smoothed, so that it is 0
    where no 4-gram matches. The brevity penalty goes by the reference whose length is closest, the shorter of two.

    Args:
        candidates: A caption of each picture.
        references: The captions that people wrote about each, one or more; their number may differ.

    Raises:
        DataError: Rows do not belong together, there are none, or a text is no list of words.
    """
    check_rows(candidates, references)
    tallies = [
        _tally(counted(candidate), [counted(caption) for caption in captions])
        for candidate, captions in zip(candidates, references, strict=True)
    ]
    matched, of, lengths = (np.sum(part, axis=0) for part in zip(*tallies, strict=True))
    return _bleu(matched, of, lengths)


def smoothed_bleu(candidate: Counted, references: Sequence[Counted]) -> float:
    """Returns BLEU-4 of one caption, 0..1; an order without a match counts as 0.1 matches.

    That smoothing is the first of Chen and Cherry 2014, "A Systematic Comparison of Smoothing Techniques for
    Sentence-Level BLEU", and what Texygen (Zhu et al. 2018) takes for self-BLEU. Where no word matches it is 0.

    Args:
        candidate: What is scored.
        references: One or more that it is compared with.
    """
    matched, of, lengths = _tally(candidate, references)
    if not matched[0]:
        return 0.0
    return _bleu(np.where(matched, matched, _SMOOTHING), np.maximum(of, 1), lengths)


def check_rows(candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> None:
    """Raises DataError unless there are captions, as lists of words, and a reference or more for each."""
    if len(candidates) != len(references) or not candidates:
        raise DataError(
            f"There are {len(candidates)} captions and references for {len(references)} pictures.",
            expected="one caption for each picture, and at least one picture",
            fix="build both from the same list of pictures",
        )
    for row, captions in enumerate(references):
        if not captions:
            raise DataError(
                f"Picture {row} has no reference.",
                expected="at least one caption of a person",
                fix="leave pictures without captions out",
            )
    check_words(candidates)
    check_words(caption for captions in references for caption in captions)


def check_words(captions: Iterable[Caption]) -> None:
    """Raises DataError for a text that is not split into words: its letters would count as words."""
    for caption in captions:
        if isinstance(caption, str):
            raise DataError(
                f"A caption is the text {caption[:40]!r}.",
                expected="a list of words",
                fix="split it with `zoo.preprocessing.text.tokenize`",
            )


def _tally(candidate: Counted, references: Sequence[Counted]) -> tuple[list[int], list[int], list[int]]:
    """Clipped matches and n-grams of each order; the lengths of the candidate and of the closest reference."""
    matched = [
        # `get`: a Counter takes ten times as long to say 0 by itself.
        sum(
            min(count, max(other.grams[i].get(gram, 0) for other in references))
            for gram, count in own.items()
        )
        for i, own in enumerate(candidate.grams)
    ]
    of = [own.total() for own in candidate.grams]
    near = min((other.length for other in references), key=lambda n: (abs(n - candidate.length), n))
    return matched, of, [candidate.length, near]


def _bleu(matched: Any, of: Any, lengths: Any) -> float:
    """Brevity penalty times the geometric mean of the precisions."""
    if not np.all(matched):
        return 0.0
    brevity = min(0.0, 1.0 - float(lengths[1]) / float(lengths[0]))
    return float(np.exp(brevity + np.mean(np.log(np.divide(matched, of)))))
