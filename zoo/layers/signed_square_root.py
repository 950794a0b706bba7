"""The square root that keeps the sign: what follows bilinear pooling."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.errors import ConfigError


@keras.saving.register_keras_serializable("mizoo")
class SignedSquareRoot(keras.layers.Layer):
    """sign(z) √|z|, entry by entry (Lin et al. 2015, section 3.1; Perronnin et al. 2010).

    It damps the few products that are large because both channels fire often. `keras.layers.UnitNormalization` is
    what follows it.

    Args:
        epsilon: The slope at |z| < epsilon is that at epsilon: finite at 0, where the root's is not. The values are
            exact everywhere.

    Input and output: any shape.

    Raises:
        ConfigError: epsilon is not above 0.
    """

    def __init__(self, epsilon: float = 1e-12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not epsilon > 0:
            raise ConfigError(
                f"epsilon is {epsilon}.", expected="a number above 0", fix="set it so, e.g. 1e-12"
            )
        self.epsilon = epsilon

    def call(self, inputs: Any) -> Any:
        """Returns the roots."""
        epsilon = self.epsilon

        @ops.custom_gradient
        def root(z: Any) -> Any:
            size = ops.absolute(z)

            def gradient(*args: Any, upstream: Any = None) -> Any:
                (upstream,) = args if upstream is None else (upstream,)
                return upstream * 0.5 * ops.rsqrt(ops.maximum(size, epsilon))

            return ops.sign(z) * ops.sqrt(size), gradient

        wide = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        return ops.cast(root(wide), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"epsilon": self.epsilon}
