"""Retrieval between pictures and sentences, for an embedding and for the references that it must beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.metrics.retrieval import picture_to_sentence_ranks, recalls, sentence_to_picture_ranks
from zoo.models.visual_semantic.data import pictures_of, sentences_of
from zoo.models.visual_semantic.edit_evaluation import edit_precisions, queries_of
from zoo.models.visual_semantic.edits import EditQueries
from zoo.models.visual_semantic.trivial import trivial_spaces
from zoo.models.visual_semantic.words import FIRST_WORD
from zoo.training.predict import predict

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits

_PROTOCOL = 1000
RANKERS = ("kiros 1", "direction", "anchored", "nearest", "added word")


@dataclass(frozen=True)
class Embedded:
    """A split as vectors of length 1.

    Attributes:
        pictures: float32 `[pictures, dimensions]`.
        sentences: float32 `[sentences, dimensions]`.
        picture: int `[sentences]`, the row of the picture that each sentence describes.
        embed_text: `token_ids` `[n, words]` -> vectors `[n, dimensions]`.
    """

    pictures: np.ndarray
    sentences: np.ndarray
    picture: np.ndarray
    embed_text: Callable[[np.ndarray], np.ndarray]


def embed(model: Any, split: Split, *, progress: bool = True) -> Embedded:
    """Embeds every picture and every sentence of a split once; `progress` as in `predict`."""
    return Embedded(
        np.asarray(predict(model.image_encoder, pictures_of(split), progress=progress)),
        np.asarray(predict(model.text_encoder, sentences_of(split), progress=progress)),
        split.targets["picture"][:, 0],
        lambda token_ids: np.asarray(model.text_encoder.predict(token_ids, verbose=0)),
    )


def retrieval(embedded: Embedded) -> dict[str, float]:
    """Returns recall in percent and median rank in both directions.

    i2t: from a picture to the best of its sentences; t2i: from a sentence to its picture. More than 1,000 pictures are
    measured in parts of 1,000 (the 1k protocol of Karpathy and Fei-Fei 2015), and the parts averaged; what is left over
    makes no part of its own, because fewer pictures are easier to tell apart.
    """
    parts = []
    for first in range(0, max(len(embedded.pictures) // _PROTOCOL, 1) * _PROTOCOL, _PROTOCOL):
        own = (embedded.picture >= first) & (embedded.picture < first + _PROTOCOL)
        scores = embedded.pictures[first : first + _PROTOCOL] @ embedded.sentences[own].T
        picture = embedded.picture[own] - first
        parts.append(
            {
                f"i2t {key}": value
                for key, value in recalls(picture_to_sentence_ranks(scores, picture)).items()
            }
            | {
                f"t2i {key}": value
                for key, value in recalls(sentence_to_picture_ranks(scores, picture)).items()
            }
        )
    return {key: float(np.mean([part[key] for part in parts])) for key in parts[0]}


def word_vectors(
    embedded: Embedded, queries: EditQueries, vocabulary: Sequence[str], max_words: int
) -> dict[str, np.ndarray]:
    """Returns the vector of each word that the queries add or remove, `[dimensions]`, of length 1."""
    wanted = sorted({*queries.add, *queries.remove})
    token_ids = np.zeros((len(wanted), max_words), np.int32)
    token_ids[:, 0] = [FIRST_WORD + vocabulary.index(word) for word in wanted]
    return dict(zip(wanted, embedded.embed_text(token_ids), strict=True))


def edits(
    embedded: Embedded, queries: EditQueries, vocabulary: Sequence[str], max_words: int
) -> dict[str, Any]:
    """Returns ranker -> kind of hit -> precision at 10 of every edited query; see `edit_precisions`."""
    vectors = word_vectors(embedded, queries, vocabulary, max_words)
    return edit_precisions(queries, embedded.pictures, vectors)


def evaluate(model: Any, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
    """Returns predictor -> metric -> value; see `Recipe.evaluate`.

    Beside retrieval: `edit p@10 <measure>`, the share of the first ten pictures that have what was added, lack what was
    removed, and keep at least two other nouns of the query, in percent.
    """
    queries = queries_of(split, model.vocabulary)
    spaces = {"model": embed(model, split)}
    for name, space in trivial_spaces(splits.train, split, len(model.vocabulary)).items():
        spaces[name] = Embedded(
            space.pictures, space.sentences, split.targets["picture"][:, 0], space.embed_text
        )
    rows = {}
    for name, embedded in spaces.items():
        rows[name] = retrieval(embedded)
        if len(queries):
            found = edits(embedded, queries, model.vocabulary, model.max_words)
            rows[name] |= {
                f"edit p@10 {ranker}": float(found[ranker]["both"].mean() * 100) for ranker in RANKERS
            }
    return rows
