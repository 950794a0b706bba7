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


def rates(config: ClassifierConfig, first: float, epochs: int) -> keras.callbacks.LearningRateScheduler:
    """Returns the callback that sets the rate of every epoch: a function of the epoch alone, exact after a resume."""
    warm = config.warmup_epochs + 1
    return keras.callbacks.LearningRateScheduler(
        lambda epoch, _: min(1.0, (epoch + 1) / warm) * rate_of(config, first, epoch / epochs)
    )


def rate_of(config: ClassifierConfig, first: float, done: float) -> float:
    """Returns the learning rate after a share `done` (0..1) of the epochs."""
    if config.schedule == "cosine":
        return first * (1 + math.cos(math.pi * done)) / 2
    return first * config.decay_factor ** sum(done >= share for share in config.decay_at)
