"""Random crops and flips inside a network, for those who feed it on an accelerator."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.data.augmentation import crop_flip_indices
from zoo.errors import ConfigError


@keras.saving.register_keras_serializable("mizoo")
class PadCropFlip(keras.layers.Layer):
    """Pads with zeros, crops back to the size at a random place and mirrors half of the pictures, in training.

    What `zoo.data.augmentation.PadCropFlip` does in the input pipeline, by draws of the layer's own. Every picture
    gets a crop of its own, where `keras.layers.RandomCrop` cuts a whole batch at one place.

    Args:
        padding: Pixels at each side.
        flip: Whether pictures are mirrored left to right.
        seed: Of the draws.

    Input and output: `[batch, height, width, channels]` of any type, which is kept; height and width are known.
    """

    def __init__(self, padding: int = 4, flip: bool = True, seed: int | None = None, **kwargs: Any) -> None:
        # Pixels stay what they are, also under mixed precision.
        super().__init__(autocast=False, **kwargs)
        if padding < 0:
            raise ConfigError(f"padding is {padding}.", expected="0 or more pixels", fix="set it so")
        self.padding, self.flip, self.seed = padding, flip, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, image: Any, training: bool = False) -> Any:
        """Returns the crops in training, else the pictures."""
        if not training:
            return image
        batch = ops.shape(image)[0]
        _, height, width, channels = image.shape
        places = keras.random.randint((batch, 2), 0, 2 * self.padding + 1, "int32", self.seed_generator)
        flips = keras.random.randint((batch, 1), 0, 2 if self.flip else 1, "int32", self.seed_generator)
        draws = ops.concatenate([places, flips], axis=-1)
        index = crop_flip_indices(draws, ops.arange(batch, dtype="int32"), height, width, self.padding)
        edge = (self.padding, self.padding)
        padded = ops.pad(image, ((0, 0), edge, edge, (0, 0)))
        return ops.take(ops.reshape(padded, (-1, channels)), index, axis=0)

    def compute_output_spec(self, image: Any, training: bool = False) -> Any:
        """The shape and the type of the input."""
        return keras.KerasTensor(image.shape, dtype=image.dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"padding": self.padding, "flip": self.flip, "seed": self.seed}
