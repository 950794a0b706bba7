"""Labelled pictures -> splits of numbers, and the mean and deviation that the network divides by."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import ImageFiles, Split, Splits
from zoo.data.labelled import LabelledImages, LabelledPart, open_parts
from zoo.data.pixel_statistics import PixelHistogram
from zoo.data.stratified import stratified_rows
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.models.distillation.config import ClassifierConfig
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")
# Of pictures in files, which may have any size.
FILES_SIZE = 32
_RESIZED_AT_ONCE = 256


def read_splits(data: str | Path, config: ClassifierConfig, options: DataOptions) -> Splits:
    """Reads labelled pictures for a classifier.

    The validation part is cut first and the subset is taken from what is left, so that smaller subsets are
    judged by the same pictures.

    Args:
        data: Whatever `open_labelled` knows.
        config: Fractions, subset and size.
        options: How files are read.

    Returns:
        Input `image`, uint8 `[rows, size, size, 3]` or files; target `label` int32 `[rows]`. Facts: `classes`,
        `image_size`, and `mean` and `deviation` per channel of the training pictures in use, of x / 255.

    Raises:
        DataError: The data cannot be read, or unreadable pictures were all that a class had.
        ConfigError: The subset has more pictures than there are, or none of some class.
    """
    labelled = open_parts(data, config, options)
    parts = {name: labelled[name] for name in SPLITS}
    if config.subset is not None:
        parts["train"] = _subset(labelled, config.subset, config.split_seed)
    size = config.image_size or _own_size(parts["train"])
    histogram = PixelHistogram()
    train = _split(parts["train"], size, options, histogram)
    labelled.check_every_class(train.targets["label"])
    mean, deviation = histogram.mean_and_deviation()
    splits = {"train": train, **{name: _split(parts[name], size, options) for name in SPLITS[1:]}}
    log.info(
        "%s: %d classes; %s", labelled.name, len(labelled.classes), {key: len(s) for key, s in splits.items()}
    )
    facts: dict[str, Any] = {
        "classes": labelled.classes,
        "image_size": size,
        "mean": mean,
        "deviation": deviation,
    }
    return Splits(**splits, facts=facts, name=labelled.name)


def _subset(labelled: LabelledImages, count: int, seed: int) -> LabelledPart:
    train = labelled.train
    if count > len(train):
        raise ConfigError(
            f"subset is {count}, but {labelled.name} has {len(train)} training pictures beside those for "
            "validation.",
            expected=f"at most {len(train)}, or none for all",
            fix=f"--set subset={len(train)}",
        )
    chosen = train.take(stratified_rows(train.labels, count, seed))
    counts = chosen.counts(len(labelled.classes))
    if not counts.all():
        raise ConfigError(
            f"subset is {count}, which leaves '{labelled.classes[counts.argmin()]}' without a picture.",
            expected=f"enough for all {len(labelled.classes)} classes",
            fix="set a larger subset",
        )
    return chosen


def _own_size(part: LabelledPart) -> int:
    return part.images.shape[1] if isinstance(part.images, np.ndarray) else FILES_SIZE


def _split(
    part: LabelledPart, size: int, options: DataOptions, histogram: PixelHistogram | None = None
) -> Split:
    """The rows that can be read; their pixels are counted where a histogram is given."""
    if isinstance(part.images, np.ndarray):
        images = _resized(part.images, size)
        if histogram is not None:
            histogram.add(images)
        return Split({"image": images}, {"label": part.labels}, part.ids)
    from zoo.preprocessing.reading import readable_images

    if histogram is None:
        kept = readable_images(part.images, size, skip_bad=options.skip_bad_images, progress=options.progress)
    else:
        kept = _count_readable(part.images, size, options, histogram)
    files = ImageFiles(tuple(part.images[row] for row in kept), size)
    return Split({"image": files}, {"label": part.labels[kept]}, tuple(part.ids[row] for row in kept))


def _resized(images: np.ndarray, size: int) -> np.ndarray:
    if images.shape[1:3] == (size, size):
        return images
    from zoo.preprocessing.image import resize_batch

    starts = range(0, len(images), _RESIZED_AT_ONCE)
    return np.concatenate([resize_batch(images[i : i + _RESIZED_AT_ONCE], size).numpy() for i in starts])


def _count_readable(
    paths: tuple[Path, ...], size: int, options: DataOptions, histogram: PixelHistogram
) -> np.ndarray:
    """What `readable_images` does, counting pixels on the way: every picture is decoded once."""
    from zoo.preprocessing import reading

    kept: list[int] = []
    bad: list[reading.BadImage] = []
    with reading.progress_bar("measuring pictures", len(paths), options.progress) as advance:
        for row, image in enumerate(reading.iterate_images(paths, size)):
            if isinstance(image, reading.BadImage):
                reading.refuse_bad_image(image, options.skip_bad_images)
                bad.append(image)
            else:
                histogram.add(image[None])
                kept.append(row)
            advance(1)
    reading.log_bad_images(bad, len(paths))
    return np.array(kept, np.int64)
