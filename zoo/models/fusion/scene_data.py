"""Captioned pictures -> which words for places people used of each."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import Split, Splits
from zoo.errors import DataError
from zoo.models.fusion.scene_network import positive_weights
from zoo.models.tagging.data import read_splits as read_tagged

if TYPE_CHECKING:
    from zoo.models.fusion.scene_config import SceneConfig
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")


def read_splits(data: str | Path, config: SceneConfig, options: DataOptions) -> Splits:
    """Reads captioned pictures for the scene network.

    Args:
        data: Whatever `open_captions` knows, or "shapes" for the generated set.
        config: Which words, which size.
        options: How files are read.

    Returns:
        Input `image` files; target `mentions` float32 `[rows, tags]`. Facts: `tags`, `positive_weights`.

    Raises:
        DataError: The data cannot be read, or no word is in enough training pictures.
    """
    read = read_tagged(data, config, options)
    with_word = (read.train.targets["mentions"] > 0).sum(axis=0)
    kept = np.flatnonzero(with_word >= config.min_pictures)
    if not len(kept):
        raise DataError(
            f"None of {len(with_word)} words is in {config.min_pictures} of {len(read.train)} training pictures.",
            expected="words that the captions use",
            fix="--set min_pictures to fewer, or name another vocabulary",
        )
    tags = tuple(read.facts["tags"][column] for column in kept)

    def split(one: Split) -> Split:
        return Split(one.inputs, {"mentions": one.targets["mentions"][:, kept]}, one.ids)

    cut: dict[str, Any] = {name: split(read[name]) for name in SPLITS}
    log.info("%s: %d of %d words", read.name, len(tags), len(with_word))
    weights = positive_weights(cut["train"].targets["mentions"], config.positive_weight)
    return replace(read, **cut, facts={"tags": tags, "positive_weights": weights})
