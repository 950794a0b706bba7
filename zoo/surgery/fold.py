"""Batch normalisation folded into the layer before it, for inference (Jacob et al. 2018, section 3.2)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from zoo.layers.fused_batch_normalization import FusedBatchNormalization
from zoo.surgery.clone import clone_layer
from zoo.surgery.graph import Call, Graph, graph_of, input_like, rerun

_FOLDABLE = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
_NORMS = (layers.BatchNormalization, FusedBatchNormalization)


def fold_batch_norm(model: keras.Model) -> keras.Model:
    """Makes a model for inference in which batch normalisation is part of the layer before it.

    With scale s = gamma / sqrt(variance + epsilon): kernel' = kernel * s, bias' = (bias - mean) * s + beta.

    A Conv2D, DepthwiseConv2D or Dense is folded where it is called once, has no activation of its own, and a batch
    normalisation of its channels is the only consumer of its output. Other normalisations stay.

    Args:
        model: Functional or sequential. It is not changed.

    Returns:
        A flat functional model that gives the same in inference. The folded layers are new, with a bias, and keep
        their names; all others are shared with `model`. It is not for training.
    """
    graph = graph_of(model)
    pairs = _foldable(graph)
    dropped = {id(norm) for _, norm in pairs.values()}
    folded: dict[int, Any] = {}

    def layer_of(layer: Any) -> Any | None:
        if id(layer) in dropped:
            return None
        if id(layer) in pairs:
            folded[id(layer)] = clone_layer(layer, {"use_bias": True})
            return folded[id(layer)]
        return layer

    start = input_like(graph.input, graph.input_name)
    result = keras.Model(start, rerun(graph.segments(), start, layer_of), name=f"{model.name}_folded")
    for key, new in folded.items():
        new.set_weights(_weights(*pairs[key]))
    return result


def _foldable(graph: Graph) -> dict[int, tuple[Any, Any]]:
    """Returns the layers to fold and their normalisations, by the `id` of the layer."""
    consumers = graph.consumers()
    times: dict[int, int] = {}
    for call in graph.calls:
        times[id(call.layer)] = times.get(id(call.layer), 0) + 1
    pairs = {}
    for call in graph.calls:
        after = consumers.get(id(call.outputs[0]), [])
        alone = len(after) == 1 and call.outputs[0] is not graph.output
        if alone and _fits(call, after[0]) and times[id(call.layer)] == times[id(after[0].layer)] == 1:
            pairs[id(call.layer)] = (call.layer, after[0].layer)
    return pairs


def _fits(call: Call, after: Call) -> bool:
    layer, norm = call.layer, after.layer
    # A subclass may compute something else, and a quantised kernel is no longer a float.
    if type(layer) not in _FOLDABLE or type(norm) not in _NORMS:
        return False
    if layer.activation is not keras.activations.linear or layer.quantization_mode is not None:
        return False
    rank = len(call.outputs[0].shape)
    channels = 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1
    return norm.axis % rank == channels


def _weights(layer: Any, norm: Any) -> list[np.ndarray]:
    """Returns kernel and bias of the folded layer, computed in float64."""
    array = keras.ops.convert_to_numpy
    mean, variance = (array(value).astype("float64") for value in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * array(norm.gamma)
    bias = array(layer.bias).astype("float64") if layer.use_bias else np.zeros_like(mean)
    offset = array(norm.beta) if norm.center else 0.0
    kernel = array(layer.kernel).astype("float64")
    # A depthwise kernel is [height, width, channels, multiplier]; its output channel is their product.
    factors = scale.reshape(kernel.shape[2:]) if isinstance(layer, layers.DepthwiseConv2D) else scale
    return [(kernel * factors).astype("float32"), ((bias - mean) * scale + offset).astype("float32")]
