"""The generated data sets where a data set or a picture is wanted and none is at hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from zoo.cache import cache_folder
from zoo.data.labelled_shapes import write_labelled_shapes
from zoo.data.shapes import random_scene, write_shapes
from zoo.data.shapes_drawing import draw_scene
from zoo.preprocessing.reading import progress_bar

IMAGES, SEED = 1500, 0
LABELLED_IMAGES = 3000
# Part of the cache path: raise it whenever a scene, a picture or a caption may come out differently.
SHAPES_VERSION = LABELLED_SHAPES_VERSION = 1


def cached_shapes(root: Path | None = None, *, images: int = IMAGES, progress: bool = False) -> Path:
    """Returns the folder of the data set `shapes`, generating it on first use.

    Args:
        root: Cache folder; None is the user's.
        images: How many pictures.
        progress: Show a progress bar.
    """
    folder = (root or cache_folder()) / "data" / f"shapes-v{SHAPES_VERSION}-{images}-{SEED}" / "shapes"
    if not folder.is_dir():
        with progress_bar("drawing shapes", images, progress) as advance:
            write_shapes(folder, images=images, seed=SEED, progress=lambda *_: advance(1))
    return folder


def cached_labelled_shapes(
    root: Path | None = None, *, images: int = LABELLED_IMAGES, progress: bool = False
) -> Path:
    """Returns the folder of the labelled data set `shapes`, generating it on first use.

    Args:
        root: Cache folder; None is the user's.
        images: How many training pictures; a fifth as many test pictures come on top.
        progress: Show a progress bar.
    """
    version = f"labelled-shapes-v{LABELLED_SHAPES_VERSION}-{images}-{SEED}"
    folder, test = (root or cache_folder()) / "data" / version / "shapes", images // 5
    if not folder.is_dir():
        with progress_bar("drawing labelled shapes", images + test, progress) as advance:
            write_labelled_shapes(folder, train=images, test=test, seed=SEED, progress=advance)
    return folder


@cache
def example_image(index: int) -> bytes:
    """Returns the bytes of a drawn picture: JPEG, and every third one PNG. The same for the same index."""
    rng = np.random.default_rng([SEED, index])
    scene = random_scene(rng)
    file = io.BytesIO()
    draw_scene(scene.ground, scene.things, rng).save(file, "PNG" if index % 3 == 2 else "JPEG")
    return file.getvalue()


def example_images(rows: int) -> list[bytes]:
    """Returns the bytes of the first `rows` drawn pictures."""
    return [example_image(index) for index in range(rows)]


def example_files(rows: int) -> dict[str, np.ndarray]:
    """Returns drawn pictures as the inputs of a signature that takes files: `image_bytes`, objects `[rows]`."""
    return {"image_bytes": np.array(example_images(rows), object)}


def example_pixels(size: int) -> Callable[[int], dict[str, np.ndarray]]:
    """Returns what makes so many drawn pictures the inputs of a signature that takes arrays.

    Args:
        size: Side in pixels.

    Returns:
        rows -> `image`, uint8 `[rows, size, size, 3]`, decoded and resized as served files are.
    """

    def pixels(rows: int) -> dict[str, np.ndarray]:
        import tensorflow as tf

        from zoo.preprocessing.image import decode_batch

        return {"image": decode_batch(tf.constant(example_images(rows)), size).numpy()}

    return pixels
