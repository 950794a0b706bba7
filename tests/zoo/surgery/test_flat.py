"""A network whose nested models are its own layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from tests.zoo.surgery.conftest import randomised
from zoo.errors import ConfigError
from zoo.surgery.flat import flat
from zoo.surgery.partition import partition


def on_a_backbone(backbone: keras.Model, **call) -> keras.Model:
    """What most people train."""
    image = keras.Input(backbone.input_shape[1:], name="image")
    x = backbone(layers.Rescaling(1 / 255)(image), **call)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(4, activation="softmax")(x), name="tuned")


@pytest.mark.parametrize("call", [{}, {"training": False}], ids=["as it is", "frozen statistics"])
def test_a_backbone_of_keras_applications_can_be_cut(call, images, run):
    backbone = randomised(
        keras.applications.MobileNet(include_top=False, input_shape=(64, 64, 3), alpha=0.25, weights=None)
    )
    model = on_a_backbone(backbone, **call)
    network = flat(model)
    assert not [layer.name for layer in network.layers if isinstance(layer, keras.Model)]
    assert {id(weight) for weight in network.weights} == {id(weight) for weight in model.weights}
    x = images(model)
    assert np.array_equal(run([network], x), run([model], x))
    cut = partition(network)
    assert len(cut.blocks) == 5
    assert np.array_equal(run(cut.parts, x), run([model], x))


def test_nested_in_nested_with_the_same_names(run):
    def stage(name: str, channels: int, size: int) -> keras.Model:
        convolution = layers.Conv2D(channels, 3, padding="same", name="conv")
        inner = keras.Sequential(
            [keras.Input((size, size, 3)), convolution, layers.ReLU(name="relu")], name="unit"
        )
        return keras.Sequential(
            [keras.Input((size, size, 3)), inner, layers.MaxPooling2D(name="pool")], name=name
        )

    model = keras.Sequential([keras.Input((8, 8, 3)), stage("one", 3, 8), stage("two", 5, 4)])
    network = flat(model)
    names = ["conv", "relu", "pool", "unit_conv", "unit_relu", "two_pool"]
    assert [layer.name for layer in network.layers[1:]] == names
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    assert np.array_equal(run([network], x), run([model], x))


def test_a_model_that_is_called_twice_stays_shared(run):
    twice = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(3, 3, padding="same")])
    start = keras.Input((4, 4, 3))
    model = keras.Model(start, twice(twice(start)))
    network = flat(model)
    assert len(network.weights) == 2
    x = np.ones((1, 4, 4, 3), "float32")
    assert np.array_equal(run([network], x), run([model], x))


def test_an_open_size_is_closed():
    start = keras.Input((None, None, 3))
    model = keras.Model(start, layers.Conv2D(4, 3, strides=2, padding="same")(start))
    assert flat(model).output_shape == (None, None, None, 4)
    assert flat(model, image_size=32).output_shape == (None, 16, 16, 4)
    fixed = keras.Sequential([keras.Input((8, 8, 3)), layers.ReLU()])
    assert flat(fixed, image_size=32).output_shape == (None, 8, 8, 3)


def test_several_inputs_are_refused():
    one, two = keras.Input((3,)), keras.Input((3,))
    with pytest.raises(ConfigError, match="has 2 inputs"):
        flat(keras.Model([one, two], layers.Add()([one, two])))
