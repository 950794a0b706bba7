"""Two towers into one space: `VisualSemantic`, its image encoder, and its two text encoders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import DataError
from zoo.layers.masked_sum import MaskedSum
from zoo.losses.pairwise_ranking import pairwise_ranking
from zoo.losses.reduction import share_of_replica
from zoo.models.visual_semantic.words import FIRST_WORD


@keras.saving.register_keras_serializable("mizoo")
class VisualSemantic(keras.Model):
    """Pictures and sentences in one space, where a pair that belongs together has a large cosine.

    Report, part 2 (Fig. 3), after Kiros et al. 2014: each tower ends in vectors of length 1, and the pairs of a
    batch are ranked against each other.

    Inputs: that of the image encoder (`features` `[batch, F]`, or `image` uint8 `[batch, H, W, 3]`, RGB 0..255) and
    `token_ids` int32 `[batch, words]`, 0 where a sentence has ended.

    Outputs, float32: `image_embedding` and `text_embedding` `[batch, dimensions]`, of length 1; a sentence without
    any word is all zeros.

    Target of `fit`: `picture` int32 `[batch, 1]`, which picture a row is about: two sentences about one picture are
    not held against each other.

    Args:
        image_encoder: From pictures or features to vectors.
        text_encoder: From `token_ids` to vectors.
        vocabulary: The words; the first has the id 2.
        margin: By which a right pair should outrank a wrong one.
        negatives: "sum" over the wrong pairs of a batch, or the "hardest" of them.
        warmup_steps: For "hardest": steps that begin with the sum.
        backbone_sha256: Digest of the frozen backbone whose features it was trained on.
        name: Of the model.
    """

    def __init__(
        self,
        image_encoder: keras.Model,
        text_encoder: keras.Model,
        *,
        vocabulary: Sequence[str],
        margin: float = 0.2,
        negatives: str = "sum",
        warmup_steps: int = 0,
        backbone_sha256: str | None = None,
        name: str = "visual_semantic",
    ) -> None:
        # === Layers ===
        picture = keras.Input(**_like(image_encoder))
        tokens = keras.Input(**_like(text_encoder))

        # === Functional model ===
        super().__init__(
            inputs={picture.name: picture, tokens.name: tokens},
            outputs={"image_embedding": image_encoder(picture), "text_embedding": text_encoder(tokens)},
            name=name,
        )

        # === Config ===
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.vocabulary = tuple(vocabulary)
        self.margin = margin
        self.negatives = negatives
        self.warmup_steps = warmup_steps
        self.backbone_sha256 = backbone_sha256
        self.steps = self.add_weight(name="steps", shape=(), initializer="zeros", trainable=False)
        self.recall = keras.metrics.Mean(name="batch_recall")

    @property
    def max_words(self) -> int:
        """Words of a text that are read."""
        return int(self.text_encoder.input_shape[1])

    def with_image_encoder(self, encoder: keras.Model) -> VisualSemantic:
        """Returns the same model with another tower of pictures."""
        own = ("vocabulary", "margin", "negatives", "warmup_steps", "backbone_sha256", "name")
        return type(self)(encoder, self.text_encoder, **{key: getattr(self, key) for key in own})

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the ranking loss, summed over the batch as in the report's source."""
        del x
        picture = _picture_ids(y)
        scores = ops.matmul(y_pred["image_embedding"], ops.transpose(y_pred["text_embedding"]))
        same = ops.equal(picture, ops.transpose(picture))
        terms = pairwise_ranking(scores, same, self.margin, self._hardest(training))
        if sample_weight is not None:
            terms = terms * sample_weight
        # No argmax: a replica may have no rows of a small last batch. Equal scores count as missed.
        best_right = ops.max(ops.where(same, scores, -2.0), axis=1, initial=-2.0)
        best_wrong = ops.max(ops.where(same, -2.0, scores), axis=1, initial=-2.0)
        self.recall.update_state(ops.cast(best_right > best_wrong, "float32"))
        return share_of_replica(ops.sum(terms))

    def _hardest(self, training: bool) -> Any:
        """1 where the hardest negative counts, 0 where the sum does: in training after the warm-up."""
        if self.negatives == "sum":
            return 0.0
        if not training:
            return 1.0
        hardest = ops.cast(self.steps >= self.warmup_steps, "float32")
        self.steps.assign(self.steps + 1.0)
        return hardest

    def get_config(self) -> dict[str, Any]:
        """Both towers, each with its own config, and the constructor's other arguments."""
        towers = {"image_encoder": self.image_encoder, "text_encoder": self.text_encoder}
        own = ("vocabulary", "margin", "negatives", "warmup_steps", "backbone_sha256", "name")
        return {key: keras.saving.serialize_keras_object(tower) for key, tower in towers.items()} | {
            key: getattr(self, key) for key in own
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> VisualSemantic:
        """Builds the towers, then the whole."""
        towers = {
            key: keras.saving.deserialize_keras_object(config[key], custom_objects=custom_objects)
            for key in ("image_encoder", "text_encoder")
        }
        return cls(**{**config, **towers})


def image_encoder(
    source: keras.Model | int, dimensions: int, *, normalize: bool = True, name: str = "image_encoder"
) -> keras.Model:
    """Returns the tower of pictures: features, of length 1 -> linear -> length 1.

    Args:
        source: A backbone, or the length of the features of one that is frozen and not part of the model.
        dimensions: Length of the common vectors.
        normalize: Give features length 1 first, so that the margin means the same for every backbone.
        name: Of the model.
    """
    if isinstance(source, int):
        inputs = features = keras.Input((source,), name="features")
    else:
        inputs = keras.Input(source.input_shape[1:], dtype="uint8", name="image")
        features = source(inputs)
    if normalize:
        # In float16 the squares of large features would overflow.
        features = keras.layers.UnitNormalization(dtype="float32", name="unit_features")(features)
    vectors = keras.layers.Dense(dimensions, name="projection")(features)
    return keras.Model(inputs, _unit(vectors), name=name)


def behind_backbone(encoder: keras.Model, backbone: keras.Model) -> keras.Model:
    """Returns an encoder of pictures, given the encoder of the features of a backbone."""
    image = keras.Input(backbone.input_shape[1:], dtype="uint8", name="image")
    return keras.Model(image, encoder(backbone(image)), name="image_encoder_of_pictures")


def lstm_encoder(words: int, dimensions: int, word_dimensions: int, max_words: int) -> keras.Model:
    """Returns the tower of `vse_lstm`: word vectors -> LSTM, state after the last word -> length 1 (report, Fig. 3)."""
    tokens, vectors = _word_vectors(words, word_dimensions, max_words)
    state = keras.layers.LSTM(dimensions, name="lstm")(vectors)
    return keras.Model(tokens, _unit(state), name="text_encoder")


def bow_encoder(words: int, dimensions: int, word_dimensions: int, max_words: int) -> keras.Model:
    """Returns the tower of `vse_bow`: sum of the word vectors -> linear -> length 1.

    Without a bias, so that it stays linear in the words, which the arithmetic on sentences rests on.
    """
    tokens, vectors = _word_vectors(words, word_dimensions, max_words)
    total = MaskedSum(name="sum")(vectors)
    mapped = keras.layers.Dense(dimensions, use_bias=False, name="projection")(total)
    return keras.Model(tokens, _unit(mapped), name="text_encoder")


def set_word_vectors(text_encoder: keras.Model, vectors: np.ndarray) -> None:
    """Gives words the vectors that a file has for them; rows of zeros keep their random start.

    Args:
        text_encoder: Of either kind.
        vectors: `[words, word_dimensions]`, in the order of the vocabulary.
    """
    table = text_encoder.get_layer("words").embeddings
    start = ops.convert_to_numpy(table).copy()
    known = np.flatnonzero(np.abs(vectors).sum(axis=1))
    start[FIRST_WORD + known] = vectors[known]
    table.assign(start)


def _word_vectors(words: int, word_dimensions: int, max_words: int) -> tuple[Any, Any]:
    tokens = keras.Input((max_words,), dtype="int32", name="token_ids")
    table = keras.layers.Embedding(
        FIRST_WORD + words,
        word_dimensions,
        mask_zero=True,
        embeddings_initializer=keras.initializers.RandomUniform(-0.1, 0.1),
        name="words",
    )
    return tokens, table(tokens)


def _unit(vectors: Any) -> Any:
    return keras.layers.UnitNormalization(dtype="float32", name="unit")(vectors)


def _like(encoder: keras.Model) -> dict[str, Any]:
    given = encoder.inputs[0]
    return {"shape": given.shape[1:], "dtype": given.dtype, "name": given.name}


def _picture_ids(targets: Any) -> Any:
    """The picture of each row, `[batch, 1]`; raises DataError on targets of another form."""
    named = targets if isinstance(targets, Mapping) else {} if targets is None else {"(no name)": targets}
    shapes = {key: tuple(value.shape) for key, value in named.items()}
    if list(shapes) != ["picture"] or shapes["picture"][1:] != (1,):
        raise DataError(
            f"The targets have the shapes {shapes}.",
            expected="picture [batch, 1], the number of the picture that each row is about",
            fix='pass e.g. {"picture": np.arange(rows)[:, None]}',
        )
    return named["picture"]
