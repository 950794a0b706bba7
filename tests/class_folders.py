"""Folders of class folders with noise for pictures, one of which is none."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np


def write_with_a_bad_picture(folder: Path, pictures: int) -> Path:
    """Six classes of so many PNG files of 32x32; the last of class `a` cannot be read."""
    rng = np.random.default_rng(0)
    for name in "abcdef":
        (folder / name).mkdir(parents=True)
        for number in range(pictures):
            picture = rng.integers(0, 256, (32, 32, 3), np.uint8)
            keras.utils.save_img(folder / name / f"{number}.png", picture)
    (folder / "a" / f"{pictures - 1}.png").write_bytes(b"no picture")
    return folder
