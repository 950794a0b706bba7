"""Walking back through a functional model, in and out of the models that are nested in it as layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from zoo.backbones.build import InferenceNetwork
from zoo.errors import ConfigError
from zoo.surgery.graph import Call, Graph, Segment, graph_of, rerun


@dataclass(frozen=True, eq=False)
class Spot:
    """A tensor in a model, or in a model nested in it.

    Attributes:
        tensor: The symbolic tensor.
        graph: Of the innermost model that it lies in.
        inside: The calls of the nested models around it with the graphs that these calls are in, outermost first.
    """

    tensor: Any
    graph: Graph
    inside: tuple[tuple[Graph, Call], ...] = ()


@dataclass(frozen=True, eq=False)
class Step:
    """A call of a layer that is no model, and the tensor that it gives."""

    call: Call
    output: Spot

    @property
    def layer(self) -> Any:
        """The layer, or the operation of `keras.ops`."""
        return self.call.layer

    @property
    def before(self) -> Spot | None:
        """What goes into the layer; None where branches come together."""
        if len(self.call.inputs) != 1:
            return None
        return Spot(self.call.inputs[0], self.output.graph, self.output.inside)


def outputs_of(model: keras.Model) -> list[Spot]:
    """Returns the output tensors of a functional model.

    Raises:
        ConfigError: The model has no graph, or several inputs.
    """
    if len(getattr(model, "outputs", None) or []) < 2:
        graphs = [graph_of(model)]
    else:
        graphs = [graph_of(keras.Model(model.inputs, output, name=model.name)) for output in model.outputs]
    return [Spot(graph.output, graph) for graph in graphs]


def producer(spot: Spot) -> Step | None:
    """Returns the call that made a tensor; None at the input of the model."""
    while True:
        if spot.tensor is spot.graph.input:
            if not spot.inside:
                return None
            (graph, call), around = spot.inside[-1], spot.inside[:-1]
            spot = Spot(call.inputs[0], graph, around)
            continue
        call = next(c for c in spot.graph.calls if any(spot.tensor is tensor for tensor in c.outputs))
        if not isinstance(call.layer, keras.Model):
            return Step(call, spot)
        within = graph_of(call.layer)
        spot = Spot(within.output, within, (*spot.inside, (spot.graph, call)))


def all_steps(spot: Spot) -> Iterator[Step]:
    """Yields every call that a tensor depends on, also those within nested models; opaque models are one call."""
    for call in spot.graph.calls:
        try:
            within = graph_of(call.layer) if isinstance(call.layer, keras.Model) else None
        except ConfigError:
            within = None
        if within is None:
            yield Step(call, Spot(call.outputs[0], spot.graph, spot.inside))
        else:
            yield from all_steps(Spot(within.output, within, (*spot.inside, (spot.graph, call))))


def in_the_model(spot: Spot) -> Any:
    """Returns the tensor as one of the outermost model, computed by the nested models up to that tensor."""
    while spot.inside:
        (graph, call), around = spot.inside[-1], spot.inside[:-1]
        entered = call.inputs[0]
        if spot.tensor is spot.graph.input:
            spot = Spot(entered, graph, around)
        else:
            part = _up_to(spot, call.layer)
            spot = Spot(rerun([Segment((call,), entered, call.outputs[0])], entered, part), graph, around)
    return spot.tensor


def _up_to(spot: Spot, model: keras.Model) -> Callable[[Any], Any]:
    """What takes the place of a nested model; it runs in the same mode, by its class and by how it is called."""
    kind = InferenceNetwork if isinstance(model, InferenceNetwork) else keras.Model
    part = kind(spot.graph.input, spot.tensor, name=model.name)
    return lambda _: part
