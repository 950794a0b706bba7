"""What a generator and a discriminator play for, and the gradient penalties that keep the game stable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from zoo.checks import check_same_shape
from zoo.errors import ConfigError, nearest
from zoo.losses.objectives import OBJECTIVES

# The derivative of a square root has no value at 0, where the gradient of a network may well be.
_LEAST_SQUARE = 1e-12


def discriminator_loss(objective: str, real: Any, generated: Any) -> Any:
    """Returns what the discriminator minimises for every example, without penalties.

        vanilla        softplus(-D(s)) + softplus(D(s^)), Goodfellow et al. 2014, arXiv:1406.2661, equation 1
        wgan_gp        D(s^) - D(s), Gulrajani et al. 2017, arXiv:1704.00028, equation 3
        relativistic   softplus(-(D(s) - D(s^))), Huang et al. 2025, arXiv:2501.05441 (R3GAN)

    Args:
        objective: One of `OBJECTIVES`.
        real: float `[batch, 1]`, logits of real examples.
        generated: float `[batch, 1]`, logits of generated ones, row by row under the same condition.

    Returns:
        float32 `[batch]`.

    Raises:
        ConfigError: There is no such objective.
    """
    real, generated = _logits(real, generated)
    if objective == "vanilla":
        return ops.softplus(-real) + ops.softplus(generated)
    if objective == "wgan_gp":
        return generated - real
    _check_relativistic(objective)
    return ops.softplus(generated - real)


def generator_loss(objective: str, real: Any, generated: Any) -> Any:
    """Returns what the generator minimises for every example.

        vanilla        softplus(-D(s^)), the form that does not saturate (Goodfellow et al. 2014, section 3)
        wgan_gp        -D(s^)
        relativistic   softplus(-(D(s^) - D(s)))

    Args:
        objective: One of `OBJECTIVES`.
        real: float `[batch, 1]`; only `relativistic` looks at it.
        generated: float `[batch, 1]`, row by row under the same condition.

    Returns:
        float32 `[batch]`.

    Raises:
        ConfigError: There is no such objective.
    """
    real, generated = _logits(real, generated)
    if objective == "vanilla":
        return ops.softplus(-generated)
    if objective == "wgan_gp":
        return -generated
    _check_relativistic(objective)
    return ops.softplus(real - generated)


def squared_norm(gradient: Any) -> Any:
    """Returns |g|^2 of every example: R1 at real ones, R2 at generated ones (R3GAN, equation 4).

    Args:
        gradient: float `[batch, size]`.

    Returns:
        float32 `[batch]`.
    """
    return ops.sum(ops.square(ops.cast(gradient, "float32")), axis=-1)


def distance_from_unit_norm(gradient: Any) -> Any:
    """Returns (|g| - 1)^2 of every example: the penalty of WGAN-GP (Gulrajani et al. 2017, equation 3).

    Args:
        gradient: float `[batch, size]`.

    Returns:
        float32 `[batch]`.
    """
    return ops.square(ops.sqrt(squared_norm(gradient) + _LEAST_SQUARE) - 1.0)


def input_gradient(network: keras.Model, inputs: Sequence[Any], index: int) -> tuple[Any, Any]:
    """Returns a network's output and its gradient by one of its inputs, the others held fixed.

    The gradient can be derived again by the weights and by every input, so that it can be part of a loss. It is
    the only thing here that each backend does its own way.

    Args:
        network: Functional; the examples of its batch do not depend on each other.
        inputs: One tensor for each of its inputs, in their order.
        index: Which of them.

    Returns:
        The output `[batch, 1]`, and the gradient in the shape of that input.

    Raises:
        NotImplementedError: The backend is neither tensorflow nor jax.
    """
    inputs = list(inputs)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs[index])
            output = network(inputs)
        return output, tape.gradient(output, inputs[index])
    if keras.backend.backend() == "jax":
        import jax

        weights = [variable.value for variable in network.trainable_variables]
        others = [variable.value for variable in network.non_trainable_variables]

        def summed(chosen: Any) -> tuple[Any, Any]:
            given = [*inputs[:index], chosen, *inputs[index + 1 :]]
            output = network.stateless_call(weights, others, given)[0]
            return ops.sum(output), output

        (_, output), gradient = jax.value_and_grad(summed, has_aux=True)(inputs[index])
        return output, gradient
    raise NotImplementedError(f"input_gradient on {keras.backend.backend()}; it knows tensorflow and jax")


def _logits(real: Any, generated: Any) -> tuple[Any, Any]:
    check_same_shape(real, generated, names=("real", "generated"))
    return ops.cast(real[:, 0], "float32"), ops.cast(generated[:, 0], "float32")


def _check_relativistic(objective: str) -> None:
    if objective != "relativistic":
        raise ConfigError(
            f"There is no objective '{objective}'.{nearest(objective, OBJECTIVES)}",
            expected=f"one of {', '.join(OBJECTIVES)}",
            fix="set objective to one of them",
        )
