"""One optimiser for three players, each with settings of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.models.captioning.config import CaptioningConfig
from zoo.models.captioning.networks import DISCRIMINATOR, GENERATOR, RECOVERY


@keras.saving.register_keras_serializable("mizoo")
class EveryNthAdam(keras.optimizers.Adam):
    """Adam that looks at every n-th gradient only, and is still between: exactly Adam on those gradients.

    So a generator moves once while its critic moves n times (Gulrajani et al. 2017, algorithm 1), inside one
    `compute_loss` and one optimiser step.

    Args:
        learning_rate: A number, or a schedule; a schedule counts every step.
        beta_1: Decay of the mean of gradients.
        beta_2: Decay of the mean of their squares.
        every: n.
        name: Of the optimiser.
        **kwargs: Of `keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        *,
        every: int,
        name: str = "every_nth_adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, name=name, **kwargs)
        self.every = every

    @property
    def iterations(self) -> Any:
        """Steps that moved something: those that the correction of Adam's means must count."""
        return self._iterations // self.every

    def assign_add(self, variable: Any, value: Any) -> None:
        """Adds on every n-th step."""
        super().assign_add(variable, self._due(value))

    def assign_sub(self, variable: Any, value: Any) -> None:
        """Subtracts on every n-th step."""
        super().assign_sub(variable, self._due(value))

    def get_config(self) -> dict[str, Any]:
        """Adam's, and n."""
        return super().get_config() | {"every": self.every}

    def _due(self, value: Any) -> Any:
        return ops.where(
            ops.equal(self._iterations % self.every, self.every - 1), value, ops.zeros_like(value)
        )


def trio_optimizer(config: CaptioningConfig, steps: int | None = None) -> keras.optimizers.Optimizer:
    """Returns the optimiser of `CaptionTrio`: an Adam per player, told apart by the first letter of a weight's path.

    Loss weights cannot do it: Adam does not see the scale of a loss. It has no `learning_rate` of its own, so a
    callback cannot change one.

    Args:
        config: Learning rate and betas of each player, `final_rate` and `n_critic`.
        steps: Of the whole training, over which the rates fall along a cosine; None: they stay.
    """

    def falling(rate: float) -> Any:
        if steps is None:
            return rate
        return keras.optimizers.schedules.CosineDecay(rate, steps, alpha=config.final_rate)

    def adam(rate: float, betas: Sequence[float], name: str) -> keras.optimizers.Adam:
        return keras.optimizers.Adam(falling(rate), *betas, name=name)

    players = {
        f"{GENERATOR}_.*": EveryNthAdam(
            falling(config.generator_learning_rate),
            *config.generator_betas,
            every=config.n_critic,
            name="generator",
        ),
        f"{DISCRIMINATOR}_.*": adam(
            config.discriminator_learning_rate, config.discriminator_betas, "discriminator"
        ),
    }
    default = adam(config.recovery_learning_rate, config.recovery_betas, "recovery")
    players[f"{RECOVERY}_.*"] = default
    return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(default, players))
