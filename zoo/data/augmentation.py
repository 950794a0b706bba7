"""Random crops and flips whose draws are a function of (seed, epoch), like the order of the rows.

So tf.data, numpy arrays and a resumed run show the network the very same pixels. What happens to a picture is
arithmetic on indices, written once with operators that every kind of tensor has; `zoo.layers.pad_crop_flip` is
the same as a layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import ConfigError

# Tells the draws from the order of the rows, which is drawn from (seed, epoch) as well.
_STREAM = 1


def crop_flip_indices(draws: Any, first: Any, height: int, width: int, padding: int) -> Any:
    """Returns where in a batch of padded pictures the pixels of the crops lie.

    Args:
        draws: int32 `[batch, 3]`: rows and columns cut off at the top and at the left, 0..2 padding, and 1 where
            the crop is mirrored, else 0. Array or tensor of any backend.
        first: int32 `[batch]` of the same kind: 0, 1, 2, ..
        height: Of a picture without padding, in pixels.
        width: Likewise.
        padding: Pixels at each side.

    Returns:
        int32 `[batch, height, width]`, positions in the pixels of `[batch, height + 2 padding, width +
        2 padding]`, row by row.
    """
    padded_height, padded_width = height + 2 * padding, width + 2 * padding
    columns = np.arange(width, dtype=np.int32)
    # From x to width - 1 - x where the crop is mirrored.
    x = draws[:, 1:2] + draws[:, 2:3] * (width - 1 - 2 * columns) + columns
    y = draws[:, 0:1] + first[:, None] * padded_height + np.arange(height, dtype=np.int32)
    return y[:, :, None] * padded_width + x[:, None, :]


@dataclass(frozen=True)
class PadCropFlip:
    """Pads with zeros, crops back to the size at a random place, and mirrors half of the pictures.

    The usual augmentation of CIFAR: Lee et al., "Deeply-supervised nets", AISTATS 2015; He et al., "Deep residual
    learning", CVPR 2016, section 4.2 (4 pixels).

    Attributes:
        padding: Pixels at each side.
        flip: Whether pictures are mirrored left to right.
    """

    padding: int = 4
    flip: bool = True

    def __post_init__(self) -> None:
        """Raises ConfigError on a padding that is none."""
        if self.padding < 0:
            raise ConfigError(f"padding is {self.padding}.", expected="0 or more pixels", fix="set it so")

    def draws(self, rows: int, seed: int, epoch: int) -> np.ndarray:
        """Returns what epoch `epoch` does to each row: int32 `[rows, 3]`, see `crop_flip_indices`."""
        rng = np.random.default_rng([seed, epoch, _STREAM])
        drawn = rng.integers(0, [2 * self.padding + 1] * 2 + [2], size=(rows, 3), dtype=np.int32)
        drawn[:, 2] *= self.flip
        return drawn

    def on_arrays(self, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """Returns the crops of `[batch, height, width, channels]`, of the same shape and type."""
        _, height, width, channels = images.shape
        first = np.arange(len(images), dtype=np.int32)
        index = crop_flip_indices(draws, first, height, width, self.padding)
        edge = (self.padding, self.padding)
        padded = np.pad(images, ((0, 0), edge, edge, (0, 0)))
        # Three times as fast as an index in brackets.
        return padded.reshape(-1, channels).take(index, axis=0)

    def on_tensors(self, images: Any, draws: Any) -> Any:
        """Does in TensorFlow what `on_arrays` does; height, width and channels are known when traced."""
        import tensorflow as tf

        _, height, width, channels = images.shape
        first = tf.range(tf.shape(images)[0])
        index = crop_flip_indices(draws, first, height, width, self.padding)
        edge = (self.padding, self.padding)
        padded = tf.pad(images, ((0, 0), edge, edge, (0, 0)))
        return tf.gather(tf.reshape(padded, [-1, channels]), index)
