"""A classifier without its final softmax: what distillation compares (Hinton et al. 2015, section 2)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.clone import clone_layer
from zoo.surgery.graph import Call, Segment, graph_of, input_like, rerun

# log p is as good as the logits: softmax(log p) = p.
_LINEAR = ("linear", "log_softmax")
_SHAPE_ONLY = (layers.Reshape, layers.Flatten, layers.Dropout, layers.Identity)


def to_logits(model: keras.Model) -> keras.Model:
    """Takes the softmax off the end of a classifier.

    Args:
        model: Functional or sequential, from one input to `[N, classes]`.

    Returns:
        A functional model that gives logits `[N, classes]`. Where the output is linear already, `model` itself;
        else a model that shares all layers with it but the last, which is new, of the same name, and has a copy of
        the weights.

    Raises:
        ConfigError: The output is not `[N, classes]`, or ends in a sigmoid or another activation.
    """
    graph = graph_of(model)
    shape = tuple(graph.output.shape)
    if len(shape) != 2 or shape[1] is None:
        raise ConfigError(
            f"'{model.name}' gives {shape}.",
            expected="[N, classes]: one row of logits or probabilities for each image",
            fix="end the network with global pooling (or Flatten) and Dense(classes)",
        )
    segments = graph.segments()
    last = _last_call(segments)
    if last is None or _activation(last.layer) in _LINEAR:
        return model
    if _activation(last.layer) != "softmax":
        raise ConfigError(
            f"'{model.name}' ends in {_activation(last.layer)} (layer '{last.layer.name}').",
            expected="softmax or logits: one class for each image",
            fix="several labels at once are no classification; train the network with a softmax over its classes",
        )
    replaced: list[Any] = []

    def linear(layer: Any) -> Any | None:
        if layer is not last.layer:
            return layer
        if getattr(layer, "weights", None):
            replaced.append(clone_layer(layer, {"activation": "linear"}))
            return replaced[0]
        if last.inputs[0].dtype == graph.output.dtype:
            return None
        # Under mixed precision the softmax is where the output becomes float32.
        return layers.Activation("linear", name=layer.name, dtype=graph.output.dtype)

    start = input_like(graph.input, graph.input_name)
    logits = keras.Model(start, rerun(segments, start, linear), name=f"{model.name}_logits")
    for layer in replaced:
        layer.set_weights(last.layer.get_weights())
    return logits


def _last_call(segments: tuple[Segment, ...]) -> Call | None:
    """The last call that does more than reshape; None where branches come first."""
    for segment in reversed(segments):
        if segment.branches:
            return None
        layer = segment.layers[0]
        if isinstance(layer, keras.Model):
            raise ConfigError(
                f"The last layer '{layer.name}' is a model of its own: its softmax cannot be taken off.",
                expected="a softmax, or logits, at the end of the outer model",
                fix="build the classifier's last layers into the outer model",
            )
        silent = isinstance(layer, layers.Activation) and _activation(layer) == "linear"
        if not silent and not isinstance(layer, _SHAPE_ONLY):
            return segment.calls[0]
    return None


def _activation(layer: Any) -> str:
    """The name of what a layer applies to its output, `linear` where it applies nothing."""
    activation = getattr(layer, "activation", None)
    if activation is not None:
        return str(getattr(activation, "__name__", type(activation).__name__)).lower()
    name = type(
        layer
    ).__name__.lower()  # layers.Softmax, layers.ReLU, and keras.ops.softmax, keras.ops.sigmoid
    return name if name in {"softmax", "sigmoid", "relu", "tanh"} else "linear"
