"""A backbone as the maps of its stages, with the class vectors of its head."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.backbones import BackboneSpec, build_backbone, get_backbone_spec
from zoo.backbones.build import InferenceNetwork
from zoo.backbones.table import is_foreign
from zoo.backbones.weights import find_weights, open_weights
from zoo.errors import ConfigError, nearest
from zoo.models.fusion.head import find_head
from zoo.models.fusion.layer_names import FEATURES_OF_FOREIGN, FROM_THE_HEAD, STAGES

_STRIDES = dict(zip(STAGES, (4, 8, 16, 32), strict=True))


@dataclass(frozen=True)
class LinearHead:
    """The linear layer on the pooled last map: logits = W^T GAP(X) + b.

    Attributes:
        kernel: W, float64 `[C, K]`; column k is the class vector of class k.
        bias: b, float64 `[K]`.
        layer: The feature layer X, by our name.
    """

    kernel: np.ndarray
    bias: np.ndarray
    layer: str


@dataclass(frozen=True)
class StageNetwork:
    """A frozen network that is looked at in several places.

    Attributes:
        backbone: Its name in the table.
        trunk: Scaled pixels -> {layer: map `[N, h, w, C]`}, in inference mode.
        scaling: Mode of `PixelScaling` before it.
        image_size: Side of its pictures in pixels.
        stages: "conv2" .. "conv5" -> the feature layer that is the last of that stride; those that there are.
        head: None where the weights are without a classifier, or its classifier is not linear in the pooled map.
    """

    backbone: str
    trunk: keras.Model
    scaling: str
    image_size: int
    stages: Mapping[str, str]
    head: LinearHead | None

    def layer(self, name: str) -> str:
        """Returns the feature layer that a name stands for: of a stage, or of the table itself.

        Raises:
            ConfigError: This network has no such layer.
        """
        found = self.stages.get(name, name)
        if found not in self.trunk.output:
            known = (*self.stages, *FROM_THE_HEAD, *self.trunk.output)
            raise ConfigError(
                f"'{self.backbone}' has no layer '{name}' in pictures of {self.image_size} pixels."
                f"{nearest(name, known)}",
                expected=f"one of {', '.join(known)}",
                fix="set layers to such a one",
            )
        return found

    def class_vectors(self, wanted_by: str) -> LinearHead:
        """Returns the head.

        Raises:
            ConfigError: There is none.
        """
        if self.head is None:
            raise ConfigError(
                f"'{wanted_by}' needs the class vectors of '{self.backbone}', and its weights have no classifier "
                "on the pooled last map.",
                expected="weights with the classifier (include_top=True), of a network that pools and then has one "
                "linear layer",
                fix="set weights to such a file, or layers to conv2 .. conv5",
            )
        return self.head


def stage_network(
    backbone: str,
    *,
    weights: str | os.PathLike[str] | None,
    image_size: int | None = None,
    name: str | None = None,
    of_foreign: str = FEATURES_OF_FOREIGN,
) -> StageNetwork:
    """Builds a network of the table with every feature layer that is a map, or one from elsewhere with one layer.

    Args:
        backbone: As for `build_backbone`.
        weights: As for `build_backbone`.
        image_size: Side of the pictures in pixels; None takes the table's.
        name: Of the trunk, where two of them are in one graph; None takes the backbone's.
        of_foreign: The layer of a `hub:`, `store:` or `garden:` network: "features", or an output by its name.

    Raises:
        ConfigError: There is no such backbone, or the size does not fit it.
        WeightsError: The weights are missing or do not fit.
    """
    if is_foreign(backbone):
        return _foreign_network(backbone, weights, image_size, name, of_foreign)
    spec = get_backbone_spec(backbone)
    maps = [layer for layer in spec.layers if layer not in spec.top]
    top = _has_classifier(spec, weights)
    whole = build_backbone(
        backbone, layer="predictions" if top else maps[-1], weights=weights, image_size=image_size, pool=None
    )
    network = whole.get_layer(spec.name)
    tensors = {layer: network.get_layer(spec.layers[layer]).output for layer in maps}
    size = int(whole.input_shape[1])
    trunk = InferenceNetwork(network.input, tensors, name=name or spec.name)
    trunk.trainable = False
    return StageNetwork(
        backbone, trunk, spec.scaling, size, _stages(tensors, size), _head(network, tensors, top)
    )


def _foreign_network(
    backbone: str,
    weights: str | os.PathLike[str] | None,
    image_size: int | None,
    name: str | None,
    layer: str,
) -> StageNetwork:
    """A network that scales pixels itself."""
    asked = None if layer == FEATURES_OF_FOREIGN else layer
    whole = build_backbone(backbone, layer=asked, weights=weights, image_size=image_size, pool=None)
    # In float32: a picture that was resized for it has no whole numbers, which a uint8 input would make of it.
    pixels = features = keras.Input(whole.input_shape[1:], name="pixels")
    for part in whole.layers[1:]:
        features = part(features)
    trunk = InferenceNetwork(pixels, {layer: features}, name=name or whole.name)
    trunk.trainable = False
    return StageNetwork(backbone, trunk, "none", int(whole.input_shape[1]), {}, None)


def _has_classifier(spec: BackboneSpec, weights: str | os.PathLike[str] | None) -> bool:
    if "predictions" not in spec.layers:
        return False
    if weights is None or str(weights) == "imagenet":
        return True
    with open_weights(find_weights(weights)) as file:
        return file.classes(spec) is not None


def _stages(tensors: Mapping[str, Any], size: int) -> dict[str, str]:
    """The last layer of each stride, which doubles wherever the map gets smaller.

    Size / side is not the stride where a network does not pad, or the size is no multiple of 32.
    """
    found: dict[str, str] = {}
    stride = side = 0
    for layer, tensor in tensors.items():
        now = int(tensor.shape[1])
        if now != side:
            stride, side = 2 * stride or 2 ** round(math.log2(size / now)), now
        found |= {stage: layer for stage, own in _STRIDES.items() if own == stride}
    return found


def _head(network: keras.Model, tensors: Mapping[str, Any], top: bool) -> LinearHead | None:
    """The class vectors, where the classifier is one linear layer on one of the maps."""
    if not top:
        return None
    try:
        head = find_head(network)
    except ConfigError:  # VGG: three dense layers on the map as it is
        return None
    layer = next((name for name, tensor in tensors.items() if tensor is head.maps), None)
    return None if layer is None else LinearHead(head.kernel, head.bias, layer)
