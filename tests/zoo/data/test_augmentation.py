"""Crops and flips: what they do to a picture, and that they are the same wherever the batches come from."""

from __future__ import annotations

import itertools
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from zoo.data.augmentation import PadCropFlip, crop_flip_indices
from zoo.data.batches import ImageFiles, Split, array_batches
from zoo.errors import ConfigError, DataError

SIDE, WIDE, ROWS, BATCH, SEED = 6, 7, 11, 4, 3


def coordinates(rows, height=SIDE, width=WIDE):
    """Pictures whose pixels say where they are: row + 1, column + 1, number of the picture."""
    images = np.zeros((rows, height, width, 3), np.uint8)
    images[..., 0] = np.arange(1, height + 1)[:, None]
    images[..., 1] = np.arange(1, width + 1)
    images[..., 2] = np.arange(rows)[:, None, None]
    return images


def expected_crop(image, top, left, flip, padding):
    """The definition, pixel by pixel."""
    height, width, _ = image.shape
    crop = np.zeros_like(image)
    for y, x in itertools.product(range(height), range(width)):
        from_y, from_x = y + top - padding, x + left - padding
        if 0 <= from_y < height and 0 <= from_x < width:
            crop[y, width - 1 - x if flip else x] = image[from_y, from_x]
    return crop


@pytest.mark.parametrize("kind", ["arrays", "tensors"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_every_place_and_both_directions(kind, dtype):
    augmentation = PadCropFlip(padding=2)
    draws = np.array(list(itertools.product(range(5), range(5), range(2))), np.int32)
    images = coordinates(len(draws)).astype(dtype)
    crops = np.asarray(getattr(augmentation, f"on_{kind}")(images, draws))
    assert crops.dtype == dtype
    for crop, image, draw in zip(crops, images, draws, strict=True):
        assert np.array_equal(crop, expected_crop(image, *draw, padding=2)), draw


def test_the_indices_by_hand():
    # 1 x 2 pixels with a frame of 1: 3 x 4 padded pixels; the picture is at 5 and 6, the second at 17 and 18.
    draws = np.array([[1, 1, 0], [1, 1, 1], [0, 2, 0], [2, 0, 1]], np.int32)
    first = np.arange(4, dtype=np.int32)
    index = crop_flip_indices(draws, first, 1, 2, 1)
    assert index.tolist() == [[[5, 6]], [[18, 17]], [[26, 27]], [[45, 44]]]
    assert index.dtype == np.int32
    on_tensors = crop_flip_indices(keras.ops.array(draws), keras.ops.arange(4, dtype="int32"), 1, 2, 1)
    assert np.array_equal(keras.ops.convert_to_numpy(on_tensors), index)


def test_draws_are_even_and_a_function_of_their_arguments():
    augmentation = PadCropFlip(padding=4)
    draws = augmentation.draws(9000, SEED, 0)
    assert draws.shape == (9000, 3) and draws.dtype == np.int32
    for column, values in enumerate((9, 9, 2)):
        counts = np.bincount(draws[:, column], minlength=values)
        assert len(counts) == values
        # Five standard deviations of a binomial count.
        p = 1 / values
        assert np.abs(counts - 9000 * p).max() < 5 * (9000 * p * (1 - p)) ** 0.5
    assert abs(np.corrcoef(draws.T) - np.eye(3)).max() < 0.05
    assert np.array_equal(draws, augmentation.draws(9000, SEED, 0))
    for seed, epoch in ((SEED, 1), (SEED + 1, 0)):
        assert np.mean(draws[:, 0] == augmentation.draws(9000, seed, epoch)[:, 0]) < 0.2
    # Frozen: a run that was started earlier must resume with the same pixels.
    assert augmentation.draws(3, 5, 1).tolist() == [[7, 7, 0], [4, 3, 0], [7, 8, 0]]


def test_without_flips_the_places_are_the_same():
    plain, flipped = PadCropFlip(flip=False).draws(50, 0, 0), PadCropFlip().draws(50, 0, 0)
    assert np.array_equal(plain[:, :2], flipped[:, :2])
    assert not plain[:, 2].any() and flipped[:, 2].any()


def make_split(**more):
    labels = np.arange(ROWS, dtype=np.int32)
    return Split({"image": coordinates(ROWS), **more}, {"label": labels}, tuple(map(str, labels)))


def test_tf_data_and_arrays_show_the_same_pixels():
    augmentation, split = PadCropFlip(padding=2), make_split()
    drawn = [augmentation.draws(ROWS, SEED, epoch) for epoch in range(2)]
    batches = split.epochs(BATCH, seed=SEED, augmentation=augmentation)
    arrays = array_batches(split, BATCH, seed=SEED, augmentation=augmentation)
    for index, (images, targets) in enumerate(itertools.islice(batches, 6)):
        again, labels = arrays[index]
        assert np.array_equal(images, again) and np.array_equal(targets["label"], labels["label"])
        assert images.dtype == "uint8" and again.dtype == np.uint8
        for image, row in zip(np.asarray(images), labels["label"], strict=True):
            draw = drawn[index // 3][row]
            assert np.array_equal(image, expected_crop(split.inputs["image"][row], *draw, padding=2))


def test_a_later_epoch_is_the_same_after_a_resume():
    augmentation, split = PadCropFlip(padding=2), make_split()
    unbroken = list(itertools.islice(split.epochs(BATCH, seed=SEED, augmentation=augmentation), 9))[6:]
    resumed = itertools.islice(split.epochs(BATCH, seed=SEED, first_epoch=2, augmentation=augmentation), 3)
    for (left, _), (right, _) in zip(unbroken, resumed, strict=True):
        assert np.array_equal(left, right)


def test_the_order_of_rows_does_not_depend_on_the_augmentation():
    split = make_split()
    for augmentation in (None, PadCropFlip(padding=1)):
        labels = [y["label"].numpy() for _, y in itertools.islice(split.epochs(BATCH, seed=1), 3)]
        seen = itertools.islice(split.epochs(BATCH, seed=1, augmentation=augmentation), 3)
        assert all(np.array_equal(one, y["label"]) for one, (_, y) in zip(labels, seen, strict=True))


def test_one_pass_shows_the_pictures_as_they_are():
    split = make_split()
    shown = np.concatenate([images for images, _ in split.once(BATCH)])
    assert np.array_equal(shown, split.inputs["image"])


def test_without_tensorflow(monkeypatch):
    augmentation, split = PadCropFlip(padding=2), make_split()
    expected = array_batches(split, BATCH, seed=SEED, augmentation=augmentation)[0][0]
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    batches = split.epochs(BATCH, seed=SEED, augmentation=augmentation)
    assert isinstance(batches, keras.utils.PyDataset)
    assert np.array_equal(batches[0][0], expected)


def test_files_and_further_inputs(tmp_path):
    images = coordinates(ROWS, 8, 8)
    for row, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{row}.png")
    files = ImageFiles(tuple(tmp_path / f"{row}.png" for row in range(ROWS)), 8)
    words = np.arange(ROWS, dtype=np.float32)[:, None]
    augmentation = PadCropFlip(padding=2)
    plain = make_split()
    batches = [
        Split({"image": rows, "words": words}, plain.targets, plain.ids).epochs(
            BATCH, seed=SEED, augmentation=augmentation
        )
        for rows in (files, images)
    ]
    for (left, _), (right, targets) in itertools.islice(zip(*batches, strict=True), 3):
        assert np.array_equal(left["image"], right["image"])
        assert np.array_equal(left["words"][:, 0], targets["label"])
        assert not np.array_equal(left["image"], images[targets["label"].numpy()])


def test_wrong_use():
    split = Split({"features": np.zeros((2, 3))}, {}, ("a", "b"))
    with pytest.raises(DataError, match=r"^There is no input 'image' to augment, but features"):
        split.epochs(2, seed=0, augmentation=PadCropFlip())
    with pytest.raises(ConfigError, match=r"^padding is -1"):
        PadCropFlip(padding=-1)
