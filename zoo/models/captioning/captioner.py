"""The plain captioner that the caption GAN is compared with: an LSTM on features, without a code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import DataError
from zoo.losses.reduction import batch_mean, share_of_replica
from zoo.models.captioning.decoding import Decoding
from zoo.models.captioning.sentence_writer import SentenceWriter, drawn_captions, sentence_losses
from zoo.models.captioning.tokens import FIRST_WORD

_ROWS_AT_ONCE = 256


@keras.saving.register_keras_serializable("mizoo")
class LstmCaptioner(keras.Model):
    """An LSTM writes a caption from the features of a picture: maximum likelihood, word by word.

    After "Show and Tell" (Vinyals et al. 2015, arXiv:1411.4555, section 3.1). There the picture is seen once, before
    the first word; here it is the first state and stands beside every word, as the sentence's code does in
    `SentenceAutoencoder`, so that what differs from the GAN is how it learns and not what it writes with.

    Input: `features` float `[batch, feature_size]`, alone or by name. Output of a call: `condition`, float32
    `[batch, condition_size]`, what the writer goes by; captions come from `write`.

    Target of `fit`: `tokens`, int32 `[batch, captions, words]`, right captions of each picture, of which one is drawn
    in every step, each as likely; in evaluation all of them count. Or `[batch, words]`, one caption a row.

    Args:
        vocabulary: The words; the first has the id 4.
        feature_size: Length of X.
        condition_size: Of X as it stands beside every word.
        word_size: Length of a word's vector.
        units: Of the LSTM.
        dropout: Of what goes into the LSTM and comes out of it.
        max_words: Of a caption; `length` is two more, for start and end.
        name: Of the model.
    """

    def __init__(
        self,
        *,
        vocabulary: Sequence[str],
        feature_size: int,
        condition_size: int = 128,
        word_size: int = 128,
        units: int = 256,
        dropout: float = 0.3,
        max_words: int = 20,
        name: str = "lstm_captioner",
    ) -> None:
        super().__init__(name=name)
        # === Layers ===
        # Features of any backbone come to one scale, as they do for the networks of the GAN.
        self.unit_features = keras.layers.LayerNormalization(center=False, scale=False, name="unit_features")
        self.condition = keras.layers.Dense(condition_size, dtype="float32", name="condition")
        self.writer = SentenceWriter(
            tokens=FIRST_WORD + len(vocabulary),
            condition_size=condition_size,
            word_size=word_size,
            units=units,
            dropout=dropout,
            name="writer",
        )
        self.unit_features.build((None, feature_size))
        self.condition.build((None, feature_size))
        self.built = True

        # === Config ===
        self.vocabulary = tuple(vocabulary)
        self.feature_size, self.condition_size, self.word_size = feature_size, condition_size, word_size
        self.units, self.dropout, self.max_words = units, dropout, max_words
        self.seed_generator = keras.random.SeedGenerator()
        self.nats_per_word = keras.metrics.Mean(name="nats_per_word")

    @property
    def length(self) -> int:
        """Tokens of a caption: start, the words, end."""
        return self.max_words + 2

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns `call` of these inputs.

        Raises:
            DataError: There are no features, or they have another length.
        """
        features = inputs.get("features") if isinstance(inputs, Mapping) else inputs
        if features is None or len(features.shape) != 2 or features.shape[1] != self.feature_size:
            got = (
                f"are {', '.join(inputs)}" if features is None else f"have the shape {tuple(features.shape)}"
            )
            raise DataError(
                f"The inputs {got}.",
                expected=f"features [batch, {self.feature_size}]",
                fix="pass features of the backbone that the captioner was trained with",
            )
        return super().__call__(inputs, training=training)

    def call(self, inputs: Any, training: bool = False) -> dict[str, Any]:
        """Returns `condition`."""
        del training
        features = inputs["features"] if isinstance(inputs, Mapping) else inputs
        return {"condition": self.condition(self.unit_features(features))}

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the mean of -log p(caption | X), in nats per caption; the metric is per word, the end included.

        Raises:
            DataError: There are no captions among the targets.
        """
        del x
        tokens, condition = _captions(y), y_pred["condition"]
        captions = 1
        if len(tokens.shape) == 3 and training:
            tokens = drawn_captions(tokens, self.seed_generator)
        elif len(tokens.shape) == 3:
            captions = tokens.shape[1]
            tokens = ops.reshape(tokens, (-1, tokens.shape[2]))
            condition = ops.repeat(condition, captions, axis=0)
        losses, words = sentence_losses(self.writer(tokens, condition, training=training), tokens)
        said = ops.sum(words)
        self.nats_per_word.update_state(ops.sum(losses) / ops.maximum(said, 1.0), sample_weight=said)
        per_picture = ops.mean(ops.reshape(losses, (-1, captions)), axis=1)
        return share_of_replica(batch_mean(per_picture, sample_weight))

    def write(self, features: np.ndarray, how: Decoding) -> dict[str, np.ndarray]:
        """Writes a caption of each picture.

        Args:
            features: float `[rows, feature_size]`.
            how: `Greedy()`, `Sampled(seeds, temperature)` or `Beam(width)`, of `zoo.models.captioning.decoding`.

        Returns:
            `tokens`, int32 `[rows, length]`: start, words, end, padding, and no end where there was no room for it;
            `log_prob`, float32 `[rows]`, log p(caption | X) in nats.

        Raises:
            DataError: The features have another length, or there are none.
        """
        if not len(features):
            raise DataError(
                "There are no features to write captions from.", expected="at least one row", fix="pass some"
            )
        parts = []
        for start in range(0, len(features), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            condition = self(features[rows])["condition"]
            some = how.of_rows(rows, len(features))
            parts.append(some.write(self.writer, condition, self.length))
        tokens, log_prob = (
            np.concatenate([ops.convert_to_numpy(part[i]) for part in parts]) for i in range(2)
        )
        return {"tokens": tokens, "log_prob": log_prob}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = ("feature_size", "condition_size", "word_size", "units", "dropout", "max_words", "name")
        return {"vocabulary": list(self.vocabulary)} | {key: getattr(self, key) for key in own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> LstmCaptioner:
        """Builds it anew."""
        del custom_objects
        return cls(**config)


def _captions(targets: Any) -> Any:
    tokens = targets.get("tokens") if isinstance(targets, Mapping) else None
    if tokens is None or len(tokens.shape) not in (2, 3):
        shapes = {key: tuple(value.shape) for key, value in dict(targets or {}).items()}
        raise DataError(
            f"The targets have the shapes {shapes}.",
            expected="tokens [batch, captions, words], or [batch, words]",
            fix='pass e.g. {"tokens": tokens}',
        )
    return tokens
