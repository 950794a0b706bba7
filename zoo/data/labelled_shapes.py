"""The drawn data set with classes: one object on a ground, to be named by its kind.

Ground, colour, size and place vary and say little about the class: a colour belongs to two or three kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from zoo.data.cifar import SIDE, write_cifar
from zoo.data.labelled_images import LabelledImages, LabelledPart
from zoo.data.shapes_drawing import GROUNDS, OBJECTS, Thing, draw_scene
from zoo.data.shapes_drawing import SIDE as SCENE_SIDE
from zoo.errors import DataError

CLASSES = tuple(OBJECTS)
# Radii in the scene of 96 pixels; the picture is three times smaller, and the least a star needs is 5 pixels.
_SMALLEST, _LARGEST = 15.0, 40.0


def write_labelled_shapes(
    folder: str | Path,
    *,
    train: int = 3000,
    test: int = 600,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Writes the data set in the layout of CIFAR-100, whole or not at all.

    The pictures are a function of (train, test, seed), and a smaller set is the beginning of a larger one.

    Args:
        folder: Where to write; it must not exist, or be empty.
        train: Training pictures, as many of every class.
        test: Test pictures, likewise.
        seed: Of the scenes.
        progress: Called with 1 after each picture.

    Returns:
        The folder.

    Raises:
        DataError: The folder holds files, or the numbers are not multiples of the number of classes.
    """
    for count in (train, test):
        if count < 1 or count % len(CLASSES):
            raise DataError(
                f"{count} pictures of {len(CLASSES)} classes are asked for.",
                expected=f"a multiple of {len(CLASSES)}: as many of every class",
                fix=f"ask for {max(1, round(count / len(CLASSES))) * len(CLASSES)}",
            )
    # Part of every picture's seed, so that the parts have no picture in common.
    parts = {
        part: _draw_part(count, [seed, number], progress)
        for number, (part, count) in enumerate({"train": train, "test": test}.items())
    }
    return write_cifar(folder, LabelledImages("shapes", CLASSES, **parts))


def draw_labelled(label: int, rng: np.random.Generator) -> np.ndarray:
    """Draws one object: uint8 `[32, 32, 3]`, RGB.

    Args:
        label: Position of its kind in `CLASSES`.
        rng: For ground, colour, size, place and the grain of the ground.
    """
    from PIL import Image

    kind, ground = CLASSES[label], str(rng.choice(list(GROUNDS)))
    colours = [name for name in OBJECTS[kind].colours if name not in GROUNDS[ground].hides]
    radius = float(rng.uniform(_SMALLEST, _LARGEST))
    x, y = (float(place) for place in rng.uniform(radius + 1, SCENE_SIDE - radius - 1, size=2))
    scene = draw_scene(ground, [Thing(kind, str(rng.choice(colours)), x, y, radius)], rng)
    return np.asarray(scene.resize((SIDE, SIDE), Image.Resampling.BOX))


def _draw_part(count: int, seed: list[int], progress: Callable[[int], None] | None) -> LabelledPart:
    images = np.empty((count, SIDE, SIDE, 3), np.uint8)
    labels = np.arange(count, dtype=np.int32) % len(CLASSES)
    for row, label in enumerate(labels.tolist()):
        images[row] = draw_labelled(label, np.random.default_rng([*seed, row]))
        if progress is not None:
            progress(1)
    return LabelledPart(images, labels, tuple(str(row) for row in range(count)))
