"""Cutting a network into blocks and a head, at named layers or where the resolution changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import keras
from keras import layers

from zoo.checks import listing
from zoo.errors import ConfigError, nearest
from zoo.surgery.graph import Graph, Segment, graph_of, input_like, rerun
from zoo.surgery.kinds import GLOBAL_POOLING, has_convolution, lowers_resolution


@dataclass(frozen=True)
class Partition:
    """A network in parts that share its layers: nothing is copied.

    Attributes:
        blocks: In their order; each eats what the one before gives, the first the model's input.
        head: What follows the last block and gives the model's output. It is never compressed.
        cuts: Names of the layers after which was cut, one for each block.
    """

    blocks: tuple[keras.Model, ...]
    head: keras.Model
    cuts: tuple[str, ...]

    @property
    def parts(self) -> tuple[keras.Model, ...]:
        """The blocks, then the head."""
        return (*self.blocks, self.head)


def partition(model: keras.Model, at: Sequence[str] | None = None) -> Partition:
    """Cuts a network into blocks and a head.

    A cut is possible after a layer through whose output every path from the input to the output passes. A model
    that is nested as a layer is never cut; `zoo.surgery.flat` takes its layers out of it.

    Without `at` the cuts lie where the resolution changes: after a pooling layer, and before a strided convolution
    (or the residual unit with it, or the zero padding in front of it). Every block has a convolution; the last
    ends before global pooling or flattening. A VGG, MobileNet or ResNet falls into 5 blocks.

    Args:
        model: Functional or sequential, with one input and one output.
        at: Names of the layers after which to cut, in their order. The last ends the last block; what follows is
            the head.

    Raises:
        ConfigError: A name is unknown, lies inside a branch, is out of order or leaves a part without layers; a
            layer would be in two parts; or, without `at`, the resolution never changes.
    """
    graph = graph_of(model)
    segments = graph.segments()
    places = _automatic(model, segments) if at is None else _named(model, graph, segments, at)
    parts = [segments[a:b] for a, b in pairwise([0, *places, len(segments)])]
    _check_shared(parts)
    names = [f"{model.name}_block_{number}" for number in range(1, len(parts))] + [f"{model.name}_head"]
    models = [
        _part(part, name, f"{name}_input" if number else graph.input_name)
        for number, (part, name) in enumerate(zip(parts, names, strict=True))
    ]
    return Partition(tuple(models[:-1]), models[-1], tuple(segments[place - 1].name for place in places))


def _part(segments: Sequence[Segment], name: str, input_name: str) -> keras.Model:
    start = input_like(segments[0].input, input_name)
    return keras.Model(start, rerun(segments, start), name=name)


def _automatic(model: keras.Model, segments: Sequence[Segment]) -> list[int]:
    """Returns after how many segments to cut, by the rule of `partition`."""
    end = next((place for place, segment in enumerate(segments) if _leaves_the_map(segment)), len(segments))
    if end == len(segments):
        raise ConfigError(
            f"'{model.name}' ends in a feature map {tuple(segments[-1].output.shape[1:])}: it has no head.",
            expected="a classifier: blocks, then global pooling or flattening, then dense layers",
            fix="add the classifier, or name the cuts: partition(model, at=[...])",
        )
    changes = [place for place in _changes(segments[:end]) if place]
    places: list[int] = []
    for place in changes:
        if any(has_convolution(segment) for segment in segments[(places or [0])[-1] : place]):
            places.append(place)
    if not places:
        raise ConfigError(
            f"'{model.name}' has no layer after a convolution that lowers the resolution: there is no place to cut.",
            expected="pooling or strided convolutions",
            fix=f"name the cuts: partition(model, at=[...]); possible are {listing([s.name for s in segments[:end]])}"
            + (
                "; or take the layers out of nested models: partition(flat(model))"
                if _nested(segments)
                else ""
            ),
        )
    if not any(has_convolution(segment) for segment in segments[places[-1] : end]):
        places.pop()
    return [*places, end]


def _nested(segments: Sequence[Segment]) -> bool:
    return any(isinstance(layer, keras.Model) for segment in segments for layer in segment.layers)


def _changes(segments: Sequence[Segment]) -> list[int]:
    """After how many segments the resolution has just been lowered by pooling, or is about to be by a stride."""
    places = []
    for place, segment in enumerate(segments):
        if lowers_resolution(segment):
            if has_convolution(segment):
                padded = place and isinstance(segments[place - 1].layers[-1], layers.ZeroPadding2D)
                places.append(place - 1 if padded else place)
            elif not segment.branches:
                places.append(place + 1)
    return places


def _leaves_the_map(segment: Segment) -> bool:
    """Whether a segment pools globally (with or without keeping the axes), flattens or reshapes."""
    if segment.branches:
        return len(segment.output.shape) != 4
    return len(segment.output.shape) != 4 or isinstance(segment.layers[0], (*GLOBAL_POOLING, layers.Reshape))


def _named(model: keras.Model, graph: Graph, segments: Sequence[Segment], at: Sequence[str]) -> list[int]:
    """Returns after how many segments to cut, for the names in `at`."""
    if isinstance(at, str) or not at:
        raise ConfigError(
            f"at is {at!r}.",
            expected="a list of layer names",
            fix='write at=["name", ...], or leave at out to cut where the resolution changes',
        )
    places = [_place(model, graph, segments, name) for name in at]
    for (name, place), (later, after) in pairwise(zip(at, places, strict=True)):
        if place == after:
            raise ConfigError(
                f"The cut '{name}' is named twice.",
                expected="every cut once: a part without layers is no block",
                fix=f"remove one '{name}' from at",
            )
        if place > after:
            raise ConfigError(
                f"The cuts are out of order: '{later}' comes before '{name}' in '{model.name}'.",
                expected="names in the order of the layers",
                fix=f"put '{later}' before '{name}'",
            )
    return places


def _place(model: keras.Model, graph: Graph, segments: Sequence[Segment], name: str) -> int:
    """Returns after how many segments the layer's output is the only tensor that is needed later."""
    cut_names = [segment.name for segment in segments]
    if name == graph.input_name:
        raise ConfigError(
            f"A cut after '{name}', the input, leaves the first block without layers.",
            fix=f"cut later; possible are {listing(cut_names[:-1])}",
        )
    calls = [
        (place, call)
        for place, segment in enumerate(segments)
        for call in segment.calls
        if call.layer.name == name
    ]
    if not calls:
        raise ConfigError(
            f"'{model.name}' has no layer '{name}' to cut after.{nearest(name, cut_names)}",
            expected=f"a layer such as {listing(cut_names[:-1])}",
            fix="see model.summary() for the names",
        )
    if len(calls) > 1:
        raise ConfigError(
            f"Layer '{name}' is called {len(calls)} times: it is not clear after which call to cut.",
            fix="cut after a layer that is called once",
        )
    place, call = calls[0]
    if not any(tensor is segments[place].output for tensor in call.outputs):
        before = cut_names[place - 1] if place else graph.input_name
        raise ConfigError(
            f"A branch crosses the cut after '{name}': other paths lead past it.",
            expected="a layer through whose output every path from the input to the output passes",
            fix=f"cut after '{before}' or '{cut_names[place]}', the nearest such layers before and after it",
        )
    if place == len(segments) - 1:
        raise ConfigError(
            f"A cut after '{name}', the last layer, leaves the head without layers.",
            fix=f"cut earlier; possible are {listing(cut_names[:-1])}",
        )
    return place + 1


def _check_shared(parts: Sequence[Sequence[Segment]]) -> None:
    """Raises when one layer would be in two parts: shortening one would change the other."""
    part_of: dict[int, int] = {}
    for number, part in enumerate(parts):
        layer: Any
        for layer in (layer for segment in part for layer in segment.layers):
            if part_of.setdefault(id(layer), number) != number:
                raise ConfigError(
                    f"Layer '{layer.name}' is called on both sides of a cut.",
                    expected="that every layer belongs to one block, or to the head",
                    fix="cut so that all calls of a shared layer are in one part, or give each call its own layer",
                )
