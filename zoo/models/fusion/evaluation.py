"""How often the class is right, beside what needs no classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.models.fusion.eye import FEATURES
from zoo.training.predict import predict

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits
    from zoo.models.fusion.classifier import FusionClassifier

_TOP = 5


def evaluate(model: FusionClassifier, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
    """Measures a classifier.

    - "nearest class mean": the class whose mean training feature is nearest.
    - "most frequent class": of the training pictures; alphabetical order after that.

    Args:
        model: Trained.
        splits: The other predictors are fitted on training.
        split: What is measured on; input `features`, target `label`.

    Returns:
        Predictor -> metric -> value, "model" first, see `measure`.
    """
    label = split.targets["label"]
    scores = {
        "model": predict(model, split, progress=False)["scores"],
        "nearest class mean": nearest_class_mean(splits.train, split.arrays()[FEATURES], len(model.classes)),
        "most frequent class": np.tile(
            np.bincount(splits.train.targets["label"], minlength=len(model.classes)), (len(label), 1)
        ),
    }
    return {name: measure(own, label) for name, own in scores.items()}


def measure(scores: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Returns shares of pictures, 0..1.

    accuracy: the class with the largest score is right. class_accuracy: its mean over the classes. top_5: the right
    class is among the five largest scores; of equal scores the earlier class counts as larger.

    Args:
        scores: float `[rows, classes]`.
        label: int `[rows]`.
    """
    order = np.argsort(-np.asarray(scores, np.float64), axis=1, kind="stable")
    right = order[:, 0] == label
    return {
        "accuracy": float(right.mean()),
        "class_accuracy": float(np.mean([right[label == one].mean() for one in np.unique(label)])),
        "top_5": float((order[:, :_TOP] == label[:, None]).any(axis=1).mean()),
    }


def nearest_class_mean(train: Split, features: np.ndarray, classes: int) -> np.ndarray:
    """Returns minus the squared distance to the mean training feature of each class: `[rows, classes]`."""
    known, label = train.arrays()[FEATURES].astype(np.float64), train.targets["label"]
    means = np.zeros((classes, known.shape[1]))
    np.add.at(means, label, known)
    means /= np.bincount(label, minlength=classes)[:, None]
    x = features.astype(np.float64)
    return 2 * x @ means.T - np.square(x).sum(1, keepdims=True) - np.square(means).sum(1)
