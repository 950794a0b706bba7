"""Multiply-adds: each kind of layer by hand, the report's table, and the published numbers."""

from __future__ import annotations

import keras
import pytest
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.assemble import assemble
from zoo.surgery.graph import graph_of, rerun
from zoo.surgery.macs import layer_multiply_adds, multiply_adds
from zoo.surgery.partition import partition
from zoo.surgery.shrink import shrink

WIDTHS = (64, 128, 256, 512, 512)


def count(*stack, size=(8, 8, 6)):
    return multiply_adds(keras.Sequential([keras.Input(size), *stack]))


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, 3, padding="same"), 64 * 9 * 6 * 5),
        (layers.Conv2D(5, 3), 36 * 9 * 6 * 5),
        (layers.Conv2D(4, 3, padding="same", strides=2, groups=2), 16 * 9 * 3 * 4),
        (layers.Conv2D(5, 3, dilation_rate=2), 16 * 9 * 6 * 5),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), 64 * 9 * 6 * 2),
        (layers.SeparableConv2D(5, 3, padding="same"), 64 * (9 * 6 + 6 * 5)),
        (layers.Conv2DTranspose(5, 3, strides=2, padding="same"), 64 * 9 * 6 * 5),
        (layers.Dense(7), 64 * 6 * 7),
        (layers.BatchNormalization(), 0),
    ],
    ids=[
        "same",
        "valid",
        "groups and stride",
        "dilation",
        "depthwise",
        "separable",
        "transpose",
        "dense",
        "norm",
    ],
)
def test_a_layer_by_hand(layer, expected):
    assert count(layer) == expected


def test_nested_models_and_shared_layers_count_at_every_call():
    inner = keras.Sequential([keras.Input((None, None, 6)), layers.Conv2D(6, 1, name="conv")], name="inner")
    x = start = keras.Input((8, 8, 6))
    x = inner(x)
    x = layers.MaxPooling2D()(x)
    assert layer_multiply_adds(keras.Model(start, inner(x))) == {"inner/conv": (64 + 16) * 36}


@pytest.mark.parametrize(
    ("remove", "macs", "weights"),
    [(0, 313.2e6, 14.71e6), (1, 152.8e6, 9.22e6), (2, 67.8e6, 3.91e6)],
    ids=["vgg15", "minus one", "one per block"],
)
def test_the_table_of_the_report(vgg, remove, macs, weights):
    blocks = partition(vgg(widths=WIDTHS, norm=False)).blocks
    model = assemble([shrink(block, remove) if remove else block for block in blocks], "trunk")
    assert multiply_adds(model) == pytest.approx(macs, rel=0.001)
    assert model.count_params() == pytest.approx(weights, rel=0.001)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        pytest.param("mobilenet", 41e6, id="MobileNet 0.25 (Howard et al. 2017, table 6)"),
        pytest.param("resnet", 3.858e9, id="ResNet50 (He et al. 2016, table 1: 3.8 G)"),
    ],
)
def test_published_numbers_at_224(name, published, request):
    start = keras.Input((224, 224, 3))
    model = keras.Model(start, rerun(graph_of(request.getfixturevalue(name)).segments(), start))
    assert multiply_adds(model) == pytest.approx(published, rel=0.01)


def test_an_image_of_open_size():
    model = keras.Sequential([keras.Input((None, 8, 3)), layers.Conv2D(2, 3, name="conv")], name="open")
    with pytest.raises(
        ConfigError,
        match=r"^The multiply-adds of 'open' depend on the image: layer 'conv' works at \(None, 6\)\.",
    ):
        multiply_adds(model)


def test_what_is_not_counted_is_said(caplog):
    x = start = keras.Input((4, 8))
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    assert multiply_adds(keras.Model(start, layers.Dense(3, name="top")(x), name="net")) == 4 * 8 * 3
    assert "without those of layer 'attention': a MultiHeadAttention is not counted" in caplog.text
