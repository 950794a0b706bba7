"""Where in a block the student is compared with the teacher: before the last ReLU, the last pool, or at its end."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from zoo.errors import ConfigError, nearest
from zoo.surgery.graph import Segment, graph_of, input_like, rerun
from zoo.surgery.kinds import DROPOUTS, POOLING, is_activation

FEATURES = ("pre_relu", "pre_pool", "output")


def with_feature(block: keras.Model, feature: str) -> keras.Model:
    """Makes a block give its feature beside its output.

    After a ReLU most values are zero, and a squared error there cannot see how far below zero the teacher was;
    RepDistiller (Tian et al. 2020) compares features before it for this reason.

    An activation inside a convolution (`Conv2D(activation="relu")`) cannot be taken off: the feature is then what
    comes after it, and `feature_layer` names the convolution.

    Args:
        block: With one input and one output; its layers are shared, not copied.
        feature: `pre_pool`: before the pooling (and padding, dropout) at the block's end. `pre_relu`: before the
            activations there as well. `output`: the output itself.

    Returns:
        A model with the outputs `feature` and `output`, which may be the same tensor.

    Raises:
        ConfigError: The feature is unknown, or the block holds nothing but pooling and activations.
    """
    graph = graph_of(block)
    segments = graph.segments()
    end = _end(block, segments, feature)
    start = input_like(graph.input, graph.input_name)
    compared = rerun(segments[:end], start)
    return keras.Model(
        start,
        {"feature": compared, "output": rerun(segments[end:], compared)},
        name=f"{block.name}_{feature}",
    )


def feature_layer(block: keras.Model, feature: str) -> str:
    """Returns the name of the layer whose output `with_feature` gives as the feature."""
    segments = graph_of(block).segments()
    return segments[_end(block, segments, feature) - 1].name


def _end(block: keras.Model, segments: tuple[Segment, ...], feature: str) -> int:
    """How many segments come before the feature."""
    if feature not in FEATURES:
        raise ConfigError(
            f"Unknown feature '{feature}'.{nearest(feature, FEATURES)}",
            expected=f"one of {', '.join(FEATURES)}",
            fix="use pre_relu unless you compare the choices",
        )
    end = len(segments)
    if feature == "output":
        return end
    while end and _passed_over(segments[end - 1], feature):
        end -= 1
    if not end:
        raise ConfigError(
            f"Block '{block.name}' holds nothing but pooling and activations: it has no feature '{feature}'.",
            expected="a block with a convolution",
            fix="cut elsewhere",
        )
    return end


def _passed_over(segment: Segment, feature: str) -> bool:
    if segment.branches:
        return False
    layer: Any = segment.layers[0]
    pooling = isinstance(layer, (*POOLING, *DROPOUTS, layers.ZeroPadding2D))
    return pooling or (feature == "pre_relu" and is_activation(layer))
