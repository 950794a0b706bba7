"""Fewer units in a block: a VGG's convolutions, MobileNet's pairs, ResNet50's residual units."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.assemble import assemble, check_seams
from zoo.surgery.partition import partition
from zoo.surgery.shrink import copy_first_layers, removable, shrink
from zoo.surgery.units import units


def convolutions(block):
    return [layer.name for layer in block.layers if isinstance(layer, layers.Conv2D)]


@pytest.mark.parametrize("kind", [{}, {"norm": False, "fused": True}], ids=["norm", "fused"])
@pytest.mark.parametrize(("remove", "left"), [(1, [1, 1, 2, 2, 2]), (2, [1, 1, 1, 1, 1])])
def test_the_students_of_the_report(vgg, kind, remove, left):
    parts = partition(vgg(**kind))
    students = [shrink(block, remove) for block in parts.blocks]
    assert [len(convolutions(student)) for student in students] == left
    assert convolutions(students[4]) == [f"block_5_conv_{place}" for place in range(1, left[4] + 1)]
    check_seams(parts.blocks, students, parts.head)
    assert assemble([*students, parts.head], "student").output.shape == (None, 10)


def test_a_dropped_unit_takes_its_norm_and_activation_along(vgg):
    student = shrink(partition(vgg()).blocks[1])
    assert [layer.name for layer in student.layers[1:]] == [
        "block_2_conv_1", "block_2_norm_1", "block_2_relu_1", "block_2"
    ]  # fmt: skip


def test_nothing_is_shared_and_the_teacher_stays_as_it_is(vgg):
    teacher = vgg()
    before = [np.array(weight) for weight in teacher.get_weights()]
    block = partition(teacher).blocks[2]
    student = shrink(block)
    assert not {id(layer) for layer in student.layers} & {id(layer) for layer in block.layers}
    assert not {id(weight) for weight in student.weights} & {id(weight) for weight in block.weights}
    kernel = student.get_layer("block_3_conv_1").kernel
    assert not np.array_equal(kernel, block.get_layer("block_3_conv_1").kernel)
    kernel.assign(np.zeros(kernel.shape))
    assert all(np.array_equal(a, b) for a, b in zip(before, teacher.get_weights(), strict=True))


def test_a_frozen_teacher_has_a_student_that_trains(vgg):
    block = keras.models.clone_model(partition(vgg()).blocks[0])
    block.trainable = False
    student = shrink(block)
    assert len(student.trainable_weights) == 4  # kernel, bias, gamma, beta
    assert not np.array_equal(
        student.get_layer("block_1_conv_1").kernel, block.get_layer("block_1_conv_1").kernel
    )


def test_statistics_of_the_training_set_are_kept():
    scaling = layers.Normalization(name="scaling")
    scaling.adapt(np.random.default_rng(0).normal(50, 9, (64, 4, 4, 3)))
    conv = {"padding": "same", "activation": "relu"}
    block = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            scaling,
            layers.Conv2D(3, 3, name="a", **conv),
            layers.Conv2D(3, 3, name="b", **conv),
        ]
    )
    copy = shrink(block).get_layer("scaling")
    x = np.full((1, 4, 4, 3), 60.0, "float32")
    assert copy is not scaling
    assert np.array_equal(copy(x), scaling(x))
    assert abs(np.array(copy(x)) - 60).min() > 1  # it does scale


def test_mobilenet_loses_whole_pairs(mobilenet):
    blocks = partition(mobilenet).blocks
    assert [len(units(block)) for block in blocks] == [2, 2, 2, 6, 2]
    assert [removable(block) for block in blocks] == [0, 1, 1, 5, 1]
    pair = units(blocks[3])[0]
    assert [segment.name for segment in pair.segments] == [
        "conv_pad_6", "conv_dw_6", "conv_dw_6_bn", "conv_dw_6_relu", "conv_pw_6", "conv_pw_6_bn", "conv_pw_6_relu"
    ]  # fmt: skip
    student = shrink(blocks[3], 2)
    assert [layer.name for layer in student.layers if "_dw_" in layer.name and layer.name[-1].isdigit()] == [
        f"conv_dw_{number}" for number in (6, 7, 8, 9)
    ]
    assert student.output.shape == blocks[3].output.shape


def test_resnet_loses_whole_residual_units(resnet):
    blocks = partition(resnet).blocks
    assert [removable(block) for block in blocks] == [0, 2, 3, 5, 2]
    student = shrink(blocks[2], 1)
    names = {layer.name for layer in student.layers}
    assert "conv3_block3_out" in names
    assert not any(name.startswith("conv3_block4") for name in names)
    assert student.output.shape == blocks[2].output.shape


def test_gates_belong_to_the_convolution_before_them():
    x = start = keras.Input((4, 4, 6))
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    squeezed = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply(name="excite")([x, layers.Conv2D(6, 1, activation="sigmoid")(squeezed)])
    x = layers.Conv2D(6, 1, name="project")(x)
    x = layers.Conv2D(6, 3, padding="same", name="next")(x)
    found = units(keras.Model(start, x))
    assert [[segment.name for segment in unit.segments] for unit in found] == [
        ["depthwise", "excite", "project"], ["next"]
    ]  # fmt: skip


def test_asked_for_more_than_can_go(vgg, caplog):
    caplog.set_level(logging.INFO, "zoo.surgery.shrink")
    assert len(convolutions(shrink(partition(vgg()).blocks[2], 9))) == 1
    assert caplog.messages == ["block vgg_block_3: 2 units left out, not 9: no other can go"]


def test_nothing_can_go(mobilenet, vgg):
    with pytest.raises(ConfigError) as caught:
        shrink(partition(mobilenet).blocks[0])
    assert str(caught.value).splitlines()[0] == (
        "No unit of block 'mobilenet_0.25_64_block_1' can be left out: "
        "conv1 (64, 64, 3) -> (32, 32, 8), conv_dw_1 (32, 32, 8) -> (32, 32, 16)."
    )
    with pytest.raises(
        ConfigError, match=r"^No unit of block 'vgg_head' can be left out: it has no convolution\."
    ):
        shrink(partition(vgg()).head)
    with pytest.raises(ConfigError, match=r"^remove is 0\."):
        shrink(partition(vgg()).blocks[0], 0)


def test_nested_models_and_lambdas():
    inner = keras.Sequential([keras.Input((4, 4, 3)), layers.Conv2D(3, 1, name="inside")], name="inner")
    inner.trainable = False
    stack = [layers.Conv2D(3, 3, padding="same", name="a"), layers.Conv2D(3, 3, padding="same", name="b")]
    block = keras.Sequential([keras.Input((4, 4, 3)), inner, *stack], name="block")
    student = shrink(block)
    copy = student.get_layer("inner").get_layer("inside")
    assert copy is not inner.get_layer("inside")
    assert copy.trainable_weights
    with_lambda = keras.Sequential([keras.Input((4, 4, 3)), layers.Lambda(lambda x: x, name="own"), *stack])
    with pytest.raises(ConfigError, match=r"^Layer 'own' \(Lambda\) cannot be made anew: "):
        shrink(with_lambda)


def test_copying_the_first_layers(vgg):
    block = partition(vgg()).blocks[1]
    student = shrink(block)
    assert copy_first_layers(block, student) == 2
    for name in ("block_2_conv_1", "block_2_norm_1"):
        for ours, theirs in zip(student.get_layer(name).weights, block.get_layer(name).weights, strict=True):
            assert np.array_equal(ours, theirs)
    wider = keras.Sequential([keras.Input((16, 16, 4)), layers.Conv2D(9, 3, name="block_2_conv_1")])
    assert copy_first_layers(block, wider) == 0


def test_of_open_sizes_a_stride_is_not_taken_out():
    def convolution(name, **options):
        return layers.Conv2D(4, 3, padding="same", name=name, **options)

    start = keras.Input((None, None, 4))
    x = convolution("plain")(convolution("stride", strides=2)(convolution("first")(start)))
    block = keras.Model(start, x, name="block")
    assert removable(block) == 2
    assert [layer.name for layer in shrink(block, 3).layers[1:]] == ["stride"]
