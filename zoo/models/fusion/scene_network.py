"""A classifier network of the table with a new head for several labels at once."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.backbones import build_backbone, get_backbone_spec
from zoo.backbones.build import InferenceNetwork
from zoo.checks import check_same_shape
from zoo.errors import ConfigError
from zoo.files import write_atomically
from zoo.losses.reduction import batch_mean, share_of_replica
from zoo.preprocessing.scaling import PixelScaling


@keras.saving.register_keras_serializable("mizoo")
class SceneNetwork(keras.Model):
    """Pictures -> how likely each word is to be in their captions.

    Batch normalisation keeps its statistics: the network is tuned, not trained anew.

    Input: `image`, uint8 `[batch, size, size, 3]`, RGB 0..255. Output: `probability`, float32 `[batch, tags]`.
    Targets of `fit`: `mentions`, float32 `[batch, tags]`, in how many captions of the picture each word is; more than 0
    counts. Others are not looked at.

    Args:
        network: Scaled pixels -> logits; a network of the table with its classifier.
        scaling: Mode of `PixelScaling` before it.
        tags: The words, in the order of the columns.
        positive_weights: For each word, what a picture with it counts; one without counts 1.
        name: Of the model.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        scaling: str,
        tags: Sequence[str],
        positive_weights: Sequence[float],
        name: str = "scene_network",
    ) -> None:
        # === Layers ===
        image = keras.Input(network.input_shape[1:], dtype="uint8", name="image")

        # === Functional model ===
        logits = network(PixelScaling(scaling, name="scaling")(image))
        probability = keras.layers.Activation("sigmoid", dtype="float32", name="probability")(logits)
        super().__init__(inputs=image, outputs={"probability": probability}, name=name)

        # === Config ===
        self.network, self.scaling, self.tags = network, scaling, tuple(tags)
        self.positive_weights = tuple(float(weight) for weight in positive_weights)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Returns the mean over pictures and words of -(w y log p + (1 - y) log(1 - p))."""
        del x, training
        probability = y_pred["probability"]
        check_same_shape(y["mentions"], probability, names=("mentions", "their probabilities"))
        there = ops.cast(y["mentions"] > 0, "float32")
        weight = 1.0 + there * (ops.array(self.positive_weights, "float32") - 1.0)
        p = ops.clip(probability, 1e-7, 1 - 1e-7)
        loss = -weight * (there * ops.log(p) + (1 - there) * ops.log1p(-p))
        return share_of_replica(batch_mean(ops.mean(loss, axis=-1), sample_weight))

    def tune_from(self, stride: int | None) -> None:
        """Chooses what is trained: the head alone (None), or also the layers whose input has at least this stride."""
        size, head = self.network.input_shape[1], False
        for layer in self.network.layers:
            head = head or isinstance(layer, keras.layers.GlobalAveragePooling2D)
            if layer.weights:
                layer.trainable = head or (
                    stride is not None and _stride(size, layer.input.shape[1]) >= stride
                )

    def save_backbone(self, path: Path) -> Path:
        """Writes the weights as the backbone's own, for `build_backbone(..., weights=path)`; whole or not at all."""
        # Keras looks at the ending.
        part = path.with_name(f".part-{path.name}")
        try:
            self.network.save_weights(part)
            write_atomically(path, lambda file: file.write(part.read_bytes()))
        finally:
            part.unlink(missing_ok=True)
        return path

    def get_config(self) -> dict[str, Any]:
        """The network with its own config, and the constructor's other arguments."""
        return {
            "network": keras.saving.serialize_keras_object(self.network),
            "scaling": self.scaling,
            "tags": list(self.tags),
            "positive_weights": list(self.positive_weights),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> SceneNetwork:
        """Builds the network, then the whole."""
        network = keras.saving.deserialize_keras_object(config["network"], custom_objects=custom_objects)
        return cls(**{**config, "network": network})


def _stride(size: int, side: int) -> int:
    """The stride of a map, a power of two; padding and odd sides make a map larger than size / stride only."""
    return 2 ** math.ceil(math.log2(size / side))


def classifier_network(
    backbone: str, *, weights: str | None, image_size: int | None, classes: int
) -> keras.Model:
    """Returns a network of the table with a new head, its trunk with pretrained weights.

    Args:
        backbone: Its name.
        weights: Of the trunk, as for `build_backbone`.
        image_size: Side of the pictures in pixels; None takes the table's.
        classes: Of the new head, which gives logits.

    Raises:
        ConfigError: The network of this name has no classifier that can be made anew, or one of several layers.
        WeightsError: The weights are missing or do not fit.
    """
    spec = get_backbone_spec(backbone)
    size = image_size or spec.image_size
    module, function = spec.network.split(":")
    if "predictions" not in spec.layers or not module.startswith("keras."):
        raise ConfigError(
            f"'{backbone}' has no classifier that can be made anew.",
            expected="a network of keras.applications",
            fix="e.g. backbone=mobilenet_075",
        )
    if len(spec.classifier) > 1:
        raise ConfigError(
            f"The classifier of '{backbone}' has {len(spec.classifier)} layers, {', '.join(spec.classifier)}.",
            expected="a network that pools its last map and then has one linear layer",
            fix="e.g. backbone=mobilenet_075",
        )
    made = getattr(importlib.import_module(module), function)(
        input_shape=(size, size, 3),
        include_top=True,
        weights=None,
        classes=classes,
        classifier_activation=None,
        **spec.arguments,
    )
    last = [layer for layer in spec.layers if layer not in spec.top][-1]
    trained = build_backbone(backbone, layer=last, weights=weights, image_size=size, pool=None).get_layer(
        spec.name
    )
    for layer in (layer for layer in trained.layers if layer.weights):
        made.get_layer(layer.name).set_weights(layer.get_weights())
    return InferenceNetwork(made.input, made.output, name=spec.name)


def positive_weights(mentions: np.ndarray, most: float) -> tuple[float, ...]:
    """Returns (pictures without) / (pictures with) of each word, between 1 and `most`.

    Args:
        mentions: `[pictures, tags]`.
        most: The largest weight.
    """
    share = (mentions > 0).mean(axis=0)
    return tuple(float(weight) for weight in np.clip((1 - share) / np.maximum(share, 1e-12), 1.0, most))
