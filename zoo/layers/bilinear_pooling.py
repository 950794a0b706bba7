"""The mean outer product of features at the same position."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.layers.positions import Shape, as_positions, check_maps, one_or_two


@keras.saving.register_keras_serializable("mizoo")
class BilinearPooling(keras.layers.Layer):
    """B = (1/P) Σ_p x_p y_pᵀ over the P positions, flattened: which channels fire at the same place.

    Lin, RoyChowdhury and Maji, "Bilinear CNN models for fine-grained visual recognition" (2015), section 3, as a mean
    instead of a sum, so that its size does not depend on the grid. `SignedSquareRoot` and
    `keras.layers.UnitNormalization` follow it there; after the latter mean and sum are the same.

    Input: maps `[batch, height, width, channels]` or `[batch, positions, channels]`, or vectors `[batch, channels]`
    (P = 1); or a pair [x, y] of such on one grid. Output: `[batch, channels of x · channels of y]`; entry
    `a · channels of y + b` is the mean of x_a y_b.

    Raises:
        ZooError: More than two inputs, maps of different grids, another rank, or unknown channels.
    """

    def build(self, input_shape: Any) -> None:
        """Checks the shapes; there is nothing to learn."""
        check_maps(*one_or_two(input_shape, self.name), layer=self.name)

    def call(self, inputs: Any) -> Any:
        """Returns B."""
        x, y = (as_positions(maps) for maps in one_or_two(inputs, self.name))
        total = ops.matmul(ops.transpose(x, (0, 2, 1)), y) / ops.cast(ops.shape(x)[1], x.dtype)
        return ops.cast(ops.reshape(total, (-1, x.shape[-1] * y.shape[-1])), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """`[batch, channels of x · channels of y]`."""
        x, y = one_or_two(input_shape, self.name)
        return (x[0], x[-1] * y[-1])
