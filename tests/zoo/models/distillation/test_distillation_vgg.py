"""The three VGGs, against the multiply-adds and weights of the literature."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.models.distillation.recipe import MinusOneRecipe, OnePerBlockRecipe, Vgg15Recipe
from zoo.models.distillation.vgg import BLOCKS, vgg
from zoo.surgery.macs import layer_multiply_adds
from zoo.surgery.partition import partition

# Millions of multiply-adds in the convolutions at 32x32, and of their weights with biases.
KNOWN = {Vgg15Recipe: (313.2, 14.71), MinusOneRecipe: (152.8, 9.22), OnePerBlockRecipe: (67.8, 3.91)}


@pytest.mark.parametrize("recipe", KNOWN, ids=lambda recipe: recipe.name)
def test_cost_of_the_full_width(recipe):
    network = vgg(recipe.convolutions, classes=100, batch_norm=False)
    macs = {name: n for name, n in layer_multiply_adds(network).items() if "conv" in name}
    weights = sum(layer.count_params() for layer in network.layers if "conv" in layer.name)
    assert len(macs) == sum(recipe.convolutions)
    assert sum(macs.values()) / 1e6 == pytest.approx(KNOWN[recipe][0], abs=0.05)
    assert weights / 1e6 == pytest.approx(KNOWN[recipe][1], abs=0.005)


@pytest.mark.parametrize(
    ("pools", "sides", "flat"), [(5, [16, 8, 4, 2, 1], 64), (3, [16, 8, 4, 4, 4], 4 * 4 * 64)], ids=["5", "3"]
)
def test_blocks_end_where_their_names_say(pools, sides, flat):
    network = vgg((2, 2, 3, 3, 3), classes=7, width=0.125, head_width=6, pools=pools)
    parts = partition(network, BLOCKS)
    assert parts.cuts == BLOCKS
    channels = [8, 16, 32, 64, 64]
    assert [block.output_shape[1:] for block in parts.blocks] == [
        (side, side, n) for side, n in zip(sides, channels, strict=True)
    ]
    assert parts.head.input_shape[1:] == parts.blocks[-1].output_shape[1:]
    assert network.get_layer("dense_1").kernel.shape == (flat, 6)
    assert network.output_shape == (None, 7)


@pytest.mark.parametrize("batch_norm", [True, False], ids=["norm", "plain"])
def test_layers_of_a_block(batch_norm):
    network = vgg((2, 1, 1, 1, 1), classes=3, width=0.125, head_width=4, batch_norm=batch_norm)
    names = [layer.name for layer in network.layers]
    one = ["conv_1", "norm_1", "relu_1", "conv_2", "norm_2", "relu_2"]
    expected = [f"block_1_{name}" for name in one if batch_norm or "norm" not in name]
    assert names[2 : names.index("block_1") + 1] == [*expected, "block_1"]
    # Batch normalisation takes the mean away: a bias before it would do nothing.
    assert network.get_layer("block_1_conv_1").use_bias is not batch_norm


def test_channels_are_never_less_than_8():
    network = vgg((1, 1, 1, 1, 1), classes=3, width=0.01, head_width=4)
    assert [network.get_layer(f"block_{i}_conv_1").filters for i in range(1, 6)] == [8] * 5


def test_pixels_are_scaled_by_mean_and_deviation():
    mean, deviation = (0.1, 0.5, 0.9), (0.2, 0.25, 0.5)
    network = vgg((1,) * 5, classes=3, width=0.125, head_width=4, mean=mean, deviation=deviation)
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    scaled = network.get_layer("scaling")(image).numpy()
    np.testing.assert_allclose(scaled, (image / 255 - mean) / deviation, atol=1e-5)


def test_float_pixels_are_answered_like_bytes():
    network = vgg((1,) * 5, classes=3, width=0.125, head_width=4)
    image = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(network(image), network(image.astype("float32")))
