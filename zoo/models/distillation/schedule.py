"""The optimiser of the classifiers, and its rate over the epochs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    from zoo.models.distillation.config import ClassifierConfig


def sgd(config: ClassifierConfig, rate: float) -> keras.optimizers.SGD:
    """Returns SGD with momentum and weight decay.

    PyTorch, whose recipes these are, adds the decay to the gradient, where momentum m multiplies it by 1 / (1 - m)
    in the long run; Keras takes it off the weights directly.
    """
    return keras.optimizers.SGD(
        rate,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay / (1 - config.momentum) or None,
    )


class Rates(keras.callbacks.LearningRateScheduler):
    """Sets the rate of every epoch: a function of the epoch alone, exact after a resume.

    Over the first `warmup_epochs` it rises with every step, from nothing to the rate of the schedule.

    Args:
        config: `schedule` and its settings.
        first: Learning rate that the schedule begins with.
        epochs: How many the schedule has.
        warmup_epochs: For weights that are random: what has learned already needs none.
    """

    def __init__(
        self, config: ClassifierConfig, first: float, epochs: int, *, warmup_epochs: int = 0
    ) -> None:
        super().__init__(lambda epoch, _: rate_of(config, first, epoch / epochs))
        self._warmup_epochs = warmup_epochs
        self._epoch, self._rate = 0, first

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets the rate that the schedule has for an epoch."""
        super().on_epoch_begin(epoch, logs)
        self._epoch, self._rate = epoch, self.schedule(epoch, None)

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Lowers it while it rises; at the last step of the warm-up it is whole."""
        del logs
        if self._epoch < self._warmup_epochs:
            steps = self.params["steps"]
            share = (self._epoch * steps + batch + 1) / (self._warmup_epochs * steps)
            self.model.optimizer.learning_rate = share * self._rate


def rate_of(config: ClassifierConfig, first: float, done: float) -> float:
    """Returns the learning rate after a share `done` (0..1) of the epochs."""
    if config.schedule == "cosine":
        return first * (1 + math.cos(math.pi * done)) / 2
    return first * config.decay_factor ** sum(done >= share for share in config.decay_at)
