"""Crops and flips inside a network."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.layers.pad_crop_flip import PadCropFlip

ROWS, SIDE = 200, 5


def coordinates(dtype="uint8"):
    """Red is the row + 1, green the column + 1; zeros come from the padding."""
    images = np.zeros((ROWS, SIDE, SIDE, 3), dtype)
    images[..., 0], images[..., 1] = np.arange(1, SIDE + 1)[:, None], np.arange(1, SIDE + 1)
    images[..., 2] = 9
    return images


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_every_picture_is_shifted_and_flipped_by_itself(dtype):
    images = coordinates(dtype)
    crops = value(PadCropFlip(padding=2, seed=1)(images, training=True))
    assert crops.dtype == dtype
    seen = set()
    for crop in crops:
        # The centre is inside for shifts of up to 2, and tells the shift; its neighbour tells the direction.
        down, centre = int(crop[2, 2, 0]) - 3, int(crop[2, 2, 1])
        flipped = bool(crop[2, 1, 1] > crop[2, 3, 1]) if 0 not in crop[2, [1, 3], 1] else None
        if flipped is None:
            flipped = bool(crop[2, 1, 1] > centre if crop[2, 1, 1] else centre > crop[2, 3, 1])
        padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)))
        left = centre - 1
        top = down + 2
        window = padded[top : top + SIDE, left : left + SIDE]
        assert np.array_equal(crop, window[:, ::-1] if flipped else window)
        seen.add((top, left, flipped))
    # 50 possibilities, 200 pictures.
    assert {s[0] for s in seen} == {s[1] for s in seen} == set(range(5)) and len(seen) > 40


def test_only_in_training_and_anew_each_time():
    layer, images = PadCropFlip(padding=2, seed=1), coordinates()
    assert np.array_equal(value(layer(images)), images)
    assert np.array_equal(value(layer(images, training=False)), images)
    first, second = value(layer(images, training=True)), value(layer(images, training=True))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, value(PadCropFlip(padding=2, seed=1)(images, training=True)))


def test_without_flips_columns_keep_their_order():
    crops = value(PadCropFlip(padding=1, flip=False, seed=0)(coordinates(), training=True)).astype(int)
    inside = crops[:, 2, 1:4, 1]
    assert (np.diff(inside) == 1).all()


def test_a_padding_of_none_only_flips():
    images = coordinates()
    crops = value(PadCropFlip(padding=0, seed=0)(images, training=True))
    flipped = [np.array_equal(crop, images[0][:, ::-1]) for crop in crops]
    straight = [np.array_equal(crop, images[0]) for crop in crops]
    assert sum(flipped) + sum(straight) == ROWS and 70 < sum(flipped) < 130


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_in_a_network(policy):
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8")
    crops = PadCropFlip(padding=2, seed=0, dtype=policy)(image)
    assert crops.shape == (None, SIDE, SIDE, 3) and crops.dtype == "uint8"
    model = keras.Model(image, keras.layers.Flatten()(crops))
    model.compile(loss=None)
    images = coordinates()
    assert np.array_equal(model.predict(images, verbose=0), images.reshape(ROWS, -1))
    again = keras.Model.from_config(model.get_config())
    assert again.layers[1].get_config() == model.layers[1].get_config()
    assert not np.array_equal(value(again(images, training=True)), images.reshape(ROWS, -1))
    floats = keras.Input((SIDE, SIDE, 3), dtype="float32")
    # 0.1 would be another number in bfloat16.
    kept = keras.Model(floats, PadCropFlip(dtype=policy)(floats))(np.full((1, SIDE, SIDE, 3), 0.1, "float32"))
    assert np.array_equal(value(kept), np.full((1, SIDE, SIDE, 3), 0.1, "float32"))


def test_a_negative_padding():
    with pytest.raises(ConfigError, match=r"^padding is -1"):
        PadCropFlip(padding=-1)
