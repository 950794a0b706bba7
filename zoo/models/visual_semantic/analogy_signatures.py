"""Search by what is removed and added, inside the SavedModel: the index is one of its weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from export.signatures import Input, Signature
from zoo.data.examples import example_files
from zoo.models.visual_semantic.words import WordTable
from zoo.preprocessing.text import split_words
from zoo.search.edit import SMALLEST
from zoo.search.measures import DEFAULT_WEIGHT, MEASURES, score

if TYPE_CHECKING:
    from zoo.models.visual_semantic.model import VisualSemantic

# Of so many more than are answered the distance is computed again: 2 - 2 X q has lost its digits near the query.
_RESCORED = 4


@dataclass(frozen=True)
class Collection:
    """Pictures that a SavedModel carries.

    Attributes:
        ids: What each is called.
        vectors: float32 `[pictures, d]`, of length 1.
        mean_text: float32 `[d]`: stands for the words to remove where there are none, and for those to add.
    """

    ids: Sequence[str]
    vectors: np.ndarray
    mean_text: np.ndarray


def analogy_signatures(model: VisualSemantic, collection: Collection, top: int) -> list[Signature]:
    """Returns `analogy_kiros`, `analogy_direction` and `analogy_anchored`.

    Inputs: `image_bytes`, `add`, `remove` string [N], words separated by blanks, empty for none; and for kiros and
    anchored `weight` float32 [N].
    Outputs: `ids` string, `scores`, `along`, `off`, `keep` float32 [N, top], best first; `unknown_words` int32 [N], how
    many words of both texts the vocabulary lacks; these are left out. Where nothing is asked for, because all words
    are unknown or the same is added and removed, `ids` are empty and the numbers 0: one caller's mistake must not
    fail the others of a batch.

    Args:
        model: Of pictures.
        collection: What is searched; fixed at export.
        top: Results per row; at most the number of pictures.
    """
    searched = _Searched(model, collection, min(top, len(collection.ids)))
    return [searched.signature(measure) for measure in MEASURES]


class _Searched:
    """What the three signatures share."""

    def __init__(self, model: VisualSemantic, collection: Collection, top: int) -> None:
        import tensorflow as tf

        self.model, self.top = model, top
        self.words = WordTable(model.vocabulary, model.max_words)
        self.vectors = tf.Variable(collection.vectors, trainable=False, name="index_vectors")
        self.ids = tf.constant(list(collection.ids))
        self.mean_text = tf.constant(collection.mean_text, tf.float32)

    def signature(self, measure: str) -> Signature:
        """Returns the signature of one measure."""
        text = Input("string", (None,))
        inputs = {"image_bytes": text, "add": text, "remove": text}

        # A graph is traced by the names of the parameters, in the order of the inputs.
        def plain(image_bytes: Any, add: Any, remove: Any) -> dict[str, Any]:
            return self.search(measure, 0.0, image_bytes, add, remove)

        def weighted(image_bytes: Any, add: Any, remove: Any, weight: Any) -> dict[str, Any]:
            return self.search(measure, weight[:, None], image_bytes, add, remove)

        if measure == "direction":
            return self._signature(measure, inputs, plain)
        return self._signature(measure, inputs | {"weight": Input("float32", (None,))}, weighted)

    def _signature(
        self, measure: str, inputs: dict[str, Input], function: Callable[..., dict[str, Any]]
    ) -> Signature:
        def examples(rows: int) -> dict[str, np.ndarray]:
            words = self.model.vocabulary
            found: dict[str, np.ndarray] = {
                **example_files(rows),
                "add": np.array([words[row % len(words)].encode() for row in range(rows)], object),
                "remove": np.array([words[-1 - row % len(words)].encode() for row in range(rows)], object),
                "weight": np.full(rows, DEFAULT_WEIGHT[measure], np.float32),
            }
            return {alias: found[alias] for alias in inputs}

        tracked = (self.words.table, self.vectors)
        return Signature(f"analogy_{measure}", inputs, function, examples, tracked=tracked)

    def search(self, measure: str, weight: Any, image_bytes: Any, add: Any, remove: Any) -> dict[str, Any]:
        """Ranks the collection by one measure, in one pass over it."""
        import tensorflow as tf

        from zoo.preprocessing.image import decode_batch

        pixels = decode_batch(image_bytes, self.model.image_encoder.input_shape[1])
        query = self.model.image_encoder(pixels, training=False)
        (added, some_added, not_added), (removed, some_removed, not_removed) = map(self._mean, (add, remove))
        shift = added - removed
        length = tf.norm(shift, axis=1, keepdims=True)
        asked = (some_added | some_removed) & (length > SMALLEST)
        length = tf.where(asked, length, 1.0)
        start = tf.reduce_sum(query * shift, axis=1, keepdims=True)

        rows = int(self.vectors.shape[0])
        products = tf.matmul(tf.concat([query, shift], 0), self.vectors, transpose_b=True)
        keep, along = tf.split(products, 2)
        rough = score(measure, keep, along, start, length, weight, ops).score
        _, candidates = tf.math.top_k(rough, min(_RESCORED * self.top, rows))
        near = tf.gather(self.vectors, candidates)
        exact_keep = 1.0 - tf.reduce_sum(tf.square(near - query[:, None, :]), axis=2) / 2.0
        along = tf.gather(along, candidates, batch_dims=1)
        scored = score(measure, exact_keep, along, start, length, weight, ops)
        best, order = tf.math.top_k(scored.score, self.top)
        found = asked & tf.math.is_finite(best)
        chosen = tf.gather(tf.gather(self.ids, candidates), order, batch_dims=1)
        numbers = {"scores": best} | {
            name: tf.gather(getattr(scored, name), order, batch_dims=1) for name in ("along", "off", "keep")
        }
        return {
            "ids": tf.where(found, chosen, ""),
            **{name: tf.where(found, values, 0.0) for name, values in numbers.items()},
            "unknown_words": not_added + not_removed,
        }

    def _mean(self, text: Any) -> tuple[Any, Any, Any]:
        """The mean of the vectors of the known words of each text (or the mean text), whether there are any, and how
        many are unknown: `[N, d]`, bool `[N, 1]`, int32 `[N]`.
        """
        import tensorflow as tf

        words = split_words(text)
        ids, unknown = self.words.ids(words.values)
        # A row more: an LSTM fails on none, which a batch of empty texts would be.
        vectors = self.model.text_encoder(tf.pad(ids, [[0, 1], [0, 0]]), training=False)[:-1]
        vectors *= tf.cast(unknown == 0, tf.float32)[:, None]
        rows, texts = words.value_rowids(), words.nrows()
        count = tf.math.unsorted_segment_sum(tf.cast(unknown == 0, tf.float32), rows, texts)[:, None]
        total = tf.math.unsorted_segment_sum(vectors, rows, texts)
        known = count > 0
        mean = tf.where(known, total / tf.maximum(count, 1.0), self.mean_text)
        return mean, known, tf.math.unsorted_segment_sum(unknown, rows, texts)
