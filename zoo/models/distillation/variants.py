"""Post-training variants of a classifier: its weights in fewer bits, without further training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from zoo.errors import ConfigError, ExportError
from zoo.models.distillation.classifier import Classifier
from zoo.surgery.clone import clone_layer, clone_nested, flat_layers, give_weights

_LARGEST_HALF = float(np.finfo(np.float16).max)


@keras.saving.register_keras_serializable("mizoo")
class HalfWeights(keras.DTypePolicy):
    """Weights are stored in float16 and cast to the policy's type where a layer computes.

    Unlike Keras' policy "float16" it computes as before: no activation overflows, and processors without
    half-precision arithmetic are not slowed down. In a `.keras` file Keras keeps of a policy its name alone: such a
    layer is read back with the same, rounded, weights in 32 bits. A SavedModel holds them in 16.

    Args:
        name: The type to compute in, e.g. "float32".
    """

    @property
    def variable_dtype(self) -> str:
        """Always float16."""
        return "float16"


@dataclass(frozen=True)
class Lowered:
    """What of a network is stored in fewer bits than 32.

    Attributes:
        layers: Names of the layers.
        share: Of the network's parameters, 0..1.
    """

    layers: tuple[str, ...]
    share: float


def make_variant(model: Classifier, kind: str) -> Classifier:
    """Returns a copy of a classifier with its weights in fewer bits.

    float16: kernels and biases of all layers with a kernel, convolutions too, see `HalfWeights`; batch
        normalisation, which has no kernel, stays as it is. Files are half as large; speed is about the same.
    int8: `keras.Model.quantize("int8")`: kernels in int8 with one scale per unit, activations quantised on the fly.
        Keras 3.15 quantises Dense, EinsumDense and Embedding layers alone; **convolutions stay in float32**, so that
        of a VGG it is the two dense layers. `lowered` tells what became of a network.

    Args:
        model: Trained, with float32 weights. It is not changed.
        kind: "float16" or "int8".

    Returns:
        For inference and export.

    Raises:
        ConfigError: There is no such variant, the model is a variant already, or a layer cannot be copied.
        ExportError: A weight is too large for float16, or no layer can be quantised.
    """
    if kind not in VARIANTS:
        raise ConfigError(
            f"There is no variant '{kind}'.",
            expected=" or ".join(VARIANTS),
            fix=f"ask for {next(iter(VARIANTS))}",
        )
    if done := lowered(model.network).layers:
        raise ConfigError(
            f"'{model.name}' has weights of fewer than 32 bits already, in {len(done)} layers such as '{done[0]}'.",
            expected="a classifier as it was trained",
            fix="make the variant of the original",
        )
    network = VARIANTS[kind](model.network)
    return Classifier(network, classes=model.classes, cuts=model.cuts, name=model.name)


def lowered(network: keras.Model) -> Lowered:
    """Tells what of a network is stored in fewer bits than 32."""
    found, few, parameters = [], 0, 0
    for layer in flat_layers(network):
        sizes = [(int(np.prod(w.shape)), _bits(w) < 32) for w in layer.weights]
        parameters += sum(size for size, _ in sizes)
        few += sum(size for size, low in sizes if low)
        if any(low for _, low in sizes):
            found.append(layer.name)
    return Lowered(tuple(found), few / parameters if parameters else 0.0)


def _half(network: keras.Model) -> keras.Model:
    for layer in flat_layers(network):
        _check_range(layer)

    def halved(layer: Any) -> Any:
        return clone_layer(layer, {"dtype": HalfWeights(layer.compute_dtype)} if _has_kernel(layer) else {})

    return _copy(network, halved)


def _int8(network: keras.Model) -> keras.Model:
    quantised = _copy(network, lambda layer: clone_layer(layer, {}))
    able = {layer.name for layer in flat_layers(quantised) if _quantises(layer)}
    if not able:
        raise ExportError(
            f"Keras {keras.__version__} quantises none of the layers of '{network.name}' to int8.",
            expected="a Dense, EinsumDense or Embedding layer; convolutions are not quantised",
            fix="take the variant float16, or quantise the TFLite file",
        )
    quantised.quantize("int8", filters=_quantises)
    return quantised


VARIANTS: dict[str, Callable[[keras.Model], keras.Model]] = {"float16": _half, "int8": _int8}


def _copy(network: keras.Model, clone: Callable[[Any], Any]) -> keras.Model:
    copy = clone_nested(network, clone)
    give_weights(copy, network.get_weights())
    return copy


def _has_kernel(layer: Any) -> bool:
    # Batch normalisation has vectors alone: hardly any bytes, and variances that float16 rounds to 0.
    return isinstance(layer, keras.Layer) and any(len(weight.shape) > 1 for weight in layer.weights)


def _check_range(layer: Any) -> None:
    if not _has_kernel(layer):
        return
    largest = max(float(np.abs(weight).max()) for weight in layer.get_weights())
    if not largest <= _LARGEST_HALF:
        raise ExportError(
            f"Layer '{layer.name}' has a weight of size {largest:g}.",
            expected=f"weights of at most {_LARGEST_HALF:g}, the largest float16",
            fix="leave out the variant float16; weights as large as this point to a training that diverged",
        )


def _quantises(layer: Any) -> bool:
    return type(layer).quantize is not keras.Layer.quantize


def _bits(weight: Any) -> int:
    return 8 * keras.ops.convert_to_numpy(weight.value).dtype.itemsize
