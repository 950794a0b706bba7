"""Labelled pictures -> features of frozen networks."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.data.batches import Split, Splits
from zoo.data.feature_cache import extract_features
from zoo.data.labelled import LabelledPart, open_parts
from zoo.data.stratified import rows_per_class
from zoo.errors import ConfigError
from zoo.models.fusion.eye import FEATURES, build_eye, eye_digest
from zoo.models.fusion.map_classes import map_classes
from zoo.preprocessing.image import resize_batch
from zoo.preprocessing.reading import progress_bar

if TYPE_CHECKING:
    from zoo.models.fusion.config import FusionConfig
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")
_AT_ONCE = 64


def read_splits(data: str | Path, config: FusionConfig, options: DataOptions) -> Splits:
    """Reads labelled pictures for a classifier of frozen features.

    Args:
        data: Whatever `open_labelled` knows.
        config: Networks, layers and parts.
        options: How files are read; features of files are kept in the cache.

    Returns:
        Input `features` float32 `[rows, D]`; target `label` int32 `[rows]`. Facts: `classes`, `feature_size`,
        `eye_sha256`.

    Raises:
        DataError: The data or a file of class names cannot be read, or unreadable pictures were all that a class had.
        ConfigError: A class has fewer training pictures than `per_class`, or a network has no such layer.
    """
    labelled = open_parts(data, config, options)
    parts = {name: labelled[name] for name in SPLITS}
    if config.per_class is not None:
        parts["train"] = _per_class(parts["train"], labelled.classes, config)
    eye = build_eye(config)
    map_classes(config, eye)  # a file of names that does not fit is found before anything is computed
    digest = eye_digest(eye)
    only = keras.Model(eye.input, eye.output[FEATURES], name="features_of_eye")
    # Weights and layers of the networks do not tell which of several alike layers is looked at, nor in what order.
    key = {"eye": digest, "layers": [layer.label for layer in config.chosen]}
    splits = {name: _split(part, only, key, options) for name, part in parts.items()}
    labelled.check_every_class(splits["train"].targets["label"])
    facts: dict[str, Any] = {
        "classes": labelled.classes,
        "feature_size": int(only.output_shape[-1]),
        "eye_sha256": digest,
    }
    log.info("%s: %s", labelled.name, {name: len(split) for name, split in splits.items()})
    return Splits(**splits, facts=facts, name=labelled.name)


def _per_class(part: LabelledPart, classes: tuple[str, ...], config: FusionConfig) -> LabelledPart:
    """So many training pictures of each class, drawn by the seed of the split."""
    wanted, counts = config.per_class or 0, part.counts(len(classes))
    if counts.min() < wanted:
        raise ConfigError(
            f"per_class is {wanted}, but '{classes[counts.argmin()]}' has {counts.min()} pictures to train on, "
            "beside those for validation and testing.",
            expected=f"at most {counts.min()}",
            fix=f"--set per_class={counts.min()}, or a smaller validation_fraction or test_fraction",
        )
    return part.take(rows_per_class(part.labels, wanted, config.split_seed))


def _split(part: LabelledPart, eye: keras.Model, key: dict[str, Any], options: DataOptions) -> Split:
    size = eye.input_shape[1]
    if isinstance(part.images, np.ndarray):
        return Split({FEATURES: _of_arrays(part.images, eye, options)}, {"label": part.labels}, part.ids)
    found = extract_features(
        part.images,
        eye,
        key=key,
        image_size=size,
        cache_dir=options.cache,
        skip_bad=options.skip_bad_images,
        progress=options.progress,
    )
    kept = found.kept
    return Split({FEATURES: found.array}, {"label": part.labels[kept]}, tuple(part.ids[row] for row in kept))


def _of_arrays(images: np.ndarray, eye: keras.Model, options: DataOptions) -> np.ndarray:
    """Features of pictures in memory, which are small: they are enlarged a batch at a time."""
    parts = []
    with progress_bar("computing features", len(images), options.progress) as advance:
        for start in range(0, len(images), _AT_ONCE):
            batch = resize_batch(images[start : start + _AT_ONCE], eye.input_shape[1])
            parts.append(np.asarray(eye.predict_on_batch(batch), np.float32))
            advance(len(parts[-1]))
    return np.concatenate(parts)
