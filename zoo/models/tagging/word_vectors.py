"""`tagging_word_vectors`: importance from the picture and the word vectors of its tags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.layers.above_threshold import AboveThreshold
from zoo.layers.standardize import Standardize
from zoo.layers.tag_word_vectors import TagWordVectors
from zoo.models.tagging.tagger import (
    Tagger,
    importance,
    mean_importance,
    present,
    sigmoid_head,
    tag_frequency,
)
from zoo.models.tagging.two_head import IMPORTANCE_LOSSES, TAG_LOSSES


@keras.saving.register_keras_serializable("mizoo")
class WordVectorsTagger(Tagger):
    """Model 1 for the tags, and a second MLP for their importance (report, section 4.2: Model 2).

    The second MLP reads the features and the averaged word vectors of the tags, each scaled to unit length
    and joined by `Concatenate`. At serving time those are the tags that Model 1 gives a probability of at
    least `threshold`, weighted by it; in training they are the true tags, as in the report, or a mixture
    that shifts towards Model 1's. No gradient flows from the second MLP into the first.

    Args:
        tags: Names of the tags.
        feature_size: Length of the feature vector.
        vector_size: Length of a word vector; 300 for word2vec GoogleNews.
        hidden: Units of either hidden layer.
        dropout: Share of hidden units left out in training.
        tag_loss: "bce" or "asymmetric".
        importance_loss: "all" is the report's squared error over all outputs; "true_tags" counts true tags only.
        importance_weight: Factor of both importance losses.
        training_tags: What the second MLP reads in training: "true" (the report), "predicted", or "mixed".
        mix_steps: For "mixed": steps over which the weights shift from true to predicted tags.
        backbone_sha256: Digest of the frozen backbone whose features it was trained on.
        name: Of the model.
    """

    def __init__(
        self,
        *,
        tags: Sequence[str],
        feature_size: int,
        vector_size: int,
        hidden: int = 1024,
        dropout: float = 0.5,
        tag_loss: str = "bce",
        importance_loss: str = "true_tags",
        importance_weight: float = 1.0,
        training_tags: str = "mixed",
        mix_steps: int = 1000,
        backbone_sha256: str | None = None,
        name: str = "tagging_word_vectors",
    ) -> None:
        # === Layers ===
        count = len(tags)
        features = keras.Input((feature_size,), name="features")
        standardize = Standardize(name="standardize")
        first_hidden = keras.layers.Dense(hidden, activation="relu", name="first_hidden")
        first_dropout = keras.layers.Dropout(dropout, name="first_dropout")
        tag_head = sigmoid_head(count, "probability")
        first_importance = sigmoid_head(count, "first_importance")
        assign = AboveThreshold(name="assigned")
        second = _second_mlp(feature_size, count, vector_size, hidden, dropout)

        # === Functional model ===
        activity = first_dropout(first_hidden(standardize(features)))
        probability = tag_head(activity)
        assigned = assign(probability)
        super().__init__(
            inputs=features,
            outputs={
                "probability": probability,
                "importance": second([features, assigned]),
                "assigned": assigned,
                "embedding": features,
                "first_importance": first_importance(activity),
            },
            tags=tags,
            assign=assign,
            loss_names=("tag_loss", "first_importance_loss", "importance_loss"),
            name=name,
        )

        # === Config ===
        self.feature_size = feature_size
        self.vector_size = vector_size
        self.hidden = hidden
        self.dropout = dropout
        self.tag_loss = tag_loss
        self.importance_loss = importance_loss
        self.importance_weight = importance_weight
        self.training_tags = training_tags
        self.mix_steps = mix_steps
        self.backbone_sha256 = backbone_sha256
        self.second = second
        self.steps = self.add_weight(name="steps", shape=(), initializer="zeros", trainable=False)

    @property
    def word_vectors(self) -> TagWordVectors:
        """The layer that holds the word vectors of the tags."""
        return self.second.get_layer("word_vectors")

    def loss_terms(self, targets: dict[str, Any], outputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """Model 1's two losses, and the second MLP's on the tags that it reads in training."""
        truth, error = importance(targets), IMPORTANCE_LOSSES[self.importance_loss]
        second = outputs["importance"]
        if training:
            weights = self._tags_in_training(present(targets), ops.stop_gradient(outputs["probability"]))
            second = self.second([outputs["embedding"], weights], training=True)
        return {
            "tag_loss": TAG_LOSSES[self.tag_loss](present(targets), outputs["probability"]),
            "first_importance_loss": self.importance_weight * error(truth, outputs["first_importance"]),
            "importance_loss": self.importance_weight * error(truth, second),
        }

    def priors(self, mentions: np.ndarray, captions: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """Tags, and importance in both networks."""
        share = mean_importance(mentions, captions)
        return [
            (self.get_layer("probability").bias, tag_frequency(mentions)),
            (self.get_layer("first_importance").bias, share),
            (self.second.get_layer("importance").bias, share),
        ]

    def _tags_in_training(self, true: Any, probability: Any) -> Any:
        if self.training_tags == "true":
            return true
        predicted = self.assign(probability)
        if self.training_tags == "predicted":
            return predicted
        shift = ops.minimum(self.steps / self.mix_steps, 1.0)
        self.steps.assign(self.steps + 1.0)
        return (1.0 - shift) * true + shift * predicted


def _second_mlp(features: int, tags: int, vector_size: int, hidden: int, dropout: float) -> keras.Model:
    """Features and tag weights -> importance; the joint input has `features + vector_size` numbers."""
    picture = keras.Input((features,), name="features")
    weights = keras.Input((tags,), name="tag_weights")
    words = TagWordVectors(vector_size, name="word_vectors")(weights)
    joint = keras.layers.Concatenate(name="joint")(
        [keras.layers.UnitNormalization(name="unit")(picture), words]
    )
    activity = keras.layers.Dense(hidden, activation="relu", name="second_hidden")(joint)
    activity = keras.layers.Dropout(dropout, name="second_dropout")(activity)
    share = sigmoid_head(tags, "importance")(activity)
    return keras.Model([picture, weights], share, name="second")
