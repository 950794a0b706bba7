"""A network without models nested in it, for pictures of a known size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from zoo.errors import ConfigError
from zoo.surgery.graph import Graph, graph_of, rerun


def flat(
    model: keras.Model,
    *,
    image_size: int | None = None,
    layer_of: Callable[[Any], Any | None] = lambda layer: layer,
) -> keras.Model:
    """Makes a functional model whose layers are those of a model and of the models nested in it.

    What most people train is a backbone of keras.applications, called as one layer, with a head: only its own layers
    can be cut between. How a nested model is called (`backbone(x, training=False)`) is forgotten: a teacher always
    answers as in inference, and a student is to learn its statistics.

    Args:
        model: Functional or sequential, with one input and one output. Its layers are shared, not copied; a nested
            one whose name is taken already is renamed, in the model too: the name of its own model comes before it.
        image_size: Height and width in pixels, where the model leaves both open.
        layer_of: As in `zoo.surgery.graph.rerun`; None leaves a layer out.

    Raises:
        ConfigError: The model has no graph, or several inputs or outputs.
    """
    graph = graph_of(model)
    shape = tuple(graph.input.shape)
    if image_size is not None and len(shape) == 4 and shape[1:3] == (None, None):
        shape = (shape[0], image_size, image_size, shape[3])
    start = keras.Input(batch_shape=shape, dtype=graph.input.dtype, name=graph.input_name)
    names = _Names(graph.input_name)

    def inside(layer: Any, owner: str = "") -> Any | None:
        nested = _graph(layer)
        if nested is None:
            names.take(layer, owner)
            return layer_of(layer)

        def call(x: Any, training: Any = None, mask: Any = None) -> Any:
            del training, mask
            return rerun(nested.segments(), x, lambda inner: inside(inner, layer.name))

        return call

    return keras.Model(start, rerun(graph.segments(), start, inside), name=model.name)


def _graph(layer: Any) -> Graph | None:
    """The calls of a nested model; None of a layer, and of a model that has none, which stays one layer."""
    if not isinstance(layer, keras.Model):
        return None
    try:
        return graph_of(layer)
    except ConfigError:
        return None


class _Names:
    """The names that are taken."""

    def __init__(self, *taken: str) -> None:
        self._taken, self._seen = set(taken), set[int]()

    def take(self, layer: Any, owner: str) -> None:
        if id(layer) in self._seen:
            return
        self._seen.add(id(layer))
        while owner and layer.name in self._taken:
            layer.name = f"{owner}_{layer.name}"
        self._taken.add(layer.name)
