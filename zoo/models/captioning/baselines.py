"""What a caption GAN over sets of labels is printed beside: answers that need no learned code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from zoo.models.captioning.code_statistics import accuracies

Baseline = Callable[[np.ndarray], np.ndarray]
"""Codes `[codes, pictures, code_size]`, or `[codes, 1, code_size]` for one in all pictures -> int `[codes, pictures]`,
the label that is said under each code in each picture."""

LINEAR = "linear classifier + code"
RIGHT_ENOUGH = 0.98
_SEED = 13
_RIDGE = 1e-3
_LOUDNESS = np.geomspace(0.001, 10.0, 41)


@dataclass(frozen=True)
class LabelledPictures:
    """Pictures as features, with their right labels.

    Attributes:
        features: X, float32 `[pictures, F]`.
        sets: float32 `[pictures, labels]`, 1 for each right label, else 0.
    """

    features: np.ndarray = field(repr=False)
    sets: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.sets)


def baselines(
    train: LabelledPictures, validation: LabelledPictures, tested: LabelledPictures, code_size: int
) -> dict[str, Baseline]:
    """Returns name -> answers for the tested pictures.

    - "uniform choice among true labels": drawn anew for each code and picture; always right, and a code has no
      tendency, though it decides everything.
    - "a priority list per code": each code has its own random order of the labels and says the first that is right;
      always right, and the strongest tendency that this allows.
    - "one constant label": the most frequent one in training.
    - "linear classifier + code": argmax of logits + U c, see `linear_with_code`: a tendency that nobody learned.

    The first two look at the right answers. What they draw depends on what they have drawn before.

    Args:
        train: Fitted on.
        validation: U is chosen by.
        tested: Answered for.
        code_size: Length of c.
    """
    uniform, ordered = (np.random.default_rng([_SEED, stream]) for stream in (0, 1))
    pictures, labels = tested.sets.shape
    constant = int(train.sets.sum(axis=0).argmax())

    def first_right(priority: np.ndarray) -> np.ndarray:
        answers: np.ndarray = np.where(tested.sets > 0, priority, -1.0).argmax(axis=-1)
        return answers

    return {
        "uniform choice among true labels": lambda codes: first_right(
            uniform.random((len(codes), pictures, labels))
        ),
        "a priority list per code": lambda codes: first_right(ordered.random((*codes.shape[:2], labels))),
        "one constant label": lambda codes: np.full((len(codes), pictures), constant),
        LINEAR: linear_with_code(train, validation, tested, code_size),
    }


def linear_with_code(
    train: LabelledPictures, validation: LabelledPictures, tested: LabelledPictures, code_size: int
) -> Baseline:
    """Returns argmax of logits + U c, the logits by ridge regression of the sets on X, U random.

    How loud U is, is all that is chosen: as loud as leaves 98 % of the labels under random codes right on
    validation, or hardly audible where the logits alone are not as good.

    Args:
        train: Fitted on.
        validation: For the loudness.
        tested: Answered for.
        code_size: Length of c.
    """
    weights, bias = ridge(train.features, train.sets)
    rng = np.random.default_rng([_SEED, 2])
    direction = rng.standard_normal((code_size, train.sets.shape[1]))
    logits = validation.features @ weights + bias
    offsets = rng.standard_normal((len(validation), code_size)) @ direction
    shares = [accuracies((logits + loud * offsets).argmax(axis=1), validation.sets) for loud in _LOUDNESS]
    passed = np.flatnonzero(np.array(shares) >= RIGHT_ENOUGH)
    loudness = _LOUDNESS[passed[-1] if len(passed) else 0]
    tested_logits = tested.features @ weights + bias

    def say(codes: np.ndarray) -> np.ndarray:
        answers: np.ndarray = (tested_logits + loudness * (codes @ direction)).argmax(axis=-1)
        return answers

    return say


def ridge(features: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns weights `[F, targets]` and bias `[targets]` of linear regression with a penalty on the weights.

    The penalty is a thousandth of the features' mean variance, per row: it matters only where features say the same.

    Args:
        features: float `[rows, F]`.
        targets: float `[rows, targets]`.
    """
    mean, wanted = features.mean(axis=0, dtype=np.float64), targets.mean(axis=0, dtype=np.float64)
    centred = features - mean
    gram = centred.T @ centred
    penalty = _RIDGE * np.trace(gram) / len(gram)
    # Features that never change would leave nothing to divide by.
    gram += max(penalty, np.finfo(np.float64).tiny) * np.eye(len(gram))
    weights = np.linalg.solve(gram, centred.T @ (targets - wanted))
    return weights, wanted - mean @ weights
