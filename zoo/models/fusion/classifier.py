"""The linear classifier on the features of frozen networks, with its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.checks import check_same_shape
from zoo.errors import DataError
from zoo.losses.reduction import batch_mean, rows, share_of_replica
from zoo.models.fusion.eye import FEATURES


@keras.saving.register_keras_serializable("mizoo")
class FusionClassifier(keras.Model):
    """Features -> a score for each class.

    `set_classifier` puts in what was fitted in closed form (`zoo.fitting.linear_svm`, `zoo.fitting.logistic`), which is
    how the recipes train it; `fit` descends the same squared hinge loss by batches.

    Input: `features`, float32 `[batch, feature_size]`; with an eye `image`, uint8 `[batch, size, size, 3]`, RGB 0..255.
    Output: `scores`, float32 `[batch, classes]`, w^T x + b: above 0 for "this class rather than the others".
    Target of `fit`: `label`, int32 `[batch]`, 0 .. classes - 1.

    Args:
        classes: Their names, in the order of the columns.
        feature_size: Length of the features.
        eye: From pictures to `features`; None takes features that were made before.
        map_classes: Names of the channels of the eye's `cam`; empty where it has none.
        name: Of the model.
    """

    def __init__(
        self,
        *,
        classes: Sequence[str],
        feature_size: int,
        eye: keras.Model | None = None,
        map_classes: Sequence[str] = (),
        name: str = "fusion_classifier",
    ) -> None:
        # === Layers ===
        linear = keras.layers.Dense(len(classes), dtype="float32", name="scores")

        # === Functional model ===
        if eye is None:
            given = keras.Input((feature_size,), name=FEATURES)
            features = given
        else:
            eye.trainable = False
            given = keras.Input(eye.input_shape[1:], dtype="uint8", name="image")
            features = eye(given)[FEATURES]
        super().__init__(inputs=given, outputs={"scores": linear(features)}, name=name)

        # === Config ===
        self.classes, self.map_classes = tuple(classes), tuple(map_classes)
        self.feature_size, self.eye, self.linear = feature_size, eye, linear
        self.accuracy = keras.metrics.Mean(name="accuracy")

    def set_classifier(self, kernel: np.ndarray, bias: np.ndarray) -> None:
        """Freezes a fitted classifier in: float `[feature_size, classes]` and `[classes]`."""
        self.linear.set_weights([kernel, bias])

    def behind(self, eye: keras.Model, map_classes: Sequence[str]) -> FusionClassifier:
        """Returns the same classifier as a model of pictures."""
        whole = FusionClassifier(
            classes=self.classes,
            feature_size=self.feature_size,
            eye=eye,
            map_classes=map_classes,
            name=self.name,
        )
        whole.set_classifier(*self.linear.get_weights())
        return whole

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the mean over examples of sum_k max(0, 1 - y_k f_k)^2, y_k = 1 for the class and -1 for others."""
        del x, training
        scores, label = y_pred["scores"], y["label"]
        check_same_shape(label, scores[:, 0], names=("label", "a column of the scores"))
        right = ops.cast(ops.equal(ops.argmax(scores, axis=-1), ops.cast(label, "int32")), "float32")
        self.accuracy.update_state(batch_mean(right), sample_weight=rows(right))
        side = 2.0 * ops.one_hot(label, len(self.classes)) - 1.0
        loss = ops.sum(ops.square(ops.relu(1.0 - side * scores)), axis=-1)
        return share_of_replica(batch_mean(loss, sample_weight))

    def require_eye(self) -> keras.Model:
        """Returns the eye.

        Raises:
            DataError: The model takes features.
        """
        if self.eye is None:
            raise DataError(
                f"'{self.name}' was trained on features, and does not have the networks that make them of a picture.",
                expected="a model of pictures",
                fix="load the run folder (zoo.load_model) instead of its model.keras",
            )
        return self.eye

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            "classes": list(self.classes),
            "feature_size": self.feature_size,
            "eye": keras.saving.serialize_keras_object(self.eye),
            "map_classes": list(self.map_classes),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> FusionClassifier:
        """Builds the eye, then the whole."""
        eye = keras.saving.deserialize_keras_object(config["eye"], custom_objects=custom_objects)
        return cls(**{**config, "eye": eye})
