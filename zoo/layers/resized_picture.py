"""A picture inside a network, made smaller or larger."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.errors import ConfigError


@keras.saving.register_keras_serializable("mizoo")
class ResizedPicture(keras.layers.Layer):
    """Resizes pictures to a square by antialiased bilinear interpolation, and rounds nothing.

    `keras.layers.Resizing` gives integers back for pictures of integers: at half the size many means end in exactly
    .5, and which way those go depends on the last bit of a sum, which is not the same in a graph and outside of it.

    Args:
        size: Side of the result in pixels.

    Input: `[batch, height, width, 3]`, any number type. Output: float32 `[batch, size, size, 3]`, of the same range.

    Raises:
        ConfigError: The size is not positive.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if size < 1:
            raise ConfigError(f"size is {size}.", expected="1 or more pixels", fix="set it so")
        self.size = size

    def call(self, image: Any) -> Any:
        """Returns the resized pictures."""
        pixels, size = ops.cast(image, "float32"), (self.size, self.size)
        return ops.image.resize(pixels, size, "bilinear", antialias=True, data_format="channels_last")

    def compute_output_spec(self, image: Any) -> Any:
        """The size asked for, float32."""
        return keras.KerasTensor((image.shape[0], self.size, self.size, image.shape[3]), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"size": self.size}
