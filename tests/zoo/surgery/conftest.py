"""Networks to cut: a small VGG, a toy residual net, and two of keras.applications, built once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import keras
import numpy as np
import pytest
from keras import layers


def build_vgg(
    convolutions: Sequence[int] = (2, 2, 3, 3, 3),
    widths: Sequence[int] = (4, 8, 16, 32, 32),
    *,
    norm: bool = True,
    fused: bool = False,
    softmax: bool = False,
) -> keras.Model:
    """A VGG for 32x32 images and 10 classes; `fused` puts the ReLU into the convolution."""
    x = image = keras.Input((32, 32, 3), name="image")
    x = layers.Normalization(mean=[125, 120, 110], variance=[900, 800, 700], name="scaling")(x)
    for block, (number, width) in enumerate(zip(convolutions, widths, strict=True), start=1):
        for place in range(1, number + 1):
            activation = "relu" if fused else None
            name = f"block_{block}_conv_{place}"
            x = layers.Conv2D(width, 3, padding="same", activation=activation, name=name)(x)
            if norm:
                x = layers.BatchNormalization(name=f"block_{block}_norm_{place}")(x)
            if not fused:
                x = layers.ReLU(name=f"block_{block}_relu_{place}")(x)
        x = layers.MaxPooling2D(name=f"block_{block}")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(16, activation="relu", name="dense_1")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Dense(10, activation="softmax" if softmax else None, name="logits")(x)
    return randomised(keras.Model(image, x, name="vgg"))


def build_residual() -> keras.Model:
    """Stem, one unit that keeps the shape, one that halves the resolution, global pooling, dense."""
    x = image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="stem")(x)
    x = stem = layers.ReLU(name="stem_relu")(x)
    x = layers.Conv2D(4, 3, padding="same", name="unit_1_conv")(x)
    x = layers.BatchNormalization(name="unit_1_norm")(x)
    x = layers.Add(name="unit_1_add")([x, stem])
    x = unit = layers.ReLU(name="unit_1_relu")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="unit_2_conv")(x)
    shortcut = layers.Conv2D(6, 1, strides=2, name="unit_2_shortcut")(unit)
    x = layers.Add(name="unit_2_add")([x, shortcut])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return randomised(keras.Model(image, layers.Dense(5, name="logits")(x), name="residual"))


def randomised(model: keras.Model) -> keras.Model:
    """Gives every weight a value of its own, batch normalisation included; variances stay positive."""
    rng = np.random.default_rng(7)
    for weight in model.weights:
        fan_in = max(1, int(np.prod(weight.shape[:-1])))
        values = rng.normal(0, np.sqrt(2 / fan_in), weight.shape)
        positive = weight.name in {"gamma", "moving_variance"}
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) if positive else values)
    return model


@pytest.fixture(scope="session")
def vgg() -> Callable[..., keras.Model]:
    """The arguments of `build_vgg` -> the network, built once for the same arguments."""
    return cache(build_vgg)


@pytest.fixture(scope="session")
def residual() -> keras.Model:
    return build_residual()


@pytest.fixture(scope="session")
def mobilenet() -> keras.Model:
    return randomised(keras.applications.MobileNet(input_shape=(64, 64, 3), alpha=0.25, weights=None))


@pytest.fixture(scope="session")
def resnet() -> keras.Model:
    return randomised(keras.applications.ResNet50(input_shape=(32, 32, 3), weights=None, classes=10))


@pytest.fixture(scope="session")
def images() -> Callable[[keras.Model], np.ndarray]:
    """model -> two images of its size."""

    def draw(model: keras.Model) -> np.ndarray:
        return np.random.default_rng(0).uniform(0, 255, (2, *model.input.shape[1:])).astype("float32")

    return draw


@pytest.fixture(scope="session")
def run() -> Callable[[Sequence[keras.Model], np.ndarray], np.ndarray]:
    """Calls models one after the other, in inference."""

    def call(parts: Sequence[keras.Model], x: np.ndarray) -> np.ndarray:
        for part in parts:
            x = part(x, training=False)
        return keras.ops.convert_to_numpy(x)

    return call
