"""New layers from the configuration of old ones, and their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras

from zoo.errors import ConfigError


def clone_layer(layer: Any, changes: Mapping[str, Any]) -> Any:
    """Makes a new, unbuilt layer of the same name from a layer's configuration.

    Args:
        layer: A layer; a `keras.ops` operation has no state and is returned itself.
        changes: Entries of the configuration to replace, where the configuration has them.

    Raises:
        ConfigError: The layer cannot be made from its configuration (Lambda, no `get_config`).
    """
    if not isinstance(layer, keras.layers.Layer):
        return layer
    try:
        config = layer.get_config()
        replaced = {key: value for key, value in changes.items() if key in config}
        return type(layer).from_config({**config, **replaced})
    except Exception as problem:  # whatever a foreign get_config or __init__ raises
        raise _cannot(layer, problem) from problem


def clone_nested(model: keras.Model, clone: Callable[[Any], Any]) -> keras.Model:
    """Makes a new model of the same name from a model that is nested as a layer, `clone` making its layers.

    Raises:
        ConfigError: The model is subclassed: it has no graph of layers.
    """
    try:
        return keras.models.clone_model(model, clone_function=clone, recursive=True)
    except ConfigError:
        raise
    except Exception as problem:  # keras refuses with a bare ValueError
        raise _cannot(model, problem) from problem


def give_weights(target: keras.Layer, weights: Sequence[Any]) -> None:
    """Sets the weights of a layer or model, and what its layers have made of their weights.

    `keras.layers.Normalization` computes with constants that it made when it was built: `set_weights` alone leaves
    it as it was.
    """
    target.set_weights(weights)
    for layer in flat_layers(target):
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def flat_layers(layer: Any) -> Iterator[Any]:
    """Yields a layer, or all layers within a model, in nested ones too."""
    if not isinstance(layer, keras.Model):
        yield layer
        return
    for inner in layer.layers:
        yield from flat_layers(inner)


def _cannot(layer: Any, problem: Exception) -> ConfigError:
    reason = str(problem).strip().splitlines() or [type(problem).__name__]
    return ConfigError(
        f"Layer '{layer.name}' ({type(layer).__name__}) cannot be made anew: {reason[0]}",
        expected="a layer that its get_config() describes completely",
        fix="replace it by a registered keras.layers.Layer with get_config(), or build the student block yourself",
    )
