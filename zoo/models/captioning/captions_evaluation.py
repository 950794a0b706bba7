"""Captions of photographs beside those that people wrote: likeness, variety, and what the code does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.data.pictures import first_rows
from zoo.files import csv_text, write_text
from zoo.metrics.caption_diversity import distinct, self_bleu
from zoo.metrics.caption_scores import Caption, corpus_bleu
from zoo.metrics.cider import CiderD
from zoo.models.captioning.code_statistics import recovery_r2
from zoo.models.captioning.codes import NEAR, codes_between
from zoo.models.captioning.sentences import sentences_of, words_of
from zoo.models.captioning.writer import CaptionWriter, features_of

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits
    from zoo.models.captioning.trio import CaptionTrio

CODES = 20
Grid = Sequence[Sequence[Caption]]
"""Captions of pictures under codes: `captions[picture][code]` is a list of words."""

# Each caption is compared with every other of its picture: a fifth of Flickr8k's test pictures takes seconds.
_SELF_BLEU_PICTURES = 200
_TRAVERSED = np.linspace(-2, 2, 7)
_SHOWN = 10


@dataclass(frozen=True)
class Pictures:
    """The pictures of a split, each once.

    Attributes:
        features: X, float32 `[pictures, F]`.
        references: The captions that people wrote of each; "<unk>" for a word that the vocabulary lacks.
        ids: What they are called on disk.
    """

    features: np.ndarray
    references: list[list[list[str]]]
    ids: tuple[str, ...]


def evaluate(trio: CaptionTrio, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
    """Measures a trio under 20 fixed codes of |c| <= 2, and what needs no training beside it.

    - "nearest pictures' captions": those that people wrote of the training pictures whose features have the
      largest cosine, the nearest picture's first.
    - "one constant caption": the training caption that is likest to the others by the words they share.

    Args:
        trio: Trained.
        splits: Baselines take their captions from training.
        split: What is measured on; targets `tokens` and `picture`.

    Returns:
        Predictor -> metric -> value, "model" first, see `measure`.
    """
    tested, train = pictures_of(trio, split), pictures_of(trio, splits.train)
    codes = codes_between(NEAR, CODES, trio.code_size)
    written = write_grid(trio, tested.features, codes)
    rows = {"model": measure(written.captions, tested.references)}
    rows["model"] |= {
        "recovery_vector": written.recovery_vector,
        "recovery_words": written.recovery_words,
        "reconstruction": trio.autoencoder.reconstruction_rate(sentences_of(split).arrays()["tokens"]),
    }
    nothing_read_back = {"recovery_vector": 0.0, "recovery_words": 0.0, "reconstruction": 1.0}
    constant = [[_central(train.references)] * CODES] * len(tested.ids)
    for name, captions in (
        ("nearest pictures' captions", nearest_captions(train, tested.features)),
        ("one constant caption", constant),
    ):
        rows[name] = measure(captions, tested.references) | nothing_read_back
    return rows


def measure(captions: Grid, references: Sequence[Sequence[Caption]]) -> dict[str, float]:
    """Returns likeness to the references and variety among the codes.

    cider_best, cider_mean, cider_worst: CIDEr-D over codes; bleu4_best, bleu4_mean. distinct_1, distinct_2, self_bleu:
    among the captions of a picture, the first 200 pictures for self_bleu. distinct_captions: different captions of a
    picture as a share of the codes. length: words.

    Args:
        captions: `captions[picture][code]`.
        references: Of each picture.
    """
    by_code = [[row[code] for row in captions] for code in range(len(captions[0]))]
    score = CiderD(references)
    cider = [float(score(own).mean()) for own in by_code]
    bleu = [corpus_bleu(own, references) for own in by_code]
    return {
        "cider_best": max(cider),
        "cider_mean": float(np.mean(cider)),
        "cider_worst": min(cider),
        "bleu4_best": max(bleu),
        "bleu4_mean": float(np.mean(bleu)),
        "distinct_1": distinct(captions, 1),
        "distinct_2": distinct(captions, 2),
        "self_bleu": self_bleu(captions[:_SELF_BLEU_PICTURES]),
        "distinct_captions": float(np.mean([len({tuple(c) for c in row}) / len(row) for row in captions])),
        "length": float(np.mean([len(caption) for row in captions for caption in row])),
    }


@dataclass(frozen=True)
class WrittenGrid:
    """Captions of pictures under codes, and how much of the codes' variance is read back, see `CaptionWriter`."""

    captions: list[list[list[str]]]
    recovery_vector: float
    recovery_words: float


def write_grid(trio: CaptionTrio, features: np.ndarray, codes: np.ndarray) -> WrittenGrid:
    """Writes a caption of every picture under every code.

    Args:
        trio: Trained.
        features: X, float32 `[pictures, F]`.
        codes: `[codes, code_size]`.
    """
    writer = CaptionWriter(trio)
    written = [writer.write(features, code) for code in codes]
    said = [words_of(one["tokens"], trio.autoencoder.vocabulary) for one in written]
    meant = np.broadcast_to(codes[:, None], (len(codes), len(features), codes.shape[-1]))
    recovered = (
        recovery_r2(meant, np.stack([one[key] for one in written])) for key in ("from_vector", "from_words")
    )
    return WrittenGrid([[own[row] for own in said] for row in range(len(features))], *recovered)


def pictures_of(trio: CaptionTrio, split: Split) -> Pictures:
    """Returns each picture of a split once, with its captions as words."""
    rows, picture = first_rows(split), split.targets["picture"][:, 0]
    words = words_of(split.targets["tokens"], trio.autoencoder.vocabulary)
    references: dict[int, list[list[str]]] = {int(number): [] for number in picture[rows]}
    for number, caption in zip(picture, words, strict=True):
        references[int(number)].append(caption)
    ids = tuple(split.ids[row].rpartition("#")[0] for row in rows)
    return Pictures(features_of(trio, split)[rows], list(references.values()), ids)


def nearest_captions(train: Pictures, features: np.ndarray) -> list[list[Caption]]:
    """Returns the captions of the training pictures that are likest to each picture, as many as there are codes.

    Args:
        train: Where they are taken from.
        features: X of the pictures to caption.
    """
    known, asked = (
        x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12) for x in (train.features, features)
    )
    found = []
    for row in asked:
        order = np.argsort(-(known @ row), kind="stable")[:CODES]
        found.append([caption for picture in order for caption in train.references[picture]][:CODES])
    return found


def write_traversal(trio: CaptionTrio, split: Split, path: Path) -> Path:
    """Writes what is said of ten pictures as one number of c goes from -2 to 2 and the others stay 0, as CSV."""
    pictures = pictures_of(trio, split)
    rows = [["picture", "dimension", *(f"{value:+.2g}" for value in _TRAVERSED)]]
    for dimension in range(trio.code_size):
        codes = np.zeros((len(_TRAVERSED), trio.code_size), np.float32)
        codes[:, dimension] = _TRAVERSED
        written = write_grid(trio, pictures.features[:_SHOWN], codes).captions
        for name, row in zip(pictures.ids, written, strict=False):
            rows.append([name, f"c{dimension + 1}", *(" ".join(caption) for caption in row)])
    write_text(path, csv_text(rows))
    return path


def _central(references: Sequence[Sequence[Caption]]) -> Caption:
    """The caption whose different words are in most captions, per word."""
    captions = [caption for row in references for caption in row]
    uses: dict[str, int] = {}
    for caption in captions:
        for word in set(caption):
            uses[word] = uses.get(word, 0) + 1
    return max(
        captions, key=lambda caption: (sum(uses[word] for word in set(caption)) / len(caption), caption)
    )
