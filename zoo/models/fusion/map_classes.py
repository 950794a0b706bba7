"""What the channels of `cam` and `svd_cam` are called."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import keras

from zoo.checks import existing, listing
from zoo.errors import DataError
from zoo.fitting.class_vectors import kept_columns
from zoo.models.fusion.config import FusionConfig


def map_classes(config: FusionConfig, eye: keras.Model) -> tuple[str, ...]:
    """Returns a name for each channel of the eye's `cam`; none where it has no such output.

    A name is the line of the class in the file of names, else its number; with two networks "first:" or "second:"
    stands before it.

    Args:
        config: Files of names, and classes that are left out.
        eye: As `build_eye` makes it.

    Raises:
        DataError: A file of names cannot be read, has not a line for each class, or has a name twice.
    """
    if "cam" not in eye.output:
        return ()
    networks = dict.fromkeys(layer.network for layer in config.chosen)
    names: list[str] = []
    for network in networks:
        first = network == "first"
        dropped = config.drop_classes if first else config.second_drop_classes
        file = config.class_names if first else config.second_class_names
        count = int(eye.get_layer(f"{network}_cam").output.shape[-1]) + len(set(dropped))
        own = (
            _different(file, read_class_names(file, count))
            if file
            else [str(number) for number in range(count)]
        )
        prefix = f"{network}:" if len(networks) > 1 else ""
        names += [f"{prefix}{own[number]}" for number in kept_columns(count, dropped)]
    return tuple(names)


def read_class_names(file: str | Path, classes: int) -> tuple[str, ...]:
    """Returns the lines of a text file of names, one for each class of a head, in the order of its columns.

    Raises:
        DataError: The file is not there, is no UTF-8 text, or has another number of lines.
    """
    try:
        names = tuple(existing(file, "The file of class names").read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"The file of class names {file} cannot be read: {error}",
            expected="a text file in UTF-8, a name in each line",
            fix="save it as such a file",
        ) from error
    if len(names) != classes:
        raise DataError(
            f"{file} has {len(names)} lines, the head {classes} classes.",
            expected="one line for each class, in the order of the head",
            fix="use the names that the classifier was trained with",
        )
    return names


def _different(file: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, by which maps are asked for."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"{file} has names twice: {listing(twice)}.",
            expected="a different name for each class: maps are asked for by them",
            fix="tell them apart in the file, or leave it out",
        )
    return names
