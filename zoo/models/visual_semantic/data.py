"""A captioned data set as pairs of a picture and one of its sentences."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import Split, Splits, take_rows
from zoo.data.pictures import first_rows, open_captioned, picture_inputs, rows_of_split
from zoo.data.word_vectors import read_word_vectors
from zoo.errors import ConfigError
from zoo.models.visual_semantic.config import VisualSemanticConfig
from zoo.models.visual_semantic.words import WordTable
from zoo.preprocessing.text import make_vocabulary

if TYPE_CHECKING:
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")


def read_splits(data: str | Path, config: VisualSemanticConfig, options: DataOptions) -> Splits:
    """Reads a captioned data set for an embedding; a row is one caption.

    Args:
        data: Whatever `open_captions` knows, or "shapes" for the generated set.
        config: Which words, which backbone.
        options: How files are read.

    Returns:
        Inputs `features` float32 `[rows, F]` of a frozen backbone, or `image` files for one that is trained, and
        `token_ids` int32 `[rows, max_words]`; target `picture` int32 `[rows, 1]`, the number of the picture within
        its split. Facts: the arguments of `VisualSemanticRecipe.network`.
    """
    captioned = open_captioned(data, config, options)
    inputs, kept, facts = picture_inputs(captioned.paths, config, options)
    training = [captioned.captions[row] for row in kept if captioned.split[row] == "train"]
    facts["vocabulary"] = make_vocabulary([text for texts in training for text in texts], config.min_count)
    if config.word_vectors is not None:
        facts["vectors"] = _vectors(config, facts["vocabulary"])
    table = WordTable(facts["vocabulary"], config.max_words)
    log.info("%s: %d words", captioned.name, len(facts["vocabulary"]))

    def split(name: str) -> Split:
        pictures = rows_of_split(captioned, kept, name)
        texts = [captioned.captions[kept[i]] for i in pictures]
        counts = [len(own) for own in texts]
        rows = np.repeat(pictures, counts)
        return Split(
            inputs={
                **{key: take_rows(value, rows) for key, value in inputs.items()},
                "token_ids": table.ids([text for own in texts for text in own])[0].numpy(),
            },
            targets={"picture": np.repeat(np.arange(len(pictures), dtype=np.int32), counts)[:, None]},
            ids=tuple(
                f"{captioned.ids[kept[i]]}#{k}"
                for i, count in zip(pictures, counts, strict=True)
                for k in range(count)
            ),
        )

    return Splits(**{name: split(name) for name in SPLITS}, facts=facts, name=captioned.name)


def pictures_of(split: Split) -> Split:
    """Returns one row per picture of a split, the first of its captions'."""
    first = first_rows(split)
    inputs: dict[str, Any] = {
        key: take_rows(value, first) for key, value in split.inputs.items() if key != "token_ids"
    }
    return Split(inputs, {}, tuple(split.ids[row].rpartition("#")[0] for row in first))


def sentences_of(split: Split) -> Split:
    """Returns the sentences of a split without their pictures."""
    return Split({"token_ids": split.inputs["token_ids"]}, {}, split.ids)


def _vectors(config: VisualSemanticConfig, vocabulary: tuple[str, ...]) -> np.ndarray:
    vectors = read_word_vectors(str(config.word_vectors), vocabulary).matrix
    if vectors.shape[1] != config.word_dimensions:
        raise ConfigError(
            f"The vectors in {config.word_vectors} have {vectors.shape[1]} dimensions; "
            f"word_dimensions is {config.word_dimensions}.",
            fix=f"--set word_dimensions={vectors.shape[1]}",
        )
    return vectors
