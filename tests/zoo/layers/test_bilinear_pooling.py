"""Bilinear pooling on numbers worked by hand, and the shapes that it and the other pooling layers take."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.layers.bilinear_pooling import BilinearPooling
from zoo.layers.positions import as_positions, check_maps, one_or_two, positions_of

# Two positions of two channels: (1, 2) and (3, 0).
X = np.array([[[1, 2], [3, 0]]], "float32")
# The same grid, three channels.
Y = np.array([[[1, 0, -1], [2, 2, 0]]], "float32")


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_mean_outer_product_of_one_map():
    # ((1, 2)ᵀ(1, 2) + (3, 0)ᵀ(3, 0)) / 2 = ([1 2; 2 4] + [9 0; 0 0]) / 2
    assert value(BilinearPooling()(X)).tolist() == [[5, 1, 1, 2]]


def test_mean_outer_product_of_a_pair():
    # ((1, 2)ᵀ(1, 0, -1) + (3, 0)ᵀ(2, 2, 0)) / 2 = ([1 0 -1; 2 0 -2] + [6 6 0; 0 0 0]) / 2
    assert value(BilinearPooling()([X, Y])).tolist() == [[3.5, 3, -0.5, 1, 0, -1]]


@pytest.mark.parametrize("shape", [(1, 1, 2, 2), (1, 2, 1, 2), (1, 2, 2)], ids=str)
def test_the_grid_does_not_matter(shape):
    assert value(BilinearPooling()(X.reshape(shape))).tolist() == [[5, 1, 1, 2]]


def test_vectors_are_maps_of_one_position():
    assert value(BilinearPooling()([X[:, 0], Y[:, 1]])).tolist() == [[2, 2, 0, 4, 4, 0]]


def test_pictures_of_a_batch_do_not_mix():
    both = value(BilinearPooling()(np.concatenate([X, 2 * X])))
    assert both.tolist() == [[5, 1, 1, 2], [20, 4, 4, 8]]


def test_grids_that_differ_are_named():
    with pytest.raises(ZooError) as error:
        BilinearPooling(name="pool")([np.zeros((1, 7, 7, 4)), np.zeros((1, 4, 4, 4))])
    assert str(error.value) == (
        "pool got maps of shapes (1, 7, 7, 4) and (1, 4, 4, 4).\n"
        "Expected: the same grid for both; only the channels may differ\n"
        "Fix: bring them to one grid first, e.g. with keras.layers.Resizing or GlobalAveragePooling2D"
    )


@pytest.mark.parametrize("shape", [(None,), (None, None), (None, 2, 2, 2, 3)], ids=str)
def test_what_is_no_map(shape):
    with pytest.raises(
        ZooError, match=re.escape(f"p got an input of shape {shape}.\nExpected: [batch, height")
    ):
        check_maps(shape, layer="p")


@pytest.mark.parametrize("count", [0, 3])
def test_one_map_or_two(count):
    with pytest.raises(ZooError, match=rf"p got {count} inputs\.\nExpected: one map, or a pair \[x, y\]"):
        one_or_two([X] * count, "p")


def test_one_stands_for_both_and_shapes_are_no_pairs():
    assert one_or_two(X, "p") == one_or_two([X], "p") == (X, X)
    assert one_or_two([X, Y], "p") == (X, Y)
    assert one_or_two([None, 7, 7, 4], "p") == ([None, 7, 7, 4], [None, 7, 7, 4])
    assert one_or_two([[None, 4], [None, 5]], "p") == ([None, 4], [None, 5])


def test_positions_are_counted_where_they_are_known():
    counts = [positions_of(s) for s in ((None, 7, 6, 3), (2, 5, 3), (2, 3), (2, None, 6, 3))]
    assert counts == [42, 5, 1, None]


def test_positions_of_half_precision_are_computed_in_single():
    assert as_positions(X.astype("float16")).dtype == "float32"
    assert as_positions(X.astype("float64")).dtype == "float64"
    assert as_positions(np.ones((2, 3, 4, 5), "float32")).shape == (2, 12, 5)
