"""How often a classifier is right, and how often it says what its teacher says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.training.predict import predict

if TYPE_CHECKING:
    import keras

    from zoo.data.batches import Split, Splits

MOST = 5


def evaluate(
    model: keras.Model, splits: Splits, split: Split, teacher: keras.Model | None = None
) -> dict[str, dict[str, float]]:
    """Measures a classifier beside the majority class, and beside its teacher.

    Args:
        model: Gives `logits`.
        splits: The training labels tell the majority class.
        split: What is predicted.
        teacher: Likewise; None leaves out its row and the column `agreement`.

    Returns:
        Predictor -> metric -> value, see `measure`.
    """
    labels = np.asarray(split.targets["label"])
    logits = predict(model, split)["logits"]
    shares = np.bincount(splits.train.targets["label"], minlength=logits.shape[1]) / len(splits.train)
    majority = np.broadcast_to(np.log(np.maximum(shares, 1e-7)), logits.shape)
    predictors = {"model": logits, "majority class": majority}
    wanted = None
    if teacher is not None:
        wanted = predictors["teacher"] = predict(teacher, split)["logits"]
    return {name: measure(said, labels, wanted) for name, said in predictors.items()}


def measure(logits: np.ndarray, labels: np.ndarray, teacher: np.ndarray | None = None) -> dict[str, float]:
    """Returns accuracy (top 1), top5_accuracy, cross_entropy (nats), and agreement with the teacher where there is one.

    Of equal logits the first class counts as the largest.

    Args:
        logits: float `[rows, classes]`.
        labels: int `[rows]`.
        teacher: The teacher's logits.
    """
    order = np.argsort(-logits, axis=1, kind="stable")
    hits = order == np.asarray(labels)[:, None]
    found: dict[str, Any] = {
        "accuracy": hits[:, 0].mean(),
        f"top{MOST}_accuracy": hits[:, :MOST].any(axis=1).mean(),
        "cross_entropy": -log_softmax(logits)[np.arange(len(labels)), labels].mean(),
    }
    if teacher is not None:
        found["agreement"] = (order[:, 0] == np.argmax(teacher, axis=1)).mean()
    return {name: float(value) for name, value in found.items()}


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the softmax over the last axis, float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result
