"""VGG for small pictures: the report's teacher and its two students differ in convolutions per block alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from zoo.layers.fused_batch_normalization import FusedBatchNormalization

# Channels of the five blocks (Simonyan and Zisserman 2015, arXiv:1409.1556, table 1).
CHANNELS = (64, 128, 256, 512, 512)
BLOCKS = tuple(f"block_{block}" for block in range(1, len(CHANNELS) + 1))


def vgg(
    convolutions: Sequence[int],
    *,
    classes: int,
    image_size: int = 32,
    mean: Sequence[float] = (0.5, 0.5, 0.5),
    deviation: Sequence[float] = (0.25, 0.25, 0.25),
    width: float = 1.0,
    batch_norm: bool = True,
    pools: int = 5,
    head_width: int = 512,
    dropout: float = 0.5,
    name: str = "vgg",
) -> keras.Model:
    """Builds five blocks of 3x3 convolutions, then two dense layers.

    The last layer of block i is called `block_i`, so that the network can be cut there. With five pools a picture
    of 32x32 ends at 1x1; with three (RepDistiller's VGG) blocks 4 and 5 keep 4x4.

    Args:
        convolutions: Of each block: (2, 2, 3, 3, 3) is VGG16's trunk.
        classes: How many.
        image_size: Side of the pictures in pixels.
        mean: Of the training pictures in 0..1, one number per channel; it is subtracted.
        deviation: Likewise; divided by.
        width: Factor of all channels, at least 8 each.
        batch_norm: After every convolution.
        pools: 5, or 3: the last two blocks then end in an activation.
        head_width: Units of the first dense layer.
        dropout: Between the dense layers.
        name: Of the model.

    Returns:
        A flat functional model from `image` uint8 or float `[batch, image_size, image_size, 3]`, RGB 0..255, to
        logits float32 `[batch, classes]`.
    """
    image = keras.Input((image_size, image_size, 3), name="image", dtype="uint8")
    scale = [1 / (255 * d) for d in deviation]
    offset = [-m / d for m, d in zip(mean, deviation, strict=True)]
    x = layers.Rescaling(scale, offset, dtype="float32", name="scaling")(image)
    for block, (channels, count) in enumerate(zip(CHANNELS, convolutions, strict=True), start=1):
        pooled = block <= pools
        for number in range(1, count + 1):
            last = None if pooled or number < count else f"block_{block}"
            x = _convolution(x, _scaled(channels, width), batch_norm, f"block_{block}", number, last)
        if pooled:
            x = layers.MaxPooling2D(2, name=f"block_{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(head_width, kernel_initializer="he_normal", name="dense_1")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    logits = layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(image, logits, name=name)


def _scaled(channels: int, width: float) -> int:
    return max(8, round(channels * width))


def _convolution(x: Any, channels: int, batch_norm: bool, block: str, number: int, last: str | None) -> Any:
    x = layers.Conv2D(
        channels,
        3,
        padding="same",
        use_bias=not batch_norm,
        kernel_initializer="he_normal",
        name=f"{block}_conv_{number}",
    )(x)
    if batch_norm:
        x = FusedBatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{block}_norm_{number}")(x)
    return layers.ReLU(name=last or f"{block}_relu_{number}")(x)
