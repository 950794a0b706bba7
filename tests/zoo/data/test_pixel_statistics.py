"""Mean and deviation per channel."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.data.pixel_statistics import PixelHistogram
from zoo.errors import DataError


def statistics(*batches):
    histogram = PixelHistogram()
    for images in batches:
        histogram.add(images)
    return histogram.mean_and_deviation()


def test_by_hand():
    # Red 0 and 255; green 51 three times and 102; blue 0, 0, 255, 255.
    image = np.array([[[[0, 51, 0], [255, 51, 0]], [[0, 51, 255], [255, 102, 255]]]], np.uint8)
    mean, deviation = statistics(image)
    assert mean == [0.5, 0.25, 0.5]
    # Green: sqrt(3/4 * 0.05^2 + 1/4 * 0.15^2) = sqrt(0.0075)
    assert deviation == [0.5, 0.086603, 0.5]


def test_however_the_pictures_come_the_numbers_are_the_same():
    images = np.random.default_rng(0).integers(0, 256, (1500, 4, 5, 3), np.uint8)
    whole = statistics(images)
    assert whole == statistics(*images[::-1, None])
    pixels = images.reshape(-1, 3) / 255
    assert whole[0] == pixels.mean(axis=0).round(6).tolist()
    assert whole[1] == pixels.std(axis=0).round(6).tolist()


def test_a_channel_that_never_varies():
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), np.uint8)
    images[..., 1:] = 7
    text = r"^Every pixel of the training pictures has the same green and blue value\."
    with pytest.raises(DataError, match=text):
        statistics(images)
