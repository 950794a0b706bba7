"""What a code does to the labels that are said: pure functions of decoded labels, never of vectors.

`said` is int `[..., pictures]`, 0 for the first label, -1 where no single word was said. A -1 is never right. It is
no label in frequencies and in their entropy, which are of the labels said; where codes are compared with each other
(`shuffled_codes`, `information`), it is an answer like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.errors import DataError

SHUFFLES = 2000
_SEED = 11


@dataclass(frozen=True)
class Skew:
    """How far the labels of each code are from those of all codes together.

    Attributes:
        distance: Total variation distance of the frequencies, float `[codes]`: the share of pictures in which the
            code says one label instead of another, 0 .. 1.
        p_value: How often a code that were shuffled over the pictures would be as far, float `[codes]`.
    """

    distance: np.ndarray
    p_value: np.ndarray


def accuracies(said: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Returns the share of pictures in which a right label is said: float `[...]`.

    Args:
        said: int `[..., pictures]`.
        sets: `[pictures, labels]`, 1 for each right label, else 0.
    """
    share: np.ndarray = right(said, sets).mean(axis=-1)
    return share


def right(said: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Returns whether what is said is in the picture's set: bool `[..., pictures]`; arguments as of `accuracies`."""
    _check(said, sets.shape[1])
    found: np.ndarray = (sets[np.arange(len(sets)), said] > 0) & (said >= 0)
    return found


def label_shares(said: np.ndarray, labels: int) -> np.ndarray:
    """Returns the frequency of each label among the labels said: float `[..., labels]`; 0 where none is said."""
    counts = _counts(said, labels)[..., :labels]
    shares: np.ndarray = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return shares


def label_entropy(said: np.ndarray, labels: int) -> np.ndarray:
    """Returns the entropy in nats of `label_shares`: float `[...]`, at most log(labels)."""
    return _entropy(label_shares(said, labels))


def shuffled_codes(said: np.ndarray, labels: int, shuffles: int = SHUFFLES, seed: int = _SEED) -> Skew:
    """Compares each code with shuffled ones on the same pictures.

    If codes have no tendency of their own, then in every picture each of them is as likely to have said what any
    one of them said. A shuffled code is therefore put together by drawing for each picture the answer of one of the
    codes; p = (1 + shuffles at least as far) / (1 + shuffles) is then exact, whatever the pictures are like. The
    distance is counted in whole pictures, so that equal ones are equal.

    With a thousand pictures small effects are significant: read the distance beside p. Of 32 codes without any
    effect, a third of a code has p < 0.01.

    Args:
        said: int `[codes, pictures]`, two codes or more.
        labels: How many there are.
        shuffles: How many shuffled codes there are; p is at least 1 / (1 + shuffles).
        seed: Of the shuffles.
    """
    codes, pictures = said.shape
    counts = _counts(said, labels)
    together = counts.sum(axis=0)
    rng, columns = np.random.default_rng(seed), np.arange(pictures)
    drawn = [_counts(said[rng.integers(codes, size=pictures), columns], labels) for _ in range(shuffles)]
    observed, null = (np.abs(codes * found - together).sum(axis=-1) for found in (counts, np.array(drawn)))
    as_far = shuffles - np.searchsorted(np.sort(null), observed, side="left")
    return Skew(observed / (2 * codes * pictures), (1 + as_far) / (1 + shuffles))


def information(said: np.ndarray, labels: int) -> float:
    """Returns I(label; c | X) in nats, estimated from several codes for each picture.

    Given picture and code the label is certain, H(label | c, X) = 0, and what is left is the mean of H(label | X)
    over pictures; each entropy has the correction of Miller (1955) for too few draws, (labels met - 1) / (2 codes).

    It says how much of the label c decides, not that c means the same in two pictures: that is `shuffled_codes`.

    Args:
        said: int `[codes, pictures]`, under codes drawn anew for each picture.
        labels: How many there are.
    """
    counts = _counts(said.T, labels)
    met = (counts > 0).sum(axis=-1)
    return float((_entropy(counts / len(said)) + (met - 1) / (2 * len(said))).mean())


def distinct_share(said: np.ndarray, sets: np.ndarray) -> float:
    """Returns the share of a picture's right labels that are said under one of the codes, averaged over pictures.

    Args:
        said: int `[codes, pictures]`.
        sets: `[pictures, labels]`, 1 for each right label, one or more in each picture.
    """
    met = (_counts(said.T, sets.shape[1])[:, :-1] > 0) & (sets > 0)
    return float((met.sum(axis=1) / (sets > 0).sum(axis=1)).mean())


def recovery_r2(codes: np.ndarray, recovered: np.ndarray) -> float:
    """Returns 1 - squared error / variance of c, over all its dimensions; 0 is what guessing its mean would reach.

    Args:
        codes: float `[..., code_size]`.
        recovered: Likewise.
    """
    flat = codes.reshape(-1, codes.shape[-1]).astype(np.float64)
    error = np.square(flat - recovered.reshape(flat.shape)).sum()
    return float(1 - error / np.square(flat - flat.mean(axis=0)).sum())


def _counts(said: np.ndarray, labels: int) -> np.ndarray:
    """How often each label is said, and last how often none: int `[..., labels + 1]`."""
    _check(said, labels)
    flat = said.reshape(-1, said.shape[-1])
    bins = np.where(flat < 0, labels, flat) + (labels + 1) * np.arange(len(flat))[:, None]
    counts = np.bincount(bins.ravel(), minlength=len(flat) * (labels + 1))
    return counts.reshape(*said.shape[:-1], labels + 1)


def _entropy(shares: np.ndarray) -> np.ndarray:
    entropy: np.ndarray = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=-1)
    return np.maximum(entropy, 0.0)


def _check(said: np.ndarray, labels: int) -> None:
    if said.size == 0 or said.min() < -1 or said.max() >= labels:
        span = f"{said.min()} .. {said.max()}" if said.size else "none at all"
        raise DataError(
            f"The labels said are {span}.",
            expected=f"-1 .. {labels - 1}",
            fix="pass what `single_words` returns, and the sets of the same pictures",
        )
