"""The feature of a block: before the last ReLU, before the pool, at the end."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.features import feature_layer, with_feature, with_features
from zoo.surgery.partition import partition


@pytest.mark.parametrize(
    ("feature", "layer", "shape"),
    [
        ("pre_relu", "block_2_norm_2", (16, 16, 8)),
        ("pre_pool", "block_2_relu_2", (16, 16, 8)),
        ("output", "block_2", (8, 8, 8)),
    ],
    ids=["pre_relu", "pre_pool", "output"],
)
def test_the_feature_of_a_vgg_block_leads_to_its_output(vgg, feature, layer, shape, run):
    block = partition(vgg()).blocks[1]
    assert feature_layer(block, feature) == layer
    x = np.random.default_rng(1).normal(size=(2, 16, 16, 4)).astype("float32")
    outputs = with_feature(block, feature)(x, training=False)
    got = keras.ops.convert_to_numpy(outputs["feature"])
    assert got.shape == (2, *shape)
    assert np.array_equal(outputs["output"], run([block], x))
    if feature == "pre_relu":
        assert got.min() < 0
        got = np.maximum(got, 0)
    if feature != "output":
        got = got.reshape(2, 8, 2, 8, 2, 8).max(axis=(2, 4))
    assert np.array_equal(got, outputs["output"])


def test_a_relu_inside_the_convolution_cannot_be_taken_off(vgg):
    block = partition(vgg(norm=False, fused=True)).blocks[1]
    assert feature_layer(block, "pre_relu") == feature_layer(block, "pre_pool") == "block_2_conv_2"
    outputs = with_feature(block, "pre_relu").outputs
    assert [tuple(tensor.shape[1:]) for tensor in outputs] == [(16, 16, 8), (8, 8, 8)]


def test_the_feature_of_a_residual_block_is_the_sum(resnet):
    blocks = partition(resnet).blocks
    assert feature_layer(blocks[1], "pre_relu") == "conv2_block3_add"
    assert feature_layer(blocks[0], "pre_pool") == "conv1_relu"  # before pool1_pad as well
    assert feature_layer(blocks[0], "pre_relu") == "conv1_bn"


def test_layers_are_shared_with_the_block(vgg):
    block = partition(vgg()).blocks[0]
    assert {id(layer) for layer in with_feature(block, "pre_relu").layers[1:]} == {
        id(layer) for layer in block.layers[1:]
    }


def test_wrong_use(vgg):
    block = partition(vgg()).blocks[0]
    with pytest.raises(ConfigError, match=r"^Unknown feature 'prerelu'\. Did you mean 'pre_relu'\?"):
        with_feature(block, "prerelu")
    bare = keras.Sequential([keras.Input((4, 4, 3)), layers.ReLU(), layers.MaxPooling2D()], name="bare")
    with pytest.raises(ConfigError, match=r"^Block 'bare' holds nothing but pooling and activations"):
        feature_layer(bare, "pre_relu")


def block_of(*stack, name="block_1") -> keras.Model:
    return keras.Sequential([keras.Input((8, 8, 3)), *stack], name=name)


def test_features_of_two_blocks_that_end_alike(vgg, caplog):
    teacher = partition(vgg()).blocks[1]
    student = keras.Sequential(
        [
            keras.Input((16, 16, 4)),
            layers.Conv2D(8, 3, padding="same"),
            layers.Dropout(0.1),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
        ]
    )
    pair = with_features(teacher, student, "pre_relu")
    assert [model.output["feature"].shape[1:] for model in pair] == [(16, 16, 8)] * 2
    assert pair[1].output["feature"] is not pair[1].output["output"]
    assert not caplog.text


@pytest.mark.parametrize(
    "student",
    [
        [layers.Conv2D(4, 3, padding="same"), layers.ReLU(), layers.MaxPooling2D()],
        [layers.Conv2D(4, 3, padding="same", activation="relu"), layers.AveragePooling2D(2)],
        [layers.Conv2D(4, 3, strides=2, padding="same")],
        [layers.Conv2D(4, 3, padding="same"), layers.ReLU(max_value=6.0), layers.MaxPooling2D()],
    ],
    ids=["a ReLU more", "another pool", "a stride for a pool", "another ReLU"],
)
def test_blocks_that_end_otherwise_are_compared_at_their_ends(student, caplog):
    convolution = layers.Conv2D(4, 3, padding="same")
    teacher = block_of(layers.Conv2D(4, 3, padding="same"), layers.ReLU(), convolution, layers.MaxPooling2D())
    for model in with_features(teacher, block_of(*student, name="student_1"), "pre_relu"):
        assert model.output["feature"] is model.output["output"]
    assert (
        "block student_1 is compared at its end, not pre_relu: the teacher's ends in maxpooling2d"
        in caplog.text
    )
