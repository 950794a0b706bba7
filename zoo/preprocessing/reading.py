"""Pictures on disk as uint8 arrays, with an error that names the file that cannot be read."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import DataError, MissingExtraError
from zoo.preprocessing.image import MAX_PIXELS, decode_and_resize

_log = logging.getLogger(__name__)

Advance = Callable[[int], None]


@dataclass(frozen=True)
class BadImage:
    """A picture that cannot be read, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Images:
    """Decoded pictures.

    Attributes:
        array: uint8 `[rows, size, size, 3]`, RGB, 0..255; one row per readable picture.
        kept: int64 `[rows]`, the position of each row in the list of paths that was given.
        bad: The pictures that were skipped.
    """

    array: np.ndarray = field(repr=False)
    kept: np.ndarray = field(repr=False)
    bad: tuple[BadImage, ...]


def iterate_images(
    paths: Sequence[Path], size: int, *, max_pixels: int = MAX_PIXELS
) -> Iterator[np.ndarray | BadImage]:
    """Decodes pictures in parallel and yields them in the order of their paths.

    Args:
        paths: Picture files.
        size: Side of the results in pixels.
        max_pixels: As in `zoo.preprocessing.image.decode_and_resize`, which does the work.

    Yields:
        uint8 `[size, size, 3]`, or what is wrong with the file, one item per path.
    """
    try:
        import tensorflow as tf
    except ImportError as error:
        raise MissingExtraError("tensorflow", "zoo", "Decoding pictures") from error

    def read(path: Any) -> Any:
        return decode_and_resize(tf.io.read_file(path), size, max_pixels)

    names = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    decoded = names.map(read, num_parallel_calls=os.cpu_count() or 1).prefetch(16)
    # An element that fails raises at its own place, and the iterator goes on behind it.
    iterator = iter(decoded)
    for path in paths:
        try:
            yield next(iterator).numpy()
        except tf.errors.OpError as error:
            yield BadImage(Path(path), _reason(error.message))


def load_images(
    paths: Sequence[Path],
    size: int,
    *,
    skip_bad: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: bool = False,
) -> Images:
    """Decodes pictures into one array.

    Args:
        paths: Picture files.
        size: Side of the results in pixels.
        skip_bad: Leave unreadable pictures out and list them, instead of raising.
        max_pixels: As in `zoo.preprocessing.image.decode_and_resize`.
        progress: Show a progress bar.

    Raises:
        DataError: A picture cannot be read; the text names the file.
    """
    array = np.empty((len(paths), size, size, 3), np.uint8)
    kept: list[int] = []
    bad: list[BadImage] = []
    with progress_bar("decoding pictures", len(paths), progress) as advance:
        for row, image in enumerate(iterate_images(paths, size, max_pixels=max_pixels)):
            if isinstance(image, BadImage):
                refuse_bad_image(image, skip_bad)
                bad.append(image)
            else:
                array[len(kept)] = image
                kept.append(row)
            advance(1)
    log_bad_images(bad, len(paths))
    return Images(array[: len(kept)], np.array(kept, np.int64), tuple(bad))


def readable_images(
    paths: Sequence[Path], size: int, *, skip_bad: bool = False, progress: bool = False
) -> np.ndarray:
    """Decodes every picture once and keeps none: what to run before pictures are streamed from disk.

    Args:
        paths: Picture files.
        size: Side in pixels, as they will be used.
        skip_bad: Leave unreadable pictures out and log them, instead of raising at the first one.
        progress: Show a progress bar.

    Returns:
        int64 `[rows]`, the positions of the readable ones in `paths`.

    Raises:
        DataError: A picture cannot be read; the text names the file.
    """
    kept: list[int] = []
    bad: list[BadImage] = []
    with progress_bar("checking pictures", len(paths), progress) as advance:
        for row, image in enumerate(iterate_images(paths, size)):
            if isinstance(image, BadImage):
                refuse_bad_image(image, skip_bad)
                bad.append(image)
            else:
                kept.append(row)
            advance(1)
    log_bad_images(bad, len(paths))
    return np.array(kept, np.int64)


def log_bad_images(bad: Sequence[BadImage], total: int) -> None:
    """Logs how many pictures were left out, and each of them with its reason."""
    if bad:
        reasons = "".join(f"\n  {image.path}: {image.reason}" for image in bad)
        _log.warning("%d of %d pictures cannot be read and are left out:%s", len(bad), total, reasons)


def refuse_bad_image(image: BadImage, skip: bool) -> None:
    """Raises a DataError that names the file, unless bad pictures are to be skipped."""
    if not skip:
        raise DataError(
            f"The picture {image.path} cannot be read: {image.reason}",
            expected="a whole JPEG, PNG, GIF or BMP file",
            fix="replace or remove the file, or leave such pictures out with --skip-bad-images",
        )


@contextmanager
def progress_bar(label: str, total: int, shown: bool) -> Iterator[Advance]:
    """A progress bar of rich, or nothing: `with progress_bar(label, total, shown) as advance: advance(1)`."""
    from rich.progress import Progress

    with Progress(disable=not shown) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)


def _reason(message: str) -> str:
    """The sentence of a TensorFlow error, without the graph nodes and wrappers around it."""
    line = re.sub(r"\{\{[^}]*\}\}", "", message).strip().split("\n")[0].split("[[")[0]
    line = re.sub(r"^Error in user-defined function .*? Iterator::\S+: ", "", line)
    line = re.sub(r"assertion failed: \[(.*)\]", r"\1", line)
    return line.replace("[Op:IteratorGetNext]", "").strip()
