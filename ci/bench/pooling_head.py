"""What second-order pooling adds to a network, for `ci.bench.pooling`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ci.bench.timing import turns
from zoo.backbones import build_backbone
from zoo.models.fusion.eye import second_order


def head_row(batch: int, dimensions: int, repetitions: int) -> dict[str, Any]:
    """The head of `mpn_cbp` on the last map of MobileNetV2, [7, 7, 1280], beside the network that makes it."""
    network = build_backbone("mobilenet_v2", pool=None)
    maps = keras.Input(network.output_shape[1:])
    x = keras.layers.UnitNormalization(axis=(1, 2, 3))(maps)
    head = keras.Model(maps, second_order(x, dimensions))
    rng = np.random.default_rng(0)
    pictures = tf.constant(rng.integers(0, 256, (batch, *network.input_shape[1:])), "uint8")
    seen = network(pictures, training=False)
    ways = {
        "network": lambda: network(pictures, training=False),
        "head": lambda: head(seen, training=False),
    }
    taken = turns({name: tf.function(way) for name, way in ways.items()}, repetitions)
    row: dict[str, Any] = {"batch": batch} | {f"{name}_ms": 1000 * each for name, each in taken.items()}
    return row | {"head / network": taken["head"] / taken["network"]}
