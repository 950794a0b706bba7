"""Maps of any rank as sets of positions: what the second-order pooling layers take."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.errors import ZooError

Shape = tuple[int | None, ...]


def check_maps(*shapes: Shape, layer: str) -> None:
    """Raises unless every shape is of maps, with known channels, and all lie on one grid.

    Args:
        shapes: `[batch, height, width, channels]`, `[batch, positions, channels]` or `[batch, channels]` each.
        layer: Its name, for the error text.

    Raises:
        ZooError: Another rank, unknown channels, or grids that differ.
    """
    for shape in shapes:
        if not 2 <= len(shape) <= 4 or shape[-1] is None:
            raise ZooError(
                f"{layer} got an input of shape {tuple(shape)}.",
                expected="[batch, height, width, channels], [batch, positions, channels] or [batch, channels], "
                "the channels known",
                fix="give it a map or a vector; fix the number of channels",
            )
    first, *others = (tuple(shape)[:-1] for shape in shapes)
    for other in others:
        same = len(first) == len(other) and all(
            a is None or b is None or a == b for a, b in zip(first, other, strict=True)
        )
        if not same:
            raise ZooError(
                f"{layer} got maps of shapes {tuple(shapes[0])} and {tuple(shapes[1])}.",
                expected="the same grid for both; only the channels may differ",
                fix="bring them to one grid first, e.g. with keras.layers.Resizing or GlobalAveragePooling2D",
            )


def one_or_two(inputs: Any, layer: str) -> tuple[Any, Any]:
    """Returns a pair of inputs; one alone stands for both.

    Args:
        inputs: A tensor, or a list or tuple of one or two tensors; or the shapes of these.
        layer: Its name, for the error text.

    Raises:
        ZooError: None, or more than two.
    """
    is_shape = isinstance(inputs, list | tuple) and (not inputs or isinstance(inputs[0], int | None))
    several = [inputs] if is_shape or not isinstance(inputs, list | tuple) else list(inputs)
    if len(several) > 2 or (is_shape and not inputs):
        raise ZooError(
            f"{layer} got {len(several) if not is_shape else 0} inputs.",
            expected="one map, or a pair [x, y]",
            fix="concatenate the channels of the others",
        )
    return several[0], several[-1]


def positions_of(shape: Shape) -> int | None:
    """Returns height times width of `[batch, height, width, channels]`, likewise for other ranks; None if unknown."""
    positions = 1
    for size in tuple(shape)[1:-1]:
        if size is None:
            return None
        positions *= size
    return positions


def as_positions(maps: Any) -> Any:
    """Returns maps as `[batch, positions, channels]`, in float32 at least: half the bits ruin squares and roots.

    Args:
        maps: `[batch, height, width, channels]`, `[batch, positions, channels]` or `[batch, channels]`.
    """
    positions = positions_of(maps.shape)
    shape = (-1, positions) if positions is not None else (ops.shape(maps)[0], -1)
    wide = ops.cast(maps, keras.backend.result_type(maps.dtype, "float32"))
    return ops.reshape(wide, (*shape, maps.shape[-1]))
