"""Maps of a converted classifier for picture files, and the class whose map is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras

from zoo.errors import ConfigError, nearest
from zoo.fitting.class_vectors import ClassVectors
from zoo.models.fusion.class_maps import ClassMaps
from zoo.models.fusion.map_classes import read_class_names
from zoo.preprocessing.reading import load_images
from zoo.preprocessing.scaling import PixelScaling

_BATCH = 16


def class_names(labels: Path | None, known: Sequence[str], count: int) -> tuple[str, ...]:
    """Returns the name of each class of a head; its number where nothing tells names.

    Args:
        labels: Text file with a name in each line, in the order of the head.
        known: What the model itself tells; counts without a file.
        count: Classes of the head.

    Raises:
        DataError: There is no such file, it is no text, or it has another number of lines.
    """
    if labels is None:
        return tuple(known) if len(known) == count else tuple(map(str, range(count)))
    return read_class_names(labels, count)


def class_column(asked: str, names: Sequence[str], vectors: ClassVectors) -> int:
    """Returns which of the kept classes is meant by a name or a number of the head.

    Raises:
        ConfigError: It is no class, several, or one that was dropped.
    """
    found = [number for number, name in enumerate(names) if name == asked]
    if not found and asked.isdecimal() and int(asked) < len(names):
        found = [int(asked)]
    if len(found) != 1:
        what = f"several classes, {', '.join(map(str, found))}" if found else "no class"
        raise ConfigError(
            f"--class {asked} names {what}.{'' if found else nearest(asked, names)}",
            expected=f"a name, or a number from 0 to {len(names) - 1}",
            fix="give the number; names come from --labels FILE",
        )
    if found[0] in vectors.dropped_classes:
        raise ConfigError(
            f"--class {asked} was left out by --drop-classes.", fix="name another class, or keep this one"
        )
    return int(list(vectors.classes).index(found[0]))


def picture_maps(
    converted: keras.Model,
    vectors: ClassVectors,
    pictures: Sequence[Path],
    names: Sequence[str],
    column: int | None = None,
    scaling: str | None = None,
) -> dict[str, ClassMaps]:
    """Returns what `draw_class_maps` draws of each picture, by the name of its file without the ending.

    Args:
        converted: What `convert` gives, with polar class vectors.
        vectors: Its class vectors.
        pictures: Files.
        names: Of all classes of the head.
        column: Which of the kept classes; None: the likeliest of each picture.
        scaling: Mode of `PixelScaling` that the model does not do itself.

    Raises:
        ConfigError: Two files have one name, the class vectors are not polar, or the model takes no square pictures.
        DataError: A picture cannot be read.
    """
    if len({path.stem for path in pictures}) < len(pictures):
        raise ConfigError("Two pictures have the same name.", fix="rename one: its maps are called after it")
    if vectors.basis != "polar":
        raise ConfigError(
            f"Maps of a class cannot be drawn with --basis {vectors.basis}.",
            expected="polar class vectors, one for each class",
            fix="leave --basis or --picture out",
        )
    shape = converted.input_shape
    if len(shape) != 4 or shape[1] != shape[2] or shape[1] is None or shape[3] != 3:
        raise ConfigError(
            f"The classifier takes {shape}.",
            expected="[N, side, side, 3], with a fixed side",
            fix="leave --picture out, or build the classifier for square pictures of one size",
        )
    images = load_images(list(pictures), shape[1]).array
    pixels = keras.ops.convert_to_numpy(PixelScaling(scaling)(images)) if scaling else images
    maps = converted.predict(pixels, batch_size=_BATCH, verbose=0)
    rows = {}
    for row, path in enumerate(pictures):
        drawn = int(maps["fc"][row].argmax()) if column is None else column
        name = names[int(vectors.classes[drawn])]
        rows[path.stem] = ClassMaps(images[row], maps["cam"][row], maps["svd_cam"][row], drawn, name)
    return rows
