"""A network that says which of its classes a picture shows, with its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.checks import check_same_shape
from zoo.losses.reduction import batch_mean, rows, share_of_replica


@keras.saving.register_keras_serializable("mizoo")
class Classifier(keras.Model):
    """Pictures to logits, trained by cross entropy: `scratch` among the strategies.

    Input: `image`, uint8 `[batch, height, width, 3]`, RGB 0..255.
    Output: `logits`, float32 `[batch, classes]`.
    Target of `fit`: `label`, int32 `[batch]`, 0 .. classes - 1.

    Args:
        network: A functional model from the picture to the logits.
        classes: Their names, in the order of the columns.
        cuts: Names of the layers at which its blocks end; what follows the last is the head.
        name: Of the model.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        classes: Sequence[str],
        cuts: Sequence[str] = (),
        name: str = "classifier",
    ) -> None:
        # === Layers ===
        image = keras.Input(network.input_shape[1:], name="image", dtype="uint8")

        # === Functional model ===
        super().__init__(inputs=image, outputs={"logits": network(image)}, name=name)

        # === Config ===
        self.network = network
        self.classes = tuple(classes)
        self.cuts = tuple(cuts)
        self.accuracy = keras.metrics.Mean(name="accuracy")

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the mean cross entropy of a batch; Keras calls it in `fit` and `evaluate` on every backend."""
        del x, training
        logits = y_pred["logits"]
        note_accuracy(self.accuracy, y, logits)
        return share_of_replica(batch_mean(cross_entropy(y, logits), sample_weight))

    def get_config(self) -> dict[str, Any]:
        """The network with its own config, and the constructor's other arguments."""
        return {
            "network": keras.saving.serialize_keras_object(self.network),
            "classes": list(self.classes),
            "cuts": list(self.cuts),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Classifier:
        """Builds the network, then the whole."""
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects=custom_objects)
        return cls(**{**config, "network": network})


def cross_entropy(targets: dict[str, Any], logits: Any) -> Any:
    """Returns -log softmax(logits)[label] of every example: float `[batch]`."""
    check_same_shape(targets["label"], logits[:, 0], names=("label", "a column of the logits"))
    return ops.sparse_categorical_crossentropy(targets["label"], logits, from_logits=True)


def note_accuracy(metric: keras.metrics.Mean, targets: dict[str, Any], logits: Any) -> None:
    """Counts how often the largest logit is that of the label."""
    right = ops.cast(ops.equal(ops.argmax(logits, axis=-1), ops.cast(targets["label"], "int32")), "float32")
    metric.update_state(batch_mean(right), sample_weight=rows(right))
