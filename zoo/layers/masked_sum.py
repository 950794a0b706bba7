"""Sums the vectors of a sequence, without its padding."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("mizoo")
class MaskedSum(keras.layers.Layer):
    """Sums over time: `[batch, time, features]` to `[batch, features]`, steps that are masked counting nothing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Adds up the steps whose mask is true; all of them without a mask."""
        if mask is None:
            return ops.sum(inputs, axis=1)
        return ops.sum(inputs * ops.cast(mask, inputs.dtype)[:, :, None], axis=1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """Time is gone, and its mask with it."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[batch, features]`."""
        return (input_shape[0], input_shape[2])
