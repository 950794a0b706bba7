"""The units of a block: what can be taken out of it as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import keras
from keras import layers

from zoo.surgery.graph import Segment, graph_of
from zoo.surgery.kinds import (
    CONVOLUTIONS,
    DROPOUTS,
    NORMALIZATIONS,
    has_convolution,
    is_activation,
    is_gate,
    lowers_resolution,
)


@dataclass(frozen=True, eq=False)
class Unit:
    """One convolution, or one residual unit, with what belongs to it.

    Attributes:
        segments: In their order, e.g. convolution, batch normalisation, ReLU.
        input_shape: `[N, H, W, C]` with None for what the model leaves open.
        output_shape: Likewise.
    """

    segments: tuple[Segment, ...]
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]

    @property
    def name(self) -> str:
        """The name of the convolution, or of the layer in which the residual unit ends."""
        return next(segment.name for segment in self.segments if has_convolution(segment))

    @property
    def keeps_shape(self) -> bool:
        """Whether the network fits together without this unit."""
        same = self.input_shape == self.output_shape
        # Of two open sizes the shapes do not tell whether they are the same.
        return same and not any(lowers_resolution(segment) for segment in self.segments)


def units(block: keras.Model) -> tuple[Unit, ...]:
    """Finds the units of a block, or of a whole network.

    A unit is one of:

    - a convolution with the zero padding before it and the normalisation, activation, dropout and gating
      (squeeze-and-excitation) that follow. A `DepthwiseConv2D` with the 1x1 convolution after it counts as one,
      as a `SeparableConv2D` does (Howard et al. 2017, MobileNets, section 3.1);
    - a branching segment with a convolution (residual unit, inception module), with the activation after it.

    Everything else (pooling, pixel scaling, dense layers, nested models) belongs to no unit and is never taken out.
    """
    return tuple(
        Unit(run, tuple(run[0].input.shape), tuple(run[-1].output.shape))
        for run in _runs(graph_of(block).segments())
        if any(has_convolution(segment) and not is_gate(segment) for segment in run)
    )


def _runs(segments: tuple[Segment, ...]) -> Iterator[tuple[Segment, ...]]:
    """Groups segments into units; a run without a convolution is no unit."""
    run: list[Segment] = []
    for segment in segments:
        if run and not _belongs(segment, run):
            yield tuple(run)
            run = []
        run.append(segment)
    if run:
        yield tuple(run)


def _belongs(segment: Segment, run: list[Segment]) -> bool:
    """Whether a segment continues the unit that has begun."""
    last, layer = run[-1], segment.layers[-1]
    if isinstance(last.layers[-1], layers.ZeroPadding2D):
        return not segment.branches and isinstance(layer, CONVOLUTIONS)
    body = [part for part in run if has_convolution(part) and not is_gate(part)]
    if not body:
        return False
    if body[0].branches:
        return not segment.branches and last is body[0] and is_activation(layer)
    if is_gate(segment):
        return True
    if segment.branches:
        return False
    pointwise = type(layer) is layers.Conv2D and tuple(layer.kernel_size) == (1, 1)
    if pointwise and len(body) == 1:
        return isinstance(body[0].layers[0], layers.DepthwiseConv2D)
    return isinstance(layer, (*NORMALIZATIONS, *DROPOUTS)) or is_activation(layer)
