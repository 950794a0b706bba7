"""From the one uint8 picture to the numbers that a pretrained network was trained on."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.errors import ConfigError, nearest
from zoo.preprocessing.scaling_modes import MODES, SCALING_MODES


@keras.saving.register_keras_serializable(package="mizoo")
class PixelScaling(keras.layers.Layer):
    """Scales RGB pixels of 0..255 to what a network expects.

    The first layer of every backbone, so that pixel scaling is part of the network's weights file, of its
    export and of its card, and of nothing else. The names are those of `keras.applications.imagenet_utils`:

    - `none`: 0..255 as they are;
    - `unit`: x / 255;
    - `tf`: x / 127.5 - 1;
    - `caffe`: BGR, minus the ImageNet mean (103.939, 116.779, 123.68), not scaled;
    - `torch`: (x / 255 - mean) / deviation of ImageNet, RGB.

    Args:
        mode: One of the names above.

    Raises:
        ConfigError: The mode is unknown.
    """

    def __init__(self, mode: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if mode not in MODES:
            raise ConfigError(
                f"Unknown pixel scaling '{mode}'.{nearest(mode, SCALING_MODES)}",
                expected=f"one of {', '.join(SCALING_MODES)}",
                fix="use the mode that the network was trained with",
            )
        self.mode = mode
        self.trainable = False

    def call(self, image: Any) -> Any:
        """Maps uint8 or float `[batch, height, width, 3]`, RGB, 0..255, to the same shape, scaled."""
        flip, divisor, mean, deviation = MODES[self.mode]
        # In float32 even under mixed precision: bfloat16 cannot hold x - 123.68.
        pixels = ops.cast(image, "float32")
        if flip:
            pixels = ops.flip(pixels, axis=-1)
        scaled = (pixels / divisor - ops.array(mean, "float32")) / ops.array(deviation, "float32")
        return ops.cast(scaled, self.compute_dtype)

    def compute_output_spec(self, image: Any) -> Any:
        """Declares the shape of the input and the dtype of the layer."""
        return keras.KerasTensor(image.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "mode": self.mode}
