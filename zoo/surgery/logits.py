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
# Sums of logits are logits. Of keras.ops these are operations of such a class.
_SUMS = ("Add", "Subtract", "Average")


def to_logits(model: keras.Model) -> keras.Model:
    """Takes the softmax off the end of a classifier.

    Args:
        model: Functional or sequential, from one input to `[N, classes]`.

    Returns:
        A functional model that gives logits `[N, classes]`. Where the output is linear already, `model` itself;
        else a model that shares all layers with it but the last, which is new, of the same name, and has a copy of
        the weights.

    Raises:
        ConfigError: The output is not `[N, classes]`, ends in a sigmoid or another activation, or is made of branches
            none of which is linear.
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
            fix="train it with a softmax over its classes, two of them in place of one sigmoid; several labels at once "
            "are no classification",
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
    """The last call that does more than reshape; None where linear branches are added up before it."""
    for segment in reversed(segments):
        if segment.branches:
            _check_sum(segment)
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


def _check_sum(segment: Segment) -> None:
    """Raises unless the branches meet in a sum, of which a dense layer without activation is a part."""
    made_by = {id(tensor): call for call in segment.calls for tensor in call.outputs}

    def linear(tensor: Any) -> bool:
        call = made_by.get(id(tensor))
        if call is None:
            return False
        if isinstance(call.layer, _SHAPE_ONLY) or type(call.layer).__name__ in _SUMS:
            return any(linear(each) for each in call.inputs)
        return isinstance(call.layer, layers.Dense) and _activation(call.layer) in _LINEAR

    if not linear(segment.output):
        raise ConfigError(
            f"Branches meet at the end of the classifier, in '{segment.name}', and none of them is a dense layer "
            "without activation: whether it gives logits or probabilities cannot be seen.",
            expected="a sum or mean of logits, or one softmax behind all branches",
            fix="average the logits in place of the probabilities, or end in keras.layers.Softmax()",
        )


def _activation(layer: Any) -> str:
    """The name of what a layer applies to its output, `linear` where it applies nothing."""
    activation = getattr(layer, "activation", None)
    if activation is not None:
        return str(getattr(activation, "__name__", type(activation).__name__)).lower()
    name = type(
        layer
    ).__name__.lower()  # layers.Softmax, layers.ReLU, and keras.ops.softmax, keras.ops.sigmoid
    return name if name in {"softmax", "sigmoid", "relu", "tanh"} else "linear"
