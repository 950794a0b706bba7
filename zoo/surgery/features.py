"""Where in a block the student is compared with the teacher: before the last ReLU, the last pool, or at its end."""

from __future__ import annotations

import logging
from typing import Any

import keras
from keras import layers

from zoo.errors import ConfigError, nearest
from zoo.surgery.graph import Segment, graph_of, input_like, rerun
from zoo.surgery.kinds import DROPOUTS, POOLING, is_activation

log = logging.getLogger(__name__)

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


def with_features(
    teacher: keras.Model, student: keras.Model, feature: str
) -> tuple[keras.Model, keras.Model]:
    """Makes a block of the teacher and the student's in its place give features that can be compared.

    What comes after the feature has to be the same in both. A student that ends in a ReLU where the teacher does not
    would learn values below zero that it then cuts off; such a pair is compared at its end, which is logged.

    Args:
        teacher: See `with_feature`.
        student: Likewise.
        feature: Likewise.

    Raises:
        ConfigError: As `with_feature`.
    """
    tails = [_tail(block, feature) for block in (teacher, student)]
    if tails[0] != tails[1]:
        log.warning(
            "block %s is compared at its end, not %s: the teacher's ends in %s there, the student's in %s",
            student.name,
            feature,
            *(", ".join(kind for kind, _ in tail) or "the feature itself" for tail in tails),
        )
        feature = "output"
    return with_feature(teacher, feature), with_feature(student, feature)


def _tail(block: keras.Model, feature: str) -> list[tuple[str, Any]]:
    """What comes after the feature in inference: of each layer its kind and its settings."""
    segments = graph_of(block).segments()
    after = [segment.layers[0] for segment in segments[_end(block, segments, feature) :]]
    return [_kind(layer) for layer in after if not isinstance(layer, DROPOUTS)]


def _kind(layer: Any) -> tuple[str, Any]:
    name = type(layer).__name__
    if isinstance(layer, layers.Activation):
        return str(getattr(layer.activation, "__name__", "activation")), None
    config = layer.get_config() if isinstance(layer, keras.layers.Layer) else {}
    own = {key: value for key, value in config.items() if key not in ("name", "trainable", "dtype")}
    if isinstance(layer, layers.ReLU) and not any(own.values()):  # no limit, slope or threshold
        return "relu", None
    return name.lower(), own


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
