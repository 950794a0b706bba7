"""Right words, and what the code does to them, for a trio over sets of labels and for the baselines beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zoo.errors import DataError
from zoo.models.captioning.baselines import RIGHT_ENOUGH, LabelledPictures, baselines
from zoo.models.captioning.code_statistics import (
    accuracies,
    distinct_share,
    information,
    label_entropy,
    recovery_r2,
    shuffled_codes,
)
from zoo.models.captioning.codes import MeasuredCodes, measured_codes
from zoo.models.captioning.data import captions_of
from zoo.models.captioning.writer import CaptionWriter, features_of, single_words

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits
    from zoo.models.captioning.trio import CaptionTrio

SIGNIFICANT = 0.01
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Answers:
    """What a predictor says under each of `MeasuredCodes`: int `[codes, pictures]`, -1 for no single word.

    Attributes:
        fixed: Under codes of |c| <= 2.
        far: Under codes of 2 <= |c| <= 3.
        random: Under codes drawn for each picture.
        recovery_vector: R^2 of c read back from the generated vector; 0 without a recovery network.
        recovery_words: R^2 of c read back from the decoded words, encoded anew; 0 without a recovery network.
        reconstruction: Share of the words that can be said at all.
    """

    fixed: np.ndarray
    far: np.ndarray
    random: np.ndarray
    recovery_vector: float = 0.0
    recovery_words: float = 0.0
    reconstruction: float = 1.0


def evaluate(trio: CaptionTrio, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
    """Measures a trio and the baselines.

    Args:
        trio: Its words are the labels.
        splits: Baselines are fitted on training and validation.
        split: What is measured on; target `labels`, `[rows, words]`.

    Returns:
        Predictor -> metric -> value, "model" first, see `measure` and `zoo.models.captioning.baselines`.

    Raises:
        DataError: A split has no sets of labels, or of other labels.
    """
    tested = labelled(trio, split)
    codes = measured_codes(trio.code_size, len(tested))
    rows = {"model": measure(model_answers(trio, tested, codes), tested.sets)}
    fitted_on = labelled(trio, splits.train), labelled(trio, splits.validation)
    for name, say in baselines(*fitted_on, tested, trio.code_size).items():
        said = Answers(fixed=say(codes.fixed), far=say(codes.far), random=say(codes.random))
        rows[name] = measure(said, tested.sets)
    return rows


def measure(answers: Answers, sets: np.ndarray) -> dict[str, float]:
    """Returns every metric of one predictor.

    accuracy_*: share of pictures with a right label, under random codes, as the mean over the fixed ones, and under
    the worst of these; codes_at_98: how many fixed codes have 98 % or more; *_far: of 2 <= |c| <= 3.
    entropy_*: of label frequencies, in nats. significant_codes: how many fixed codes have p < 0.01 against shuffled
    ones; skew: the mean of their distances. information: I(label; c | X) in nats. distinct_share: right labels said
    under 100 codes. recovery_*: R^2 of c. reconstruction: of the words by the autoencoder, the ceiling of it all.

    Args:
        answers: Of the predictor.
        sets: `[pictures, labels]`, 1 for each right label, else 0.
    """
    labels = sets.shape[1]
    fixed, far = accuracies(answers.fixed, sets), accuracies(answers.far, sets)
    skew = shuffled_codes(answers.fixed, labels)
    found = {
        "accuracy_random": accuracies(answers.random, sets).mean(),
        "accuracy_fixed": fixed.mean(),
        "accuracy_worst": fixed.min(),
        "codes_at_98": (fixed >= RIGHT_ENOUGH).sum(),
        "accuracy_far": far.mean(),
        "accuracy_far_worst": far.min(),
        "entropy_random": label_entropy(answers.random.ravel(), labels),
        "entropy_fixed": label_entropy(answers.fixed, labels).mean(),
        "significant_codes": (skew.p_value < SIGNIFICANT).sum(),
        "skew": skew.distance.mean(),
        "information": information(answers.random, labels),
        "distinct_share": distinct_share(answers.random, sets),
        "recovery_vector": answers.recovery_vector,
        "recovery_words": answers.recovery_words,
        "reconstruction": answers.reconstruction,
    }
    return {name: float(value) for name, value in found.items()}


def model_answers(trio: CaptionTrio, pictures: LabelledPictures, codes: MeasuredCodes) -> Answers:
    """Returns what the trio says under each code; c is read back under the random ones."""
    writer = CaptionWriter(trio)
    random = write(writer, pictures.features, codes.random)
    words = captions_of(np.arange(len(trio.autoencoder.vocabulary)))
    return Answers(
        fixed=write(writer, pictures.features, codes.fixed)["said"],
        far=write(writer, pictures.features, codes.far)["said"],
        random=random["said"],
        recovery_vector=recovery_r2(codes.random, random["from_vector"]),
        recovery_words=recovery_r2(codes.random, random["from_words"]),
        reconstruction=trio.autoencoder.reconstruction_rate(words),
    )


def write(writer: CaptionWriter, features: np.ndarray, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Writes every picture under every code.

    Args:
        writer: Of the trio.
        features: X, float32 `[pictures, F]`.
        codes: `[codes, pictures, code_size]`, or `[codes, 1, code_size]` for one in all pictures.

    Returns:
        said: int64 `[codes, pictures]`, the word, -1 for none or several; from_vector, from_words: c read back,
        float32 `[codes, pictures, code_size]`.
    """
    pictures, code_size = len(features), codes.shape[-1]
    at_once = max(_ROWS_AT_ONCE // pictures, 1)
    parts: dict[str, list[np.ndarray]] = {"said": [], "from_vector": [], "from_words": []}
    for first in range(0, len(codes), at_once):
        some = codes[first : first + at_once]
        each = np.broadcast_to(some, (len(some), pictures, code_size)).reshape(-1, code_size)
        written = writer.write(np.tile(features, (len(some), 1)), each)
        parts["said"].append(single_words(written["tokens"]).reshape(len(some), pictures))
        for key in ("from_vector", "from_words"):
            parts[key].append(written[key].reshape(len(some), pictures, code_size))
    return {key: np.concatenate(values) for key, values in parts.items()}


def labelled(trio: CaptionTrio, split: Split) -> LabelledPictures:
    """Returns a split as features and sets of right labels.

    Raises:
        DataError: It has no sets of labels, of other labels, or a picture without any.
    """
    sets, words = split.targets.get("labels"), len(trio.autoencoder.vocabulary)
    if sets is None or sets.shape != (len(split), words) or not (sets > 0).any(axis=1).all():
        empty = sets is not None and sets.shape == (len(split), words)
        given = "an empty one" if empty else "none" if sets is None else f"an array {sets.shape}"
        raise DataError(
            f"Of {len(split)} pictures the sets of right labels are wanted, but there is {given}.",
            expected=f"the target `labels`, [{len(split)}, {words}], with a 1 for each right word, one or more",
            fix="measure on the data that the words of this model come from",
        )
    return LabelledPictures(features_of(trio, split), np.asarray(sets))
