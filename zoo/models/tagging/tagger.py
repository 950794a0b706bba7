"""What all taggers share: the targets, one `compute_loss`, and the way from features to pictures."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import DataError
from zoo.layers.above_threshold import AboveThreshold
from zoo.losses.reduction import batch_mean, rows, share_of_replica


@keras.saving.register_keras_serializable("mizoo")
class Tagger(keras.Model):
    """A functional network with named outputs and its own loss.

    Outputs, float32:
        probability: `[batch, tags]`, P(at least one caption mentions the tag).
        importance: `[batch, tags]`, expected share of captions that mention it, given that one does.
        assigned: `[batch, tags]`, the probability where it reaches the threshold, else 0.
        embedding: `[batch, features]`, what the tags were read from.
    Subclasses may add more.

    Targets of `fit`, float32:
        mentions: `[batch, tags]`, captions that mention the tag (k).
        captions: `[batch, 1]`, captions of the picture (n).

    Args:
        inputs: Symbolic input.
        outputs: The named symbolic outputs.
        tags: Names of the tags, in the order of the columns.
        assign: The layer in the graph that holds the threshold.
        loss_names: Keys that `loss_terms` returns.
        name: Of the model.
    """

    def __init__(
        self,
        *,
        inputs: Any,
        outputs: dict[str, Any],
        tags: Sequence[str],
        assign: AboveThreshold,
        loss_names: Sequence[str],
        name: str,
    ) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name)
        self.tags = tuple(tags)
        self.assign = assign
        self.trackers = {key: keras.metrics.Mean(name=key) for key in loss_names}

    def loss_terms(self, targets: dict[str, Any], outputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """Returns the named terms of the loss, each `[batch]`; their sum is minimised."""
        raise NotImplementedError

    @property
    def threshold(self) -> Any:
        """The probability from which a tag is assigned: 0.5 until it is tuned on validation."""
        return self.assign.threshold

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the scalar loss of a batch; Keras calls it in `fit` and `evaluate` on every backend."""
        del x
        _check_targets(y, len(self.tags))
        total = 0.0
        for name, term in self.loss_terms(y, y_pred, training).items():
            value = batch_mean(term, sample_weight)
            self.trackers[name].update_state(value, sample_weight=rows(term))
            total = total + value
        return share_of_replica(total)

    def adapt(self, features: np.ndarray, mentions: np.ndarray, captions: np.ndarray) -> None:
        """Reads off the training data, before training, what need not be learned.

        Features are standardised, and the biases of the outputs start where the best table without a picture
        is, so that training begins at that table and not behind it.

        Args:
            features: float `[rows, features]`.
            mentions: `[rows, tags]`.
            captions: `[rows, 1]`.
        """
        self.get_layer("standardize").adapt(features)
        for bias, value in self.priors(mentions, captions):
            bias.assign(np.log(value / (1.0 - value)))

    def priors(self, mentions: np.ndarray, captions: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """Returns the biases of sigmoids that `adapt` sets, and the values that they shall give: `[tags]` in 0..1.

        Args:
            mentions: `[rows, tags]`.
            captions: `[rows, 1]`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments: every one is kept as an attribute of its own name."""
        return {key: getattr(self, key) for key in inspect.signature(type(self)).parameters}


def sigmoid_head(tags: int, name: str) -> keras.layers.Dense:
    """Returns a row of float32 sigmoids with small weights, so that training starts at what the biases say.

    Raises:
        DataError: There are no tags.
    """
    if tags < 1:
        raise DataError(
            "The list of tags is empty.",
            expected="at least one tag",
            fix="lower the minimum count (--set min_captions=N), or name another tag list (--set vocabulary=FILE)",
        )
    return keras.layers.Dense(
        tags,
        activation="sigmoid",
        kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.01),
        dtype="float32",
        name=name,
    )


def _check_targets(targets: Any, tags: int) -> None:
    """Raises unless the targets have the two shapes that they must have: nothing is broadcast by accident."""
    shapes = {key: tuple(value.shape) for key, value in targets.items()}
    if {key: (len(shape), shape[-1] if shape else 0) for key, shape in shapes.items()} != {
        "mentions": (2, tags),
        "captions": (2, 1),
    }:
        raise DataError(
            f"The targets have the shapes {shapes}.",
            expected=f"mentions [batch, {tags}] and captions [batch, 1]; nothing is broadcast here",
            fix="reshape them, e.g. captions[:, None]",
        )


def tag_frequency(mentions: np.ndarray) -> np.ndarray:
    """Returns the share of the pictures that have each tag, `[tags]`, never quite 0 or 1."""
    return ((mentions > 0).sum(axis=0) + 1.0) / (len(mentions) + 2.0)


def mean_importance(mentions: np.ndarray, captions: np.ndarray) -> np.ndarray:
    """Returns the mean importance of each tag where it is present, `[tags]`, never quite 0 or 1."""
    true = mentions > 0
    return (np.where(true, mentions / captions, 0.0).sum(axis=0) + 0.5) / (true.sum(axis=0) + 1.0)


def present(targets: dict[str, Any]) -> Any:
    """Returns 1 for tags that at least one caption mentions, else 0: `[batch, tags]`."""
    return ops.cast(targets["mentions"] > 0, "float32")


def importance(targets: dict[str, Any]) -> Any:
    """Returns the share of captions that mention each tag, `[batch, tags]` in 0..1 (report, section 5.1.2)."""
    return ops.cast(targets["mentions"], "float32") / ops.cast(targets["captions"], "float32")


@keras.saving.register_keras_serializable("mizoo")
class ImageTagger(Tagger):
    """A tagger that takes pictures: a backbone, and a head that reads tags from its features.

    Input: `image`, uint8 `[batch, height, width, 3]`, RGB 0..255. Outputs and targets are those of the head.

    Args:
        backbone: Pictures -> features `[batch, features]`; its scaling is inside.
        head: A tagger over features.
        name: Of the model; that of the head when left out.
    """

    def __init__(self, backbone: keras.Model, head: Tagger, *, name: str | None = None) -> None:
        # === Layers ===
        image = keras.Input(backbone.input_shape[1:], name="image", dtype="uint8")

        # === Functional model ===
        outputs = head(backbone(image))
        super().__init__(
            inputs=image,
            outputs=outputs,
            tags=head.tags,
            assign=head.assign,
            loss_names=tuple(head.trackers),
            name=name or f"image_{head.name}",
        )

        # === Config ===
        self.backbone = backbone
        self.head = head

    def loss_terms(self, targets: dict[str, Any], outputs: dict[str, Any], training: bool) -> dict[str, Any]:
        """The head's."""
        return self.head.loss_terms(targets, outputs, training)

    def adapt(self, features: np.ndarray, mentions: np.ndarray, captions: np.ndarray) -> None:
        """Adapts the head, to features that were read through this model's backbone."""
        self.head.adapt(features, mentions, captions)

    def get_config(self) -> dict[str, Any]:
        """Backbone and head, each with its own config."""
        parts = {"backbone": self.backbone, "head": self.head}
        return {key: keras.saving.serialize_keras_object(part) for key, part in parts.items()} | {
            "name": self.name
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ImageTagger:
        """Builds the parts, then the whole."""
        parts = {
            key: keras.saving.deserialize_keras_object(config[key], custom_objects=custom_objects)
            for key in ("backbone", "head")
        }
        return cls(**parts, name=config["name"])
