"""The calls of a functional Keras model in order, and the cut points between which it falls into segments.

All access to private parts of Keras is in this file: `tensor._keras_history`, `operation._inbound_nodes` and
`node.arguments`, by which Keras itself clones and saves functional models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from zoo.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer (or of a `keras.ops` operation) in a model's graph.

    Attributes:
        layer: The layer. One that is shared appears in several calls.
        inputs: Symbolic tensors that go in.
        outputs: Symbolic tensors that come out.
        arguments: Keras' record of the other arguments.
    """

    layer: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    arguments: Any


@dataclass(frozen=True, eq=False)
class Segment:
    """What lies between two consecutive cut points.

    Attributes:
        calls: In an order in which they can be computed. More than one call means branches.
        input: The cut point before.
        output: The cut point after.
    """

    calls: tuple[Call, ...]
    input: Any
    output: Any

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers that are called."""
        return tuple(call.layer for call in self.calls)

    @property
    def branches(self) -> bool:
        """Whether several calls lie between the two cut points."""
        return len(self.calls) > 1

    @property
    def name(self) -> str:
        """The name of the layer whose output is the cut point."""
        return next(
            call.layer.name for call in self.calls if any(tensor is self.output for tensor in call.outputs)
        )


@dataclass(frozen=True, eq=False)
class Graph:
    """A model with one input and one output, in the order of its calls.

    Attributes:
        calls: Every call that the output depends on; a nested model is one call.
        input: The model's symbolic input.
        output: The model's symbolic output.
        input_name: The name of the input layer.
    """

    calls: tuple[Call, ...]
    input: Any
    output: Any
    input_name: str

    def segments(self) -> tuple[Segment, ...]:
        """Cuts the graph at every tensor through which all paths from the input to the output pass.

        In any order in which the calls can be computed, such a tensor is the only one that is still needed
        later: one pass over the calls finds all of them.
        """
        last_use = {id(tensor): place for place, call in enumerate(self.calls) for tensor in call.inputs} | {
            id(self.output): len(self.calls)
        }
        alive: set[int] = {id(self.input)}
        segments: list[Segment] = []
        start, before = 0, self.input
        for place, call in enumerate(self.calls):
            alive -= {id(tensor) for tensor in call.inputs if last_use[id(tensor)] == place}
            alive |= {id(tensor) for tensor in call.outputs if last_use.get(id(tensor), -1) > place}
            after = next((tensor for tensor in call.outputs if alive == {id(tensor)}), None)
            if after is not None:
                segments.append(Segment(self.calls[start : place + 1], before, after))
                start, before = place + 1, after
        return tuple(segments)

    def consumers(self) -> dict[int, list[Call]]:
        """The calls that each tensor goes into, by the `id` of the tensor."""
        found: dict[int, list[Call]] = {}
        for call in self.calls:
            for tensor in call.inputs:
                found.setdefault(id(tensor), []).append(call)
        return found


def graph_of(model: keras.Model) -> Graph:
    """Reads the graph of a functional or sequential model.

    Args:
        model: With one input tensor and one output tensor.

    Raises:
        ConfigError: The model has no graph (subclassed, or sequential and not built), or several inputs or outputs.
    """
    try:
        inputs, outputs = list(model.inputs), list(model.outputs)
    except (AttributeError, ValueError, TypeError):
        raise ConfigError(
            f"'{model.name}' ({type(model).__name__}) has no graph of layers.",
            expected="a functional keras.Model, or a built keras.Sequential",
            fix="build it as keras.Model(inputs, outputs), or give its functional part",
        ) from None
    if len(inputs) != 1 or len(outputs) != 1:
        raise ConfigError(
            f"'{model.name}' has {_counted(inputs, 'input')} and {_counted(outputs, 'output')}.",
            expected="one input tensor and one output tensor",
            fix="give the convolutional part alone: keras.Model(one_input, one_output)",
        )
    calls = tuple(_ordered(inputs[0], outputs[0]))
    return Graph(calls, inputs[0], outputs[0], inputs[0]._keras_history.operation.name)


def rerun(
    segments: Iterable[Segment], x: Any, layer_of: Callable[[Any], Any | None] = lambda layer: layer
) -> Any:
    """Calls the layers of a chain of segments again, or others in their place.

    Args:
        segments: In their order. Some may be left out where the shapes still fit.
        x: What goes into the first, e.g. a `keras.Input`.
        layer_of: layer -> the layer to call, itself by default; None leaves the call out and passes on its first
            input. Asked once for each layer, so that a shared layer stays shared.

    Returns:
        What comes out of the last segment; `x` where there is none.
    """
    chosen: dict[int, Any] = {}
    for segment in segments:
        tensors = {id(segment.input): x}
        for call in segment.calls:
            if id(call.layer) not in chosen:
                chosen[id(call.layer)] = layer_of(call.layer)
            layer = chosen[id(call.layer)]
            if layer is None:
                tensors[id(call.outputs[0])] = tensors[id(call.inputs[0])]
                continue
            positional, named = call.arguments.fill_in(tensors)
            results = keras.tree.flatten(layer(*positional, **named))
            tensors |= {id(old): new for old, new in zip(call.outputs, results, strict=True)}
        x = tensors[id(segment.output)]
    return x


def input_like(tensor: Any, name: str) -> Any:
    """Returns a `keras.Input` of a symbolic tensor's shape and dtype."""
    return keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=name)


def _ordered(source: Any, target: Any) -> Iterator[Call]:
    """Yields every call between two tensors after the calls that it depends on.

    A depth-first walk from the output; a tensor comes back to the top of the stack once its parents are done.
    """
    done: set[int] = set()
    stack: list[tuple[Any, bool]] = [(target, False)]
    while stack:
        tensor, ready = stack.pop()
        if tensor is source:
            continue
        history = tensor._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            yield Call(history.operation, tuple(node.input_tensors), tuple(node.outputs), node.arguments)
        else:
            stack.append((tensor, True))
            stack.extend((parent, False) for parent in reversed(node.input_tensors))


def _counted(tensors: list[Any], what: str) -> str:
    if len(tensors) == 1:
        return f"one {what}"
    names = ", ".join(str(tensor.name) for tensor in tensors)
    return f"{len(tensors)} {what}s ({names})" if tensors else f"no {what}s"
