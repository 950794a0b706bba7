"""A captioned data set as pairs of a picture's features and one of its sentences."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.batches import Split, Splits, take_rows
from zoo.data.pictures import first_rows, open_captioned, picture_inputs, rows_of_split
from zoo.errors import DataError
from zoo.models.captioning.tokens import FIRST_WORD
from zoo.models.captioning.words import TokenTable
from zoo.preprocessing.text import make_vocabulary

if TYPE_CHECKING:
    from zoo.models.captioning.captions_config import CaptionsConfig
    from zoo.recipe import DataOptions

log = logging.getLogger(__name__)
SPLITS = ("train", "validation", "test")


def read_captioned(data: str | Path, config: CaptionsConfig, options: DataOptions) -> Splits:
    """Reads a captioned data set for a caption GAN; a row is one caption.

    Training captions that the autoencoder could not give back are left out: those with words that fewer than
    `min_count` captions use, and those of more than `max_words` words. Captions of the other splits all stay: they
    are what generated ones are compared with.

    Args:
        data: Whatever `open_captions` knows, or "shapes" for the generated set.
        config: Which words, which backbone.
        options: How files are read.

    Returns:
        Input `pooled` float32 `[rows, F]`, features of the backbone; targets `tokens` int32 `[rows, max_words + 2]` and
        `picture` int32 `[rows, 1]`, the number of the picture within its split. Facts: `vocabulary`, `max_words`,
        `feature_size`, `backbone_sha256`.

    Raises:
        DataError: The data cannot be read, or no training caption is left.
    """
    captioned = open_captioned(data, config, options)
    inputs, kept, facts = picture_inputs(captioned.paths, config, options)
    pooled = inputs["features"]
    training = [captioned.captions[row] for row in kept if captioned.split[row] == "train"]
    vocabulary = make_vocabulary([text for texts in training for text in texts], config.min_count)
    table = TokenTable(vocabulary, config.max_words + 2)

    def split(name: str) -> Split:
        pictures = rows_of_split(captioned, kept, name)
        texts = [captioned.captions[kept[i]] for i in pictures]
        number = np.repeat(np.arange(len(pictures), dtype=np.int32), [len(own) for own in texts])
        names = [
            f"{captioned.ids[kept[i]]}#{k}"
            for i, own in zip(pictures, texts, strict=True)
            for k in range(len(own))
        ]
        read = table.tokens([text for own in texts for text in own])
        tokens, whole = read.tokens.numpy(), (read.unknown + read.cut).numpy() == 0
        rows = np.flatnonzero(whole & (read.known.numpy() > 0)) if name == "train" else np.arange(len(number))
        log.info("%s: %d of %d captions", name, len(rows), len(number))
        if not len(rows):
            raise DataError(
                f"None of {len(number)} training captions has at most {config.max_words} words, all of them known.",
                expected="at least one",
                fix="--set max_words to more, or min_count to less",
            )
        return Split(
            inputs={"pooled": pooled[pictures[number[rows]]]},
            targets={"tokens": tokens[rows], "picture": number[rows][:, None]},
            ids=tuple(names[row] for row in rows),
        )

    facts |= {"vocabulary": vocabulary, "max_words": config.max_words}
    return Splits(**{name: split(name) for name in SPLITS}, facts=facts, name=captioned.name)


def word_shares(split: Split, words: int) -> Split:
    """Returns the pictures of a split, each once, with how many of its captions use each word.

    Args:
        split: As `read_captioned` returns it.
        words: How many, the first of the vocabulary: the most frequent.

    Returns:
        Input `pooled`; target `labels` float32 `[pictures, words]`, the share of the picture's captions with the word.
    """
    rows, tokens = first_rows(split), split.targets["tokens"]
    _, picture = np.unique(split.targets["picture"][:, 0], return_inverse=True)
    used = np.zeros((len(tokens), FIRST_WORD + words), np.float32)
    known = np.where(tokens < used.shape[1], tokens, 0)
    np.put_along_axis(used, known, 1.0, axis=1)
    shares = np.zeros((len(rows), words), np.float32)
    np.add.at(shares, picture, used[:, FIRST_WORD:])
    shares /= np.bincount(picture)[:, None]
    inputs: dict[str, Any] = {key: take_rows(value, rows) for key, value in split.inputs.items()}
    return Split(inputs, {"labels": shares}, tuple(split.ids[row] for row in rows))
