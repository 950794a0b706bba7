"""Callbacks of the embedding: recall on validation after every epoch, and one step of the learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from zoo.models.visual_semantic.evaluation import embed, retrieval

if TYPE_CHECKING:
    from zoo.data.batches import Split
    from zoo.training.checkpoint import Logs


class ValidationRecall(keras.callbacks.Callback):
    """Adds what recall lacks on validation to the logs: 600 less the sum of R@1, R@5 and R@10 both ways, in percent.

    Comes before the callbacks that read it.
    """

    MISSED = "val_missed_recall"

    def __init__(self, validation: Split) -> None:
        super().__init__()
        self.validation = validation

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Embeds the validation split anew."""
        found = retrieval(embed(self.model, self.validation, progress=False))
        if logs is not None:
            logs[self.MISSED] = 600.0 - sum(value for name, value in found.items() if "R@" in name)


class DecayOnce(keras.callbacks.Callback):
    """Divides the learning rate by ten after some epochs: a function of the epoch alone, so that a resume is exact.

    Args:
        learning_rate: Of the epochs before.
        epoch: How many there are.
    """

    def __init__(self, learning_rate: float, epoch: int) -> None:
        super().__init__()
        self.learning_rate, self.epoch = learning_rate, epoch

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Sets the rate."""
        self.model.optimizer.learning_rate = self.learning_rate * (0.1 if epoch >= self.epoch else 1.0)
