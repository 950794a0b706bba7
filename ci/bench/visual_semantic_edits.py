"""Edited queries in `ci.bench.visual_semantic`: precision, paired intervals, and what the length of the edit does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.metrics.bootstrap import paired_interval
from zoo.models.visual_semantic.edits import TOP, EditQueries, precision
from zoo.search.measures import DEFAULT_WEIGHT, MEASURES, score

Precisions = Mapping[str, Mapping[str, np.ndarray]]  # ranker -> kind of hit -> [queries]
HITS = ("attribute", "context", "both")
KIROS = ("kiros 0.25", "kiros 0.5", "kiros 1", "kiros 2")
RANKERS = (*KIROS, "direction", "anchored", "nearest", "added word", "direction alone", "chance")
_COMPARED = 100
FACTORS = tuple(float(factor) for factor in 2.0 ** np.arange(-2.0, 2.25, 0.5))


def best_kiros(validation: Sequence[Precisions]) -> str:
    """The weight of Kiros' measure that fulfils most wishes of the validation split, over all seeds."""
    return max(KIROS, key=lambda ranker: np.mean([seed[ranker]["both"].mean() for seed in validation]))


def precision_rows(space: str, seeds: Sequence[Precisions], queries: EditQueries) -> list[dict[str, Any]]:
    """A row per ranker: percent of the first ten, mean over queries, then mean and range over seeds."""
    rows = []
    for ranker in RANKERS:
        row: dict[str, Any] = {"space": space, "ranker": ranker}
        for hit in HITS:
            means = [100 * float(seed[ranker][hit].mean()) for seed in seeds]
            row[hit] = float(np.mean(means))
            row[f"{hit}_range"] = [min(means), max(means)]
        rows.append(row)
    return [*rows, {"space": space, "ranker": "best possible", **ceiling(queries)}]


def ceiling(queries: EditQueries) -> dict[str, float]:
    """What a ranker that knows the captions would reach: few pictures fulfil a wish."""
    return {
        hit: 100 * float(np.minimum(relevant.sum(axis=1), TOP).mean() / TOP)
        for hit, relevant in relevant_pictures(queries).items()
    }


def relevant_pictures(queries: EditQueries) -> dict[str, np.ndarray]:
    """Which pictures count for each kind of hit, bool `[queries, pictures]`; never the one that is asked with."""
    other = np.ones_like(queries.attribute)
    other[np.arange(len(queries)), queries.picture] = False
    return {
        "attribute": queries.attribute & other,
        "context": queries.context & other,
        "both": queries.attribute & queries.context & other,
    }


def compared(
    space: str, seeds: Sequence[Precisions], queries: EditQueries, best: str
) -> list[dict[str, Any]]:
    """Differences in points of percent with 95 % intervals, over all queries; of "both" for each kind of word too.

    A query counts with its mean over the seeds. `interval` draws queries; `interval_over_pictures` draws the pictures
    that are asked with, each with all its queries, which are not independent of each other.
    """
    kind = np.array(queries.kind)
    pairs = dict.fromkeys(
        [
            ("direction", "kiros 1"),
            ("anchored", "kiros 1"),
            ("anchored", "direction"),
            ("direction", best),
            ("anchored", best),
        ]
    )
    rows = []
    for better, than in pairs:
        for hit in HITS:
            gain = 100 * np.mean([seed[better][hit] - seed[than][hit] for seed in seeds], axis=0)
            parts = {"all": np.ones(len(kind), bool)}
            if hit == "both":
                parts |= {name: kind == name for name in dict.fromkeys(queries.kind)}
            for name, part in parts.items():
                pictures = queries.picture[part]
                rows.append(
                    {
                        "space": space,
                        "kind": name,
                        "queries": int(part.sum()),
                        "pictures": len(np.unique(pictures)),
                        "compared": f"{better} - {than}",
                        "hit": hit,
                        "difference": float(gain[part].mean()),
                        "interval": list(paired_interval(gain[part])),
                        "interval_over_pictures": list(paired_interval(gain[part], groups=pictures)),
                    }
                )
    return rows


def kind_rows(space: str, seeds: Sequence[Precisions], queries: EditQueries) -> list[dict[str, Any]]:
    """Precision of "both" for each kind of word, mean over seeds, in percent."""
    kind = np.array(queries.kind)
    rows = []
    for name in dict.fromkeys(queries.kind):
        part = kind == name
        means = {
            ranker: 100 * float(np.mean([seed[ranker]["both"][part].mean() for seed in seeds]))
            for ranker in RANKERS
        }
        rows.append({"space": space, "kind": name, "queries": int(part.sum()), **means})
    return rows


def scale_rows(
    space: str, pictures: np.ndarray, words: Mapping[str, np.ndarray], queries: EditQueries
) -> list[dict[str, Any]]:
    """What a factor on the direction of the edit does to each measure, in the space of one seed.

    Args:
        space: Its name.
        pictures: float32 `[pictures, d]`, of length 1.
        words: The vector of each word of the queries.
        queries: Of the split.

    Returns:
        A row per measure and factor: "both" in percent, `same` the share of the first ten that factor 1 finds too, and
        `equal` whether the first hundred are exactly those of factor 1, in the same order, for every query.
    """
    relevant = relevant_pictures(queries)["both"]
    found = {factor: _ranked(pictures, words, queries, factor) for factor in FACTORS}
    return [
        {
            "space": space,
            "measure": measure,
            "factor": factor,
            "both": 100 * float(precision(ranked[measure], relevant).mean()),
            "same": 100 * _shared(ranked[measure], found[1.0][measure]),
            "equal": np.array_equal(ranked[measure], found[1.0][measure]),
        }
        for measure in MEASURES
        for factor, ranked in found.items()
    ]


def _ranked(
    pictures: np.ndarray, words: Mapping[str, np.ndarray], queries: EditQueries, factor: float
) -> dict[str, np.ndarray]:
    """The first hundred pictures by every measure; in float64, so that rounding exchanges none."""
    pictures = pictures.astype(np.float64)
    add, remove = (
        np.stack([words[word] for word in side]).astype(np.float64) for side in (queries.add, queries.remove)
    )
    shift = factor * (add - remove)
    asked = pictures[queries.picture]
    start = np.sum(asked * shift, axis=1, keepdims=True)
    length = np.linalg.norm(shift, axis=1, keepdims=True)
    keep, moved = asked @ pictures.T, shift @ pictures.T
    found = {}
    for measure, weight in DEFAULT_WEIGHT.items():
        scores = score(measure, keep, moved, start, length, weight, np).score
        scores[np.arange(len(queries)), queries.picture] = -np.inf
        first = np.argpartition(-scores, _COMPARED, axis=1)[:, :_COMPARED]
        order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1)
        found[measure] = np.take_along_axis(first, order, axis=1)
    return found


def _shared(ranked: np.ndarray, others: np.ndarray) -> float:
    """The mean share of the first ten that two rankings have in common."""
    return float((ranked[:, :TOP, None] == others[:, None, :TOP]).any(axis=2).mean())
