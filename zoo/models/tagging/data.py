"""Pictures with captions -> splits of numbers: features or image files, and how often each tag is mentioned."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.batches import Split, Splits, take_rows
from zoo.data.captions import CaptionedImages
from zoo.data.pictures import open_captioned, picture_inputs, rows_of_split
from zoo.data.tag_list import TagList, read_tag_list
from zoo.data.tag_targets import tag_targets
from zoo.data.word_vectors import read_word_vectors
from zoo.errors import ConfigError, DataError
from zoo.losses.beta_binomial import MOST_CAPTIONS
from zoo.models.tagging.config import TaggedConfig, WordVectorsConfig

if TYPE_CHECKING:
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")


def read_splits(data: str | Path, config: TaggedConfig, options: DataOptions) -> Splits:
    """Reads a captioned data set for a tagger.

    Args:
        data: Whatever `open_captions` knows, or "shapes" for the generated set.
        config: Which tags, which backbone.
        options: How files are read.

    Returns:
        Inputs `features` float32 `[rows, F]` of a frozen backbone, or `image` files for one that is trained;
        targets `mentions` float32 `[rows, tags]` and `captions` float32 `[rows, 1]`. Facts: the arguments of
        `TaggingRecipe.network`.
    """
    captioned = open_captioned(data, config, options)
    tag_list = _tag_list(captioned, config)
    inputs, kept, facts = picture_inputs(captioned.paths, config, options)
    targets = tag_targets([captioned.captions[row] for row in kept], tag_list)
    if targets.captions.max() > MOST_CAPTIONS:
        raise DataError(
            f"A picture of {captioned.name} has {targets.captions.max()} captions.",
            expected=f"at most {MOST_CAPTIONS}",
            fix="keep the first few captions of each picture",
        )
    log.info(
        "%s: %d tags, %.2f per picture", captioned.name, len(tag_list), targets.present.sum(axis=1).mean()
    )

    def split(name: str) -> Split:
        rows = rows_of_split(captioned, kept, name)
        return Split(
            inputs={key: take_rows(value, rows) for key, value in inputs.items()},
            targets={
                "mentions": targets.mentions[rows].astype("float32"),
                "captions": targets.captions[rows, None].astype("float32"),
            },
            ids=tuple(captioned.ids[kept[i]] for i in rows),
        )

    facts["tags"] = tag_list.tags
    if isinstance(config, WordVectorsConfig):
        facts["vectors"] = read_tag_vectors(config.word_vectors, tag_list.tags)
    return Splits(**{name: split(name) for name in SPLITS}, facts=facts, name=captioned.name)


def _tag_list(captioned: CaptionedImages, config: TaggedConfig) -> TagList:
    source = config.vocabulary or captioned.tag_list
    if source is None:
        raise ConfigError(
            f"{captioned.name} brings no tag list, and the setting 'vocabulary' is empty.",
            expected="a tags.csv beside the captions, a CSV file, coco_nouns or coco_curated",
            fix="run `mizoo vocabulary --captions DATA --to tags.csv` and train with --set vocabulary=tags.csv",
        )
    tags = read_tag_list(source).at_least(config.min_captions)
    return tags if config.most_tags is None else tags.top(config.most_tags)


def read_tag_vectors(path: str | None, tags: Sequence[str]) -> np.ndarray:
    """Returns the word vectors of the tags: float32 `[tags, dimensions]`, zeros where the file lacks a tag.

    Raises:
        ConfigError: No file is named.
        DataError: The file cannot be read, or has none of the tags.
    """
    if path is None:
        raise ConfigError(
            "tagging_word_vectors needs word vectors, and the setting 'word_vectors' is empty.",
            expected="a file in word2vec (text, binary) or GloVe format, may be .gz",
            fix="--set word_vectors=FILE",
        )
    return read_word_vectors(path, tags).matrix
