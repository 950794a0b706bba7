"""Features whose second moment is the square root of what it was: matrix power normalisation before a sketch."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.errors import ConfigError
from zoo.layers.positions import Shape, as_positions, check_maps
from zoo.layers.powered_features import powered_features


@keras.saving.register_keras_serializable("mizoo")
class SubMatrixSquareRoot(keras.layers.Layer):
    """Y = P^(−1/4) (X Xᵀ)^(−1/4) X of a map X `[P, C]`, so that Yᵀ Y = A^(1/2) for A = Xᵀ X / P.

    Gou, Xiong, Camps and Sznaier, "MoNet: moments embedding network" (2018): in X = U S Vᵀ the singular values are
    replaced by their roots, U S^(1/2) Vᵀ, without ever forming the C × C matrix. `CompactBilinearPooling` behind it
    therefore sketches the normalised A^(1/2), which it could not reach from a sketch of A. Only the smaller of
    X Xᵀ `[P, P]` and Xᵀ X `[C, C]` is decomposed, X Xᵀ where P is unknown. X is not centred.

    Args:
        epsilon: Eigenvalues up to this share of the largest count as 0, and pass no gradient.

    Input: maps `[batch, height, width, channels]` or `[batch, positions, channels]`, or vectors `[batch, channels]`
    (P = 1: x / √|x|). Output: the same shape. Zero maps stay 0, with gradients 0.

    Raises:
        ConfigError: epsilon is not in 0..1.
        ZooError: Another rank, or unknown channels.
    """

    def __init__(self, epsilon: float = 1e-10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= epsilon < 1:
            raise ConfigError(
                f"epsilon is {epsilon}.", expected="0 <= epsilon < 1", fix="set it so, e.g. 1e-10"
            )
        self.epsilon = epsilon

    def build(self, input_shape: Shape) -> None:
        """Checks the shape; there is nothing to learn."""
        check_maps(input_shape, layer=self.name)

    def call(self, inputs: Any) -> Any:
        """Returns Y."""
        x = as_positions(inputs)
        scale = ops.cast(ops.shape(x)[1], x.dtype) ** -0.25
        y = powered_features(x, 0.5, self.epsilon)
        return ops.cast(ops.reshape(y * scale, ops.shape(inputs)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"epsilon": self.epsilon}
