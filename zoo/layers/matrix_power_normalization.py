"""A power of the covariance of a map's channels, as a vector."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import ConfigError
from zoo.layers.positions import Shape, as_positions, check_maps
from zoo.layers.powered_features import powered_features

METHODS = ("eigh", "newton_schulz")

# Of the trace: two roundings of float32. Without, the iteration runs away on the null space after some twenty steps.
_RIDGE = 2 * float(np.finfo("float32").eps)
_LEAST_TRACE = 1e-20


@keras.saving.register_keras_serializable("mizoo")
class MatrixPowerNormalization(keras.layers.Layer):
    """The upper triangle of A^power, A = Xᵀ Ī X the covariance of a map X `[P, C]`, Ī = (I − 11ᵀ/P) / P.

    "eigh" is MPN-COV of Li, Xie, Wang and Zuo, "Is second-order information helpful for large-scale visual
    recognition?" (2017): A^power = V Λ^power Vᵀ, exact; where P < C it comes from the P × P Gram matrix, whose
    eigenvalues are the same. "newton_schulz" is iSQRT-COV of Li, Xie, Wang and Gao, "Towards faster training of global
    covariance pooling networks by iterative matrix square root normalization" (2018): A is divided by its trace,
    Y ← Y (3I − Z Y)/2 and Z ← (3I − Z Y)/2 Z are repeated, and the root of the trace is multiplied back. Matrix
    products only, which suits GPUs. Five iterations, as there, normalise but are 20 to 35 % away from the root; any
    number is safe, since 2.4e-7 of the trace is added to the diagonal.

    Args:
        power: Of A, above 0 and at most 1; 0.5 for "newton_schulz".
        method: "eigh" or "newton_schulz".
        iterations: Of "newton_schulz".
        centre: Whether the mean feature is subtracted. Without, A = Xᵀ X / P.
        epsilon: For "eigh": eigenvalues up to this share of the largest count as 0,
            and pass no gradient.

    Input: maps `[batch, height, width, channels]` or `[batch, positions, channels]`, or vectors `[batch, channels]`
    (P = 1, for which a centred covariance is 0). Output: `[batch, C (C + 1) / 2]`, row by row from the diagonal on.

    Raises:
        ConfigError: An unknown method, or a number outside its range.
        ZooError: Another rank, or unknown channels.
    """

    def __init__(
        self,
        power: float = 0.5,
        method: str = "eigh",
        iterations: int = 5,
        centre: bool = True,
        epsilon: float = 1e-10,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if method not in METHODS:
            raise ConfigError(
                f"method is {method!r}.", expected=" or ".join(METHODS), fix="choose one of them"
            )
        if not 0 < power <= 1:
            raise ConfigError(
                f"power is {power}.", expected="0 < power <= 1", fix="set it so; 0.5 is the paper's"
            )
        if method == "newton_schulz" and power != 0.5:
            raise ConfigError(
                f"power is {power} with method newton_schulz.",
                expected="0.5: the iteration finds square roots only",
                fix="set power=0.5 or method='eigh'",
            )
        if iterations < 1:
            raise ConfigError(f"iterations is {iterations}.", expected="1 or more", fix="set it so, e.g. 5")
        if not 0 <= epsilon < 1:
            raise ConfigError(
                f"epsilon is {epsilon}.", expected="0 <= epsilon < 1", fix="set it so, e.g. 1e-10"
            )
        self.power, self.method, self.iterations = power, method, iterations
        self.centre, self.epsilon = centre, epsilon

    def build(self, input_shape: Shape) -> None:
        """Checks the shape; there is nothing to learn."""
        check_maps(input_shape, layer=self.name)

    def call(self, inputs: Any) -> Any:
        """Returns the upper triangle of A^power."""
        x = as_positions(inputs)
        if self.centre:
            x = x - ops.mean(x, axis=1, keepdims=True)
        # A = xᵀ x from here on.
        x = x * ops.rsqrt(ops.cast(ops.shape(x)[1], x.dtype))
        channels = x.shape[-1]
        if self.method == "eigh":
            x = powered_features(x, self.power, self.epsilon)
        root = ops.matmul(ops.transpose(x, (0, 2, 1)), x)
        if self.method == "newton_schulz":
            root = _newton_schulz(root, self.iterations)
        rows, columns = np.triu_indices(channels)
        triangle = ops.take(
            ops.reshape(root, (-1, channels * channels)), (rows * channels + columns).astype("int32"), axis=1
        )
        return ops.cast(triangle, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """`[batch, C (C + 1) / 2]`."""
        channels = input_shape[-1] or 0
        return (input_shape[0], channels * (channels + 1) // 2)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {
            "power": self.power,
            "method": self.method,
            "iterations": self.iterations,
            "centre": self.centre,
            "epsilon": self.epsilon,
        }


def _newton_schulz(matrices: Any, iterations: int) -> Any:
    """The square roots of `[batch, n, n]`, approximately."""
    identity = ops.eye(matrices.shape[-1], dtype=matrices.dtype)
    trace = ops.trace(matrices, axis1=1, axis2=2)[:, None, None]
    # A zero map has neither a direction nor a root other than 0.
    scale = ops.where(trace > _LEAST_TRACE, trace, 1.0)
    y, z = matrices / scale + _RIDGE * identity, identity
    for _ in range(iterations):
        step = 1.5 * identity - 0.5 * ops.matmul(z, y)
        y, z = ops.matmul(y, step), ops.matmul(step, z)
    return ops.where(trace > _LEAST_TRACE, y * ops.sqrt(scale), 0.0)
