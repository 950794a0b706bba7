"""Multiply-adds of a network: the field's measure of its cost."""

from __future__ import annotations

import logging
import math
from typing import Any

import keras
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.graph import Call, graph_of, input_like, rerun

log = logging.getLogger(__name__)

# The number of products of one kernel with one place of the map: inner loops are equal over all places.
_AT_EACH_OUTPUT = (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv2D)

# Layers with products that only looking inside would find.
_NOT_COUNTED = (
    layers.Wrapper,
    layers.RNN,
    layers.Attention,
    layers.MultiHeadAttention,
    layers.GroupQueryAttention,
)


def multiply_adds(model: keras.Model) -> int:
    """Counts the multiply-adds of one forward pass for one example.

    By the field's convention only convolutions and dense layers count; biases, normalisation, activations, pooling
    and pixel scaling count 0, and a multiply with its add counts as one. ResNet50 at 224 has 3.9 G, not 7.7 G.

    Args:
        model: Functional or sequential, with one input and one output and known height and width. Nested models
            are counted inside.

    Raises:
        ConfigError: A size that the count needs is open (None).
    """
    return sum(layer_multiply_adds(model).values())


def layer_multiply_adds(model: keras.Model) -> dict[str, int]:
    """Counts the multiply-adds of every layer that has any, as `multiply_adds` does.

    Returns:
        layer name -> multiply-adds, in the order of the calls; `nested/layer` for the layers of nested models. A
        layer that is called twice counts twice.
    """
    found: dict[str, int] = {}
    for call in graph_of(model).calls:
        if isinstance(call.layer, _NOT_COUNTED):
            log.warning(
                "the multiply-adds of '%s' are without those of layer '%s': a %s is not counted",
                model.name,
                call.layer.name,
                type(call.layer).__name__,
            )
        inner = (
            _nested(call) if isinstance(call.layer, keras.Model) else {call.layer.name: _count(call, model)}
        )
        for name, count in inner.items():
            if count:
                found[name] = found.get(name, 0) + count
    return found


def _nested(call: Call) -> dict[str, int]:
    """Counts a nested model for the sizes that it is called with, which its own input may leave open."""
    graph = graph_of(call.layer)
    start = input_like(call.inputs[0], graph.input_name)
    called = keras.Model(start, rerun(graph.segments(), start), name=call.layer.name)
    return {f"{call.layer.name}/{name}": count for name, count in layer_multiply_adds(called).items()}


def _count(call: Call, model: keras.Model) -> int:
    layer = call.layer
    if isinstance(layer, _AT_EACH_OUTPUT):
        return math.prod(layer.kernel.shape) * _places(call, call.outputs[0], model)
    if isinstance(layer, layers.SeparableConv2D):
        kernels = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
        return kernels * _places(call, call.outputs[0], model)
    if isinstance(layer, layers.Conv2DTranspose):
        return math.prod(layer.kernel.shape) * _places(call, call.inputs[0], model)
    if isinstance(layer, layers.Dense):
        rows = _known(call, call.inputs[0].shape[1:-1], model)
        return math.prod(layer.kernel.shape) * rows
    return 0


def _places(call: Call, tensor: Any, model: keras.Model) -> int:
    """How many places a feature map has: its height times its width."""
    first = call.layer.data_format == "channels_first"
    return _known(call, tensor.shape[2:] if first else tensor.shape[1:-1], model)


def _known(call: Call, sizes: tuple[int | None, ...], model: keras.Model) -> int:
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        raise ConfigError(
            f"The multiply-adds of '{model.name}' depend on the image: layer '{call.layer.name}' works at {sizes}.",
            expected="an input with known height and width",
            fix="build the network on keras.Input((height, width, channels))",
        )
    return math.prod(known)
