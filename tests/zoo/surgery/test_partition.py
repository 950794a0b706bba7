"""Blocks of a VGG, a residual net, MobileNet and ResNet50; and where one cannot cut."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.assemble import assemble
from zoo.surgery.graph import graph_of
from zoo.surgery.partition import partition

MOBILENET = tuple(f"conv_pw_{number}_relu" for number in (1, 3, 5, 11, 13))
RESNET = ("pool1_pool", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out")


def layer_names(model):
    return [layer.name for layer in model.layers][1:]


def small(*stack, size=8):
    return keras.Sequential([keras.Input((size, size, 3), name="image"), *stack], name="small")


def error(model, at=None):
    with pytest.raises(ConfigError) as caught:
        partition(model, at)
    return str(caught.value)


def test_a_vgg_has_its_five_blocks(vgg):
    model = vgg()
    parts = partition(model)
    assert parts.cuts == ("block_1", "block_2", "block_3", "block_4", "block_5")
    assert layer_names(parts.blocks[0])[:4] == [
        "scaling",
        "block_1_conv_1",
        "block_1_norm_1",
        "block_1_relu_1",
    ]
    assert layer_names(parts.head) == ["flatten", "dense_1", "dropout", "logits"]
    assert [block.output.shape[1:] for block in parts.blocks] == [
        (16, 16, 4), (8, 8, 8), (4, 4, 16), (2, 2, 32), (1, 1, 32)
    ]  # fmt: skip
    assert partition(model, at=parts.cuts).cuts == parts.cuts


@pytest.mark.parametrize(("name", "cuts"), [("mobilenet", MOBILENET), ("resnet", RESNET)])
def test_networks_of_keras_applications_have_five_blocks(name, cuts, request):
    model = request.getfixturevalue(name)
    began = time.process_time()
    parts = partition(model)
    assert time.process_time() - began < 3
    assert parts.cuts == cuts


def test_a_residual_net_is_cut_before_the_unit_that_lowers_the_resolution(residual):
    parts = partition(residual)
    assert parts.cuts == ("unit_1_relu", "unit_2_add")
    assert set(layer_names(parts.blocks[1])) == {"unit_2_conv", "unit_2_shortcut", "unit_2_add"}
    assert layer_names(parts.head) == ["pool", "logits"]


@pytest.mark.parametrize("name", ["small vgg", "residual", "mobilenet", "resnet"])
def test_the_parts_one_after_the_other_and_assembled_are_the_model(name, vgg, request, images, run):
    model = vgg() if name == "small vgg" else request.getfixturevalue(name)
    before = [np.array(weight) for weight in model.get_weights()]
    x = images(model)
    expected = run([model], x)
    parts = partition(model)
    whole = assemble([*parts.blocks, parts.head], "whole")
    assert np.array_equal(run([*parts.blocks, parts.head], x), expected)
    assert np.array_equal(run([whole], x), expected)
    assert whole.count_params() == model.count_params()
    assert {id(layer) for layer in whole.layers[1:]} == {id(layer) for layer in model.layers[1:]}
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_cut_points_of_a_residual_net(residual):
    segments = graph_of(residual).segments()
    assert [segment.name for segment in segments] == [
        "stem", "stem_relu", "unit_1_add", "unit_1_relu", "unit_2_add", "pool", "logits"
    ]  # fmt: skip
    assert [segment.branches for segment in segments] == [False, False, True, False, True, False, False]


def test_operations_and_a_shortcut_from_the_input_are_seen():
    x = image = keras.Input((4, 4, 3))
    x = layers.Conv2D(3, 3, padding="same", name="conv")(x)
    x = keras.ops.relu(x + image)
    names = [segment.name for segment in graph_of(keras.Model(image, x)).segments()]
    assert [name.split("_")[0] for name in names] == ["add", "relu"]


def test_a_block_without_a_convolution_joins_the_next_and_a_tail_the_last():
    model = small(
        layers.AveragePooling2D(2, name="thumbnail"),
        layers.Conv2D(4, 3, padding="same", name="conv"),
        layers.MaxPooling2D(name="max_pool"),
        layers.ReLU(name="tail"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    )
    parts = partition(model)
    assert parts.cuts == ("tail",)
    assert layer_names(parts.blocks[0]) == ["thumbnail", "conv", "max_pool", "tail"]


def test_padding_goes_with_the_stride_behind_it():
    model = small(
        layers.Conv2D(4, 3, padding="same", name="conv_1"),
        layers.ZeroPadding2D(name="pad"),
        layers.Conv2D(4, 3, strides=2, name="conv_2"),
        layers.Flatten(),
        layers.Dense(2),
    )
    parts = partition(model)
    assert parts.cuts == ("conv_1", "conv_2")
    assert layer_names(parts.blocks[1]) == ["pad", "conv_2"]


def test_an_image_of_open_size_is_cut_by_its_strides():
    x = image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, name="conv_1")(x)
    x = layers.Conv2D(4, 3, strides=2, name="conv_2")(x)
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    assert partition(keras.Model(image, x)).cuts == ("conv_1", "conv_2")


def test_named_cuts(residual):
    parts = partition(residual, at=["stem", "unit_1_add"])
    assert parts.cuts == ("stem", "unit_1_add")
    assert layer_names(parts.blocks[0]) == ["stem"]
    assert layer_names(parts.head)[0] == "unit_1_relu"
    assert [block.name for block in parts.blocks] == ["residual_block_1", "residual_block_2"]


def test_a_name_that_does_not_exist(residual):
    assert error(residual, ["unit_1_rely"]) == (
        "'residual' has no layer 'unit_1_rely' to cut after. Did you mean 'unit_1_relu'?\n"
        "Expected: a layer such as stem, stem_relu, unit_1_add, unit_1_relu, unit_2_add (and 1 more)\n"
        "Fix: see model.summary() for the names"
    )


def test_a_branch_across_the_cut(residual):
    assert error(residual, ["stem_relu", "unit_1_conv"]) == (
        "A branch crosses the cut after 'unit_1_conv': other paths lead past it.\n"
        "Expected: a layer through whose output every path from the input to the output passes\n"
        "Fix: cut after 'stem_relu' or 'unit_1_add', the nearest such layers before and after it"
    )


@pytest.mark.parametrize(
    ("at", "start"),
    [
        (
            ["unit_1_add", "stem"],
            "The cuts are out of order: 'stem' comes before 'unit_1_add' in 'residual'.",
        ),
        (["stem", "stem"], "The cut 'stem' is named twice."),
        (["image"], "A cut after 'image', the input, leaves the first block without layers."),
        (["logits"], "A cut after 'logits', the last layer, leaves the head without layers."),
        ([], "at is []."),
        ("stem", "at is 'stem'."),
    ],
    ids=["order", "twice", "input", "output", "none", "a string"],
)
def test_cuts_that_make_no_blocks(residual, at, start):
    assert error(residual, at).startswith(start)


def test_a_shared_layer_is_not_cut_apart():
    x = image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="first")(x)
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = shared(x)
    x = layers.MaxPooling2D(name="pool")(x)
    x = shared(x)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten(name="flat")(x)), name="sharing")
    text = error(model, ["pool", "flat"])
    assert text.startswith("Layer 'shared' is called on both sides of a cut.\n")
    assert error(model, ["shared"]).startswith("Layer 'shared' is called 2 times:")
    assert partition(model, ["first", "flat"]).cuts == ("first", "flat")


def test_models_that_have_no_place_to_cut():
    constant = small(layers.Conv2D(4, 3, name="a"), layers.GlobalAveragePooling2D(), layers.Dense(2))
    assert error(constant).startswith(
        "'small' has no layer after a convolution that lowers the resolution: there is no place to cut."
    )
    headless = small(layers.Conv2D(4, 3), layers.MaxPooling2D())
    assert error(headless).startswith("'small' ends in a feature map (3, 3, 4): it has no head.\n")


def test_models_that_are_no_graph_with_one_input_and_one_output():
    class Own(keras.Model):
        def call(self, x):
            return x

    assert error(Own(name="own")).startswith("'own' (Own) has no graph of layers.\nExpected: a functional")
    assert error(keras.Sequential([layers.Dense(2)], name="unbuilt")).startswith(
        "'unbuilt' (Sequential) has no"
    )
    left, right = keras.Input((2,), name="left"), keras.Input((2,), name="right")
    two = keras.Model([left, right], layers.Add()([left, right]), name="two")
    assert error(two).startswith("'two' has 2 inputs (left, right) and one output.\n")
