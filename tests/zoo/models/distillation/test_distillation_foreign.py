"""Classifiers of other people: what is made of them, and which are refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from zoo.errors import ConfigError
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.foreign import from_pixels
from zoo.surgery.partition import partition

PIXELS = np.random.default_rng(3).integers(0, 256, (4, 16, 16, 3), np.uint8)


def network(*before, side=16, channels=3, end="softmax", name="foreign", **options) -> keras.Model:
    convolutions = [
        layer
        for width in (4, 8)
        for layer in (
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
        )
    ]
    head = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation=end)]
    image = keras.Input((side, side, channels))
    return keras.Sequential([image, *before, *convolutions, *head], name=name, **options)


def probabilities(logits) -> np.ndarray:
    e = np.exp(np.asarray(logits) - np.max(logits, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_augmentation_is_left_out_and_said_to_be(caplog):
    model = network(
        layers.RandomFlip(name="flip"), layers.RandomRotation(0.2, name="turn"), layers.Rescaling(1 / 255)
    )
    flat = from_pixels(model, "none")
    assert not {"flip", "turn"} & {layer.name for layer in flat.layers}
    assert "the augmentation in 'foreign' is left out (flip, turn)" in caplog.text
    expected = np.asarray(model(PIXELS, training=False))
    np.testing.assert_allclose(probabilities(flat(PIXELS, training=True)), expected, atol=1e-6)


def test_a_crop_also_works_in_inference_and_stays():
    assert "crop" in {
        layer.name for layer in from_pixels(network(layers.RandomCrop(8, 8, name="crop")), "none").layers
    }


def test_low_precision_ends_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(end=None)
        flat = from_pixels(model, "caffe")
    finally:
        keras.config.set_dtype_policy("float32")
    assert (model.outputs[0].dtype, flat.output.dtype) == ("bfloat16", "float32")
    assert flat.get_layer("pixel_scaling").compute_dtype == "float32"
    classifier = Classifier(flat, classes=("a", "b", "c"))
    classifier.compile("sgd")
    labels = {"label": np.array([0, 1, 2, 0], np.int32)}
    assert np.isfinite(classifier.evaluate({"image": PIXELS}, labels, verbose=0))[0]
    assert len(partition(flat).blocks) == 2


def test_an_open_size_becomes_that_of_the_data():
    assert from_pixels(network(side=None), "none", image_size=16).input_shape == (None, 16, 16, 3)


def test_a_backbone_that_is_one_layer_is_cut_inside():
    backbone = keras.applications.MobileNet(
        include_top=False, input_shape=(32, 32, 3), alpha=0.25, weights=None
    )
    head = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    tuned = keras.Sequential([keras.Input((32, 32, 3)), layers.RandomFlip(), backbone, *head])
    parts = partition(from_pixels(tuned, "tf"))
    assert len(parts.blocks) == 5 and parts.cuts[0] == "conv_pw_1_relu"


def test_a_model_may_be_called_image():
    assert Classifier(from_pixels(network(name="image"), "none"), classes=("a", "b", "c"))(PIXELS)[
        "logits"
    ].shape


def test_several_inputs_and_no_graph_are_refused():
    image, number = keras.Input((16, 16, 3)), keras.Input((4,))
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(image), number])
    with pytest.raises(ConfigError, match="has 2 inputs"):
        from_pixels(keras.Model([image, number], layers.Dense(3)(x)), "none")
    with pytest.raises(ConfigError, match="has no graph of layers"):
        from_pixels(keras.Sequential([layers.Flatten(), layers.Dense(3)]), "none")
