"""The identity of a network's weights, for cache keys and cards."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def backbone_digest(model: Any, without: Sequence[str] = ()) -> str:
    """Returns the SHA-256 of a model's weights, the same in every process and on every backend.

    Names are left out, because Keras counts them per process; order, dtype, shape and values count. Layers
    that keep weights outside Keras (`hub:`) give a digest of their own.

    Args:
        model: A Keras model, e.g. of `build_backbone`.
        without: Names of layers of the model whose weights do not count, e.g. because they follow from others.

    Returns:
        64 hexadecimal digits.
    """
    import keras

    digest = hashlib.sha256()

    def add(array: Any) -> None:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())

    left_out = {id(variable) for layer in model.layers if layer.name in without for variable in layer.weights}
    for variable in (one for one in model.weights if id(one) not in left_out):
        add(keras.ops.convert_to_numpy(variable))
    for layer in _layers(model):
        if hasattr(layer, "foreign_digest"):
            digest.update(layer.foreign_digest().encode())
    return digest.hexdigest()


def _layers(model: Any) -> Iterator[Any]:
    """The layers of a model, each model in it followed by its own."""
    import keras

    for layer in model.layers:
        yield layer
        yield from _layers(layer) if isinstance(layer, keras.Model) else ()


def network_digest(model: Any) -> str:
    """Returns the SHA-256 of what a network's layers are: kinds, settings, output shapes; not their names."""
    import keras

    described: list[Any] = []
    for layer in _layers(model):
        if not isinstance(layer, keras.Model):
            config = {name: value for name, value in layer.get_config().items() if name != "name"}
            shapes = [str(tensor.shape) for tensor in keras.tree.flatten(layer.output)]
            described.append([type(layer).__name__, config, shapes])
    return hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode()).hexdigest()
