"""`tagging_baseline` and `tagging_two_head`: one hidden layer, and one or two rows of sigmoids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.layers.above_threshold import AboveThreshold
from zoo.layers.standardize import Standardize
from zoo.losses.importance import masked_squared_error, squared_error
from zoo.losses.tags import asymmetric, binary_crossentropy
from zoo.models.tagging.tagger import (
    Tagger,
    importance,
    mean_importance,
    present,
    sigmoid_head,
    tag_frequency,
)

TAG_LOSSES = {"bce": binary_crossentropy, "asymmetric": asymmetric}
IMPORTANCE_LOSSES = {"all": squared_error, "true_tags": masked_squared_error}


@keras.saving.register_keras_serializable("mizoo")
class BaselineTagger(Tagger):
    """An MLP that learns tags; a tag's probability stands in for its importance (report, section 3).

    Args:
        tags: Names of the tags.
        feature_size: Length of the feature vector.
        hidden: Units of the hidden layer.
        dropout: Share of hidden units left out in training.
        tag_loss: "bce" or "asymmetric".
        backbone_sha256: Digest of the frozen backbone whose features it was trained on.
        name: Of the model.
    """

    def __init__(
        self,
        *,
        tags: Sequence[str],
        feature_size: int,
        hidden: int = 1024,
        dropout: float = 0.5,
        tag_loss: str = "bce",
        backbone_sha256: str | None = None,
        name: str = "tagging_baseline",
    ) -> None:
        # === Layers ===
        features = keras.Input((feature_size,), name="features")
        standardize = Standardize(name="standardize")
        shared = keras.layers.Dense(hidden, activation="relu", name="hidden")
        drop = keras.layers.Dropout(dropout, name="dropout")
        tag_head = sigmoid_head(len(tags), "probability")
        assign = AboveThreshold(name="assigned")

        # === Functional model ===
        probability = tag_head(drop(shared(standardize(features))))
        super().__init__(
            inputs=features,
            outputs={
                "probability": probability,
                "importance": probability,
                "assigned": assign(probability),
                "embedding": features,
            },
            tags=tags,
            assign=assign,
            loss_names=("tag_loss",),
            name=name,
        )

        # === Config ===
        self.feature_size = feature_size
        self.hidden = hidden
        self.dropout = dropout
        self.tag_loss = tag_loss
        self.backbone_sha256 = backbone_sha256

    def loss_terms(self, targets: dict[str, Any], outputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """Cross-entropy (or asymmetric loss) of the tags."""
        return {"tag_loss": TAG_LOSSES[self.tag_loss](present(targets), outputs["probability"])}

    def priors(self, mentions: np.ndarray, captions: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """The tags."""
        return [(self.get_layer("probability").bias, tag_frequency(mentions))]


@keras.saving.register_keras_serializable("mizoo")
class TwoHeadTagger(Tagger):
    """An MLP with two rows of sigmoids, tags and importance, trained together (report, section 4.1: Model 1).

    Args:
        tags: Names of the tags.
        feature_size: Length of the feature vector.
        hidden: Units of the hidden layer that both heads share.
        dropout: Share of hidden units left out in training.
        tag_loss: "bce" or "asymmetric".
        importance_loss: "all" is the report's squared error over all outputs; "true_tags" counts true tags only.
        importance_weight: Factor of the importance loss.
        backbone_sha256: Digest of the frozen backbone whose features it was trained on.
        name: Of the model.
    """

    def __init__(
        self,
        *,
        tags: Sequence[str],
        feature_size: int,
        hidden: int = 1024,
        dropout: float = 0.5,
        tag_loss: str = "bce",
        importance_loss: str = "true_tags",
        importance_weight: float = 1.0,
        backbone_sha256: str | None = None,
        name: str = "tagging_two_head",
    ) -> None:
        # === Layers ===
        features = keras.Input((feature_size,), name="features")
        standardize = Standardize(name="standardize")
        shared = keras.layers.Dense(hidden, activation="relu", name="hidden")
        drop = keras.layers.Dropout(dropout, name="dropout")
        tag_head = sigmoid_head(len(tags), "probability")
        assign = AboveThreshold(name="assigned")
        importance_head = sigmoid_head(len(tags), "importance")

        # === Functional model ===
        activity = drop(shared(standardize(features)))
        probability = tag_head(activity)
        super().__init__(
            inputs=features,
            outputs={
                "probability": probability,
                "importance": importance_head(activity),
                "assigned": assign(probability),
                "embedding": features,
            },
            tags=tags,
            assign=assign,
            loss_names=("tag_loss", "importance_loss"),
            name=name,
        )

        # === Config ===
        self.feature_size = feature_size
        self.hidden = hidden
        self.dropout = dropout
        self.tag_loss = tag_loss
        self.importance_loss = importance_loss
        self.importance_weight = importance_weight
        self.backbone_sha256 = backbone_sha256

    def loss_terms(self, targets: dict[str, Any], outputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """Cross-entropy of the tags, squared error of the importance."""
        error = IMPORTANCE_LOSSES[self.importance_loss](importance(targets), outputs["importance"])
        return {
            "tag_loss": TAG_LOSSES[self.tag_loss](present(targets), outputs["probability"]),
            "importance_loss": self.importance_weight * error,
        }

    def priors(self, mentions: np.ndarray, captions: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """Tags and importance."""
        return [
            (self.get_layer("probability").bias, tag_frequency(mentions)),
            (self.get_layer("importance").bias, mean_importance(mentions, captions)),
        ]
