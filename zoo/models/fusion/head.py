"""The linear head of a classifier behind global average pooling: its feature map, class vectors and bias."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.checks import listing
from zoo.errors import ConfigError, nearest
from zoo.models.fusion.chain import Spot, Step, all_steps, in_the_model, outputs_of, producer
from zoo.surgery.kinds import DROPOUTS, is_activation

_SHAPE_ONLY = (layers.Reshape, layers.Flatten, layers.Identity, layers.ActivityRegularization, *DROPOUTS)
_SHAPE_OPERATIONS = {"Reshape", "Squeeze", "Flatten"}
_PROBABILITIES = {"Softmax", "LogSoftmax", "Sigmoid"}
_log = logging.getLogger(__name__)
_EXPECTED = (
    "global average pooling right before a Dense or 1x1 Conv2D, or right after one, with nothing but dropout, "
    "reshaping and, behind the head, activations between"
)


@dataclass(frozen=True, eq=False)
class Head:
    """A head whose logits are `W^T GAP(X) + b`.

    Attributes:
        maps: Symbolic tensor of the model: the feature map X, `[N, h, w, C]`.
        kernel: W, float64 `[C, K]`: a column for each class.
        bias: b, float64 `[K]`; zeros where the head has none.
        layer: Name of the Dense or Conv2D.
    """

    maps: Any
    kernel: np.ndarray
    bias: np.ndarray
    layer: str


def find_head(model: keras.Model, layer: str | None = None) -> Head:
    """Finds the linear head of a classifier and the feature map that it looks at.

    The head is a Dense or a 1x1 Conv2D behind global average pooling (ResNet, MobileNet), or one on the map whose
    outputs are averaged (SqueezeNet). Its activation counts for nothing: the logits are what it gives before. In a
    SqueezeNet, which averages relu(W^T x + b), `W^T GAP(X) + b` is therefore not what the network itself computes;
    that is logged as a warning.

    Args:
        model: Functional or sequential, with one input. Models may be nested in it as layers.
        layer: Name of the head; None: the last layer of the model but for activations, dropout and reshaping.

    Raises:
        ConfigError: The model has no graph of layers, or no such head; the text names what is in the way.
    """
    ends = outputs_of(model)
    head = _named(ends, layer, model) if layer else _last(ends, model)
    kernel, bias = _weights(head)
    spot = head.before
    while spot and (step := producer(spot)) and _is_silent(step.layer):
        spot = step.before
    pool = producer(spot) if spot else None
    found = pool.before if pool and _is_global_average(pool) else None
    on_the_map = found is None and spot is not None and len(spot.tensor.shape) == 4
    if on_the_map and (averaged := [way for end in ends if (way := _up_to_average(head, end)) is not None]):
        found = spot
        _warn_of_activation(head, averaged[0], model)
    if found is None:
        raise _not_pooled(head, model)
    if found.tensor.shape[-1] != len(kernel):
        raise ConfigError(
            f"The head '{head.layer.name}' of '{model.name}' takes {len(kernel)} numbers, but its feature map has "
            f"{found.tensor.shape[-1]} channels.",
            expected="one number for each channel, with the channels last",
            fix="leave out the Reshape before the head; for channels_first, build the network with channels_last",
        )
    return Head(in_the_model(found), kernel, bias, head.layer.name)


def _last(ends: list[Spot], model: keras.Model) -> Step:
    if len(ends) > 1:
        raise ConfigError(
            f"'{model.name}' has {len(ends)} outputs: {listing([end.tensor.name for end in ends])}.",
            expected="one output, or the name of the head",
            fix=f"name the head: layer=NAME, one of {listing(_candidates(ends))}",
        )
    step = producer(ends[0])
    while step and _is_passed_over(step) and step.before:
        step = producer(step.before)
    if step is None or not isinstance(step.layer, layers.Dense | layers.Conv2D):
        what = f"layer '{step.layer.name}' ({_kind(step.layer)})" if step else "nothing with weights"
        raise ConfigError(
            f"'{model.name}' ends in {what}, which is no linear head.",
            expected=_EXPECTED,
            fix=f"name the head: layer=NAME, one of {listing(_candidates(ends)) or 'none here'}",
        )
    return step


def _named(ends: list[Spot], name: str, model: keras.Model) -> Step:
    steps = {step.layer.name: step for end in ends for step in all_steps(end)}
    if name not in steps:
        known = _candidates(ends)
        raise ConfigError(
            f"'{model.name}' has no layer '{name}'.{nearest(name, known)}",
            expected=f"one of {listing(known)}" if known else "a model with a Dense or 1x1 Conv2D layer",
            fix="leave the layer out: the last one is then taken",
        )
    return steps[name]


def _candidates(ends: list[Spot]) -> list[str]:
    """Names of the layers that could be heads, the last first."""
    found = [step.layer for end in ends for step in all_steps(end)]
    names = [one.name for one in found if isinstance(one, layers.Dense) or _is_pointwise(one)]
    return list(dict.fromkeys(reversed(names)))


def _weights(head: Step) -> tuple[np.ndarray, np.ndarray]:
    """W `[C, K]` and b `[K]`, float64."""
    layer = head.layer
    if not isinstance(layer, layers.Dense) and not _is_pointwise(layer):
        detail = _kind(layer)
        if isinstance(layer, layers.Conv2D):
            detail += f", kernel {layer.kernel_size}, strides {layer.strides}, groups {layer.groups}"
        raise ConfigError(
            f"Layer '{layer.name}' ({detail}) is no linear head.",
            expected="a Dense, or a Conv2D with kernel 1x1, strides 1, one group and channels last",
            fix="name another layer, or leave the layer out",
        )
    kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel), np.float64)
    kernel = kernel.reshape(-1, kernel.shape[-1])
    if layer.bias is None:
        return kernel, np.zeros(kernel.shape[1])
    return kernel, np.asarray(keras.ops.convert_to_numpy(layer.bias), np.float64)


def _is_pointwise(layer: Any) -> bool:
    return (
        isinstance(layer, layers.Conv2D)
        and tuple(layer.kernel_size) == (1, 1)
        and tuple(layer.strides) == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
    )


def _is_silent(layer: Any) -> bool:
    """Whether a layer leaves the numbers as they are in inference."""
    linear = isinstance(layer, layers.Activation) and layer.activation is keras.activations.linear
    return linear or isinstance(layer, _SHAPE_ONLY) or type(layer).__name__ in _SHAPE_OPERATIONS


def _is_passed_over(step: Step) -> bool:
    """Whether a call may come behind the head."""
    layer = step.layer
    answers = isinstance(layer, layers.Softmax) or type(layer).__name__ in _PROBABILITIES
    return _is_silent(layer) or answers or is_activation(layer) or _is_global_average(step)


def _is_global_average(step: Step) -> bool:
    layer = step.layer
    if isinstance(layer, layers.GlobalAveragePooling2D):
        return bool(layer.data_format == "channels_last")
    if len(step.call.inputs) != 1 or len(step.call.inputs[0].shape) != 4:
        return False
    side = tuple(step.call.inputs[0].shape[1:3])
    if isinstance(layer, layers.AveragePooling2D):
        return tuple(layer.pool_size) == side and tuple(step.call.outputs[0].shape[1:3]) == (1, 1)
    axes = getattr(layer, "axis", None) if type(layer).__name__ == "Mean" else None
    return isinstance(axes, tuple | list) and {axis % 4 for axis in axes} == {1, 2}


def _up_to_average(head: Step, end: Spot) -> list[Step] | None:
    """What lies between a head on the map and the average over the map behind it; None where none is taken."""
    between: list[Step] | None = None
    step = producer(end)
    while step and step.call is not head.call:
        if not _is_passed_over(step) or step.before is None:
            return None
        if _is_global_average(step):
            between = []
        elif between is not None:
            between.append(step)
        step = producer(step.before)
    return between if step else None


def _warn_of_activation(head: Step, between: list[Step], model: keras.Model) -> None:
    own = [head] if getattr(head.layer, "activation", None) not in (None, keras.activations.linear) else []
    if curved := own + [step for step in between if not _is_silent(step.layer)]:
        _log.warning(
            "'%s' averages its class scores over the map after '%s': W^T GAP(X) + b, without that activation, is not "
            "what it computes itself",
            model.name,
            curved[0].layer.name,
        )


def _not_pooled(head: Step, model: keras.Model) -> ConfigError:
    """Names what lies between the pooling, or the last map, and the head."""
    chain = []
    step = producer(head.before) if head.before else None
    while step and not _is_global_average(step):
        chain.append(step)
        step = producer(step.before) if step.before else None
    if not step:
        on_vectors = [len(one.output.tensor.shape) != 4 for one in chain]
        chain = chain[: on_vectors.index(False) if False in on_vectors else None]
    before = f"the pooling '{step.layer.name}'" if step else "the last feature map"
    listed = ", ".join(f"{one.layer.name} ({_kind(one.layer)})" for one in reversed(chain))
    why = f"between {before} and the head lie {listed}" if chain else "nothing averages it over the map"
    return ConfigError(
        f"The head '{head.layer.name}' of '{model.name}' is not linear in a feature map: {why}.",
        expected=_EXPECTED,
        fix="take a network that ends so (MobileNet, ResNet, DenseNet), or name another head: layer=NAME",
    )


def _kind(layer: Any) -> str:
    name = type(layer).__name__
    if isinstance(layer, layers.Activation):
        return f"{name} {getattr(layer.activation, '__name__', '')}".strip()
    return f"{name} channels_first" if getattr(layer, "data_format", "") == "channels_first" else name
