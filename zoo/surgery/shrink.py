"""A block with fewer units: the student's block, derived from the teacher's."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import keras

from zoo.errors import ConfigError
from zoo.surgery.clone import clone_layer, clone_nested, give_weights
from zoo.surgery.graph import graph_of, input_like, rerun
from zoo.surgery.units import Unit, units

log = logging.getLogger(__name__)


def removable(block: keras.Model) -> int:
    """Returns how many units `shrink` can take out of a block: those that keep the shape, but never all units."""
    every = units(block)
    return max(0, min(sum(unit.keeps_shape for unit in every), len(every) - 1))


def shrink(block: keras.Model, remove: int = 1, *, dtype: Any = None) -> keras.Model:
    """Makes a new block that has fewer convolutions and the same input and output shape.

    Units (see `zoo.surgery.units`) whose input shape equals their output shape are left out, the last such first;
    at least one unit stays. Where fewer than `remove` can go, as many as can are left out, and it is logged.

    Args:
        block: As `partition` gives it; it is not changed, and nothing is shared with it.
        remove: How many units to leave out.
        dtype: Policy of the new layers from the first one with weights on; None keeps the block's own.

    Returns:
        A flat functional model of the same name with new layers of the same names and freshly initialised weights,
        all of them trainable. Layers that have nothing to train, e.g. a scaling by the statistics of the training
        set, keep their values.

    Raises:
        ConfigError: `remove` is below 1, no unit can be left out, or a layer cannot be made from its configuration.
    """
    if remove < 1:
        raise ConfigError(
            f"remove is {remove}.", expected="1 or more", fix="keep the block itself where nothing is removed"
        )
    possible = removable(block)
    if not possible:
        shapes = ", ".join(
            f"{unit.name} {unit.input_shape[1:]} -> {unit.output_shape[1:]}" for unit in units(block)
        )
        raise ConfigError(
            f"No unit of block '{block.name}' can be left out: {shapes or 'it has no convolution'}.",
            expected="two or more units, one of which keeps the shape of its input",
            fix="keep the block as it is (removable(block) is 0), or build the student block yourself",
        )
    if possible < remove:
        log.info("block %s: %d units left out, not %d: no other can go", block.name, possible, remove)
    keeping = [unit for unit in units(block) if unit.keeps_shape]
    return _without(block, keeping[-min(remove, possible) :], dtype)


def renew(part: keras.Model, *, dtype: Any = None) -> keras.Model:
    """Makes a new part of the same layers, with nothing left out; weights and `dtype` as in `shrink`."""
    return _without(part, [], dtype)


def _without(block: keras.Model, left_out: Sequence[Unit], dtype: Any) -> keras.Model:
    dropped = {id(segment.output) for unit in left_out for segment in unit.segments}
    graph = graph_of(block)
    kept = [segment for segment in graph.segments() if id(segment.output) not in dropped]
    start = input_like(graph.input, graph.input_name)
    fresh = _FreshLayers(dtype)
    student = keras.Model(start, rerun(kept, start, fresh), name=block.name)
    fresh.keep_statistics()
    return student


def copy_first_layers(teacher_block: keras.Model, student_block: keras.Model) -> int:
    """Copies the teacher's weights into the student's layers of the same names and shapes.

    The trivial student: the teacher's first layers, without any distillation.

    Returns:
        How many layers with weights were copied.
    """
    own = {layer.name: layer for layer in teacher_block.layers}
    copied = 0
    for layer in student_block.layers:
        source = own.get(layer.name)
        if source is None or not layer.weights:
            continue
        if [weight.shape for weight in layer.weights] == [weight.shape for weight in source.weights]:
            give_weights(layer, source.get_weights())
            copied += 1
    return copied


class _FreshLayers:
    """layer -> a new layer of its configuration, trainable also where the teacher is frozen."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.pairs = dtype, list[tuple[Any, Any]]()

    def __call__(self, layer: Any) -> Any:
        if isinstance(layer, keras.Model):
            return clone_nested(layer, self)
        # A scaling of pixels comes before all weights: it needs every bit that it has.
        begun = any(old.weights for old, _ in self.pairs) or bool(layer.weights)
        changes = {"dtype": self.dtype} if self.dtype is not None and begun else {}
        new = clone_layer(layer, {"trainable": True, **changes})
        self.pairs.append((layer, new))
        return new

    def keep_statistics(self) -> None:
        """Copies the weights of layers that have weights and none to train."""
        for old, new in self.pairs:
            if isinstance(new, keras.layers.Layer) and new.weights and not new.trainable_weights:
                give_weights(new, old.get_weights())
