"""How well the words for places are ranked, by picture and by word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from zoo.metrics.ranking import mean_average_precision
from zoo.training.predict import predict

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits
    from zoo.models.fusion.scene_network import SceneNetwork
    from zoo.training.checkpoint import Logs


def evaluate(model: SceneNetwork, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
    """Measures the network beside "how frequent a word is", the same for every picture.

    Returns:
        Predictor -> metric -> value: `map_words`, the mean over words of the average precision with which pictures are
        ranked; `map_pictures`, the mean over pictures of that with which words are.
    """
    there = split.targets["mentions"] > 0
    frequency = np.tile((splits.train.targets["mentions"] > 0).mean(axis=0), (len(there), 1))
    scores = {
        "model": predict(model, split, progress=False)["probability"],
        "how frequent a word is": frequency,
    }
    return {name: measure(there, own) for name, own in scores.items()}


def measure(there: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """Returns both means; words of no picture and pictures without a word are left out.

    Args:
        there: bool `[pictures, words]`.
        score: float `[pictures, words]`.
    """
    return {
        "map_words": mean_average_precision(there.T, score.T),
        "map_pictures": mean_average_precision(there, score),
    }


class MissedPrecision(keras.callbacks.Callback):
    """Adds 1 - mean average precision over the words of the validation pictures to the logs.

    Args:
        validation: Pictures with `mentions`.
    """

    MISSED = "val_missed_precision"

    def __init__(self, validation: Split) -> None:
        super().__init__()
        self.validation = validation

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Asks the network about every validation picture."""
        found = predict(self.model, self.validation, progress=False)["probability"]
        if logs is not None:
            logs[self.MISSED] = 1.0 - measure(self.validation.targets["mentions"] > 0, found)["map_words"]
