"""How well each measure fulfils edited queries, beside what never edits."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.data.batches import Split
from zoo.data.tag_list import read_tag_list
from zoo.models.visual_semantic.edits import TOP, EditQueries, edit_queries, precision
from zoo.models.visual_semantic.words import FIRST_WORD
from zoo.search.measures import DEFAULT_WEIGHT, score

Ranker = Any  # (keep, shift, start, length) -> scores, each [queries, pictures] or broadcastable


def queries_of(split: Split, vocabulary: tuple[str, ...]) -> EditQueries:
    """Returns the edited queries of a split, from the words of its captions that the vocabulary knows."""
    words: list[set[str]] = [set() for _ in range(int(split.targets["picture"].max()) + 1)]
    for picture, ids in zip(
        split.targets["picture"][:, 0], np.asarray(split.inputs["token_ids"]), strict=True
    ):
        words[picture].update(vocabulary[i - FIRST_WORD] for i in ids if i >= FIRST_WORD)
    return edit_queries(words, set(read_tag_list("coco_nouns").tags))


def edit_precisions(
    queries: EditQueries, pictures: np.ndarray, words: dict[str, np.ndarray], scale: float = 1.0
) -> dict[str, dict[str, np.ndarray]]:
    """Ranks the pictures of a split for every query and by every measure.

    Args:
        queries: Of the split.
        pictures: float32 `[pictures, d]`, of length 1.
        words: Vector of each word of the queries, `[d]`, of length 1.
        scale: Factor of the direction that is asked for: a measure that only looks at direction does not notice it.

    Returns:
        Ranker -> "attribute", "context" and "both" -> precision at 10 of every query, `[queries]`. Rankers are the
        measures, kiros with other weights, and the references "nearest" (no edit), "added word", "direction alone"
        and "chance".
    """
    add = np.stack([words[word] for word in queries.add])
    shift = scale * (add - np.stack([words[word] for word in queries.remove]))
    asked = pictures[queries.picture]
    length = np.linalg.norm(shift, axis=1, keepdims=True)
    keep, along = asked @ pictures.T, shift @ pictures.T
    start = np.sum(asked * shift, axis=1, keepdims=True)
    scores = {
        f"kiros {weight:g}": score("kiros", keep, along, start, length, weight, np).score
        for weight in (0.25, 0.5, 1, 2)
    }
    for measure in ("direction", "anchored"):
        scores[measure] = score(measure, keep, along, start, length, DEFAULT_WEIGHT[measure], np).score
    scores |= {
        "nearest": keep,
        "added word": add @ pictures.T,
        "direction alone": along,
        "chance": np.random.default_rng(0).random(keep.shape),
    }
    return {name: _precisions(queries, values) for name, values in scores.items()}


def _precisions(queries: EditQueries, scores: np.ndarray) -> dict[str, np.ndarray]:
    scores = np.array(scores)
    scores[np.arange(len(queries)), queries.picture] = -np.inf  # never the picture that was asked with
    # Precision at 10 needs the first ten in no order.
    ranked = np.argpartition(-scores, min(TOP, scores.shape[1]) - 1, axis=1)[:, :TOP]
    return {
        "attribute": precision(ranked, queries.attribute),
        "context": precision(ranked, queries.context),
        "both": precision(ranked, queries.attribute & queries.context),
    }
