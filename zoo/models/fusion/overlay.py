"""A map over its picture, as PNG, inside the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo.models.fusion.class_maps import HEAT, OPACITY


def overlay_png(picture: Any, maps: Any) -> Any:
    """Draws maps over pictures, from black, the least value of a picture's map, to yellow, the largest.

    The map is rounded to 256 steps on its own coarse grid; what follows is exact, so that the same map gives the same
    bytes in every batch.

    Args:
        picture: uint8 `[N, size, size, 3]`, 0..255.
        maps: float32 `[N, h, w]`.

    Returns:
        string `[N]`, the bytes of PNG files.
    """
    import tensorflow as tf

    size = picture.shape[1]
    least, most = (f(maps, axis=(1, 2), keepdims=True) for f in (tf.reduce_min, tf.reduce_max))
    steps = tf.round(255.0 * tf.math.divide_no_nan(maps - least, most - least))
    smooth = tf.image.resize(steps[..., None], [size, size], method="bilinear")[..., 0]
    heat = tf.gather(tf.constant(heat_colours()), tf.cast(smooth, tf.int32))
    blended = OPACITY * tf.cast(heat, tf.float32) + (1 - OPACITY) * tf.cast(picture, tf.float32)
    return tf.map_fn(tf.io.encode_png, tf.cast(blended, tf.uint8), fn_output_signature=tf.string)


def heat_colours() -> np.ndarray:
    """Returns the 256 steps between the colours of `HEAT`: uint8 `[256, 3]`."""
    level, known = np.linspace(0, 1, 256), np.linspace(0, 1, len(HEAT))
    steps = [np.interp(level, known, HEAT[:, channel]) for channel in range(3)]
    return np.round(np.stack(steps, axis=1)).astype(np.uint8)
