"""What the table says of one backbone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class BackboneSpec:
    """One network that turns pictures into features.

    Attributes:
        name: What configs and the command line call it.
        network: Import path `module:function` of the Keras network, imported on first use. It is called as
            `f(input_shape=..., include_top=..., classes=..., weights=..., **arguments)`.
        arguments: Further arguments of that function.
        scaling: Mode of `zoo.preprocessing.scaling.PixelScaling` that the network was trained with.
        image_size: Side of the input in pixels, unless another one is asked for.
        layers: Our stable names of feature layers -> the layer's name in the network.
        default_layer: The feature layer unless another one is asked for.
        top: Those of `layers` that need the classifier part of the network.
        classifier: The layers of the classifier -> their groups in a Keras 3 `.weights.h5`; the last one
            tells the number of classes. A file may hold them without the trunk needing them.
        parameters: Number of weights with the classifier of 1,000 classes, or without one if there is none.
        imagenet: Whether Keras offers weights for download (`weights="imagenet"`).
        state_dict: Whether the weights may come from PyTorch, in a `.npz` (`zoo/backbones/state_dict.py`).
        paper: Where the architecture is described.
        weights_licence: Terms of the weights that `imagenet` downloads.
        research_only: Those terms, or those of the data behind the weights, allow research only.
    """

    name: str
    network: str
    scaling: str
    image_size: int
    layers: Mapping[str, str]
    default_layer: str
    parameters: int
    paper: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    top: tuple[str, ...] = ()
    classifier: Mapping[str, str] = field(default_factory=dict)
    imagenet: bool = True
    state_dict: bool = False
    weights_licence: str = "Apache-2.0; trained on ImageNet, whose own terms are non-commercial research"
    research_only: bool = True
