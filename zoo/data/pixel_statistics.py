"""Mean and deviation of the channels of pictures, exact however many there are and in whatever order."""

from __future__ import annotations

import numpy as np

from zoo.errors import DataError

_PICTURES_AT_ONCE = 1024


class PixelHistogram:
    """Counts the values of each channel; the mean and the deviation follow from the counts alone.

    So pictures in memory and the same pictures streamed from files give the same numbers to the last digit.
    """

    def __init__(self) -> None:
        self.counts = np.zeros((3, 256), np.int64)

    def add(self, images: np.ndarray) -> None:
        """Counts pictures: uint8 `[rows, height, width, 3]`."""
        for first in range(0, len(images), _PICTURES_AT_ONCE):
            some = images[first : first + _PICTURES_AT_ONCE]
            for channel in range(3):
                self.counts[channel] += np.bincount(some[..., channel].ravel(), minlength=256)

    def mean_and_deviation(self) -> tuple[list[float], list[float]]:
        """Returns both per channel, of x / 255, rounded to 6 decimals; the deviation divides by the number.

        Raises:
            DataError: A channel has one and the same value everywhere, so that nothing can be divided by its
                deviation.
        """
        share = self.counts / self.counts.sum(axis=1, keepdims=True)
        value = np.arange(256) / 255
        mean = share @ value
        deviation = np.sqrt((share * (value - mean[:, None]) ** 2).sum(axis=1))
        flat = [
            name for name, spread in zip(("red", "green", "blue"), deviation, strict=True) if spread < 1e-6
        ]
        if flat:
            raise DataError(
                f"Every pixel of the training pictures has the same {' and '.join(flat)} value.",
                expected="pictures that differ",
                fix="check the files",
            )
        return mean.round(6).tolist(), deviation.round(6).tolist()
