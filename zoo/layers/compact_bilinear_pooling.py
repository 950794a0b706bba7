"""Bilinear pooling at a length of choice, by the tensor sketch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.errors import ConfigError
from zoo.layers.positions import Shape, as_positions, check_maps, one_or_two, positions_of


@keras.saving.register_keras_serializable("mizoo")
class CompactBilinearPooling(keras.layers.Layer):
    """φ(x, y) = Σ_p TS(x_p, y_p), with E⟨φ(x, x), φ(x', x')⟩ = Σ_pq ⟨x_p, x'_q⟩², as of the bilinear Σ_p x_p x_pᵀ.

    Gao, Beijbom, Zhang and Darrell, "Compact bilinear pooling" (2016), algorithm 2, after Pham and Pagh, "Fast and
    scalable polynomial kernels via explicit feature maps" (2013). TS(x, y) is the circular convolution of two count
    sketches, ψ(x)_j = Σ_{h(a) = j} s(a) x_a. Since the Fourier transform is linear, the positions are added up in the
    frequency domain, and one inverse transform an image is left. Where C_x · C_y numbers are fewer than P · dimensions
    (narrow, large maps) the same vector is computed as φ_j = Σ_{h1(a) + h2(b) = j mod dimensions} s1(a) s2(b) Σ_p
    x_pa y_pb: less work and less memory.

    A sum over the positions as in the paper, no mean as in `BilinearPooling`; after `keras.layers.UnitNormalization`
    both are the same. The hashes and signs are drawn once, by numpy, and saved with the model as weights that are not
    trained.

    Args:
        dimensions: The length of the output; the variance of an inner product falls as 1/dimensions.
        seed: Of the hashes and signs. Layers whose outputs are compared or added need the same one.

    Input: maps `[batch, height, width, channels]` or `[batch, positions, channels]`, or vectors `[batch, channels]`
    (P = 1); or a pair [x, y] of such on one grid. Each of the two factors has hashes of its own, also where one map
    stands for both. Output: `[batch, dimensions]`.

    Raises:
        ConfigError: dimensions below 1, or a negative seed.
        ZooError: More than two inputs, maps of different grids, another rank, or unknown channels.
    """

    def __init__(self, dimensions: int = 5000, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if dimensions < 1:
            raise ConfigError(
                f"dimensions is {dimensions}.", expected="1 or more", fix="set it so; the default is 5000"
            )
        if seed < 0:
            raise ConfigError(f"seed is {seed}.", expected="0 or more", fix="set it so")
        self.dimensions, self.seed = dimensions, seed

    def build(self, input_shape: Any) -> None:
        """Draws hashes and signs for the channels of both factors."""
        shapes = one_or_two(input_shape, self.name)
        check_maps(*shapes, layer=self.name)
        rng = np.random.default_rng(self.seed)
        self.hashes, self.signs = [], []
        for factor, shape in zip("xy", shapes, strict=True):
            hashes = rng.integers(0, self.dimensions, shape[-1])
            signs = rng.choice([-1, 1], shape[-1])
            self.hashes.append(self._frozen(f"hash_{factor}", hashes, "int32"))
            self.signs.append(self._frozen(f"sign_{factor}", signs, "float32"))

    def _frozen(self, name: str, drawn: np.ndarray, dtype: str) -> Any:
        def initializer(shape: Shape, dtype: str | None = None) -> Any:
            del shape
            return ops.convert_to_tensor(drawn, dtype=dtype)

        return self.add_weight(
            name=name,
            shape=drawn.shape,
            dtype=dtype,
            initializer=initializer,
            trainable=False,
            autocast=False,
        )

    def call(self, inputs: Any) -> Any:
        """Returns φ."""
        x, y = (as_positions(maps) for maps in one_or_two(inputs, self.name))
        x, y = (m * ops.cast(s, m.dtype) for m, s in zip((x, y), self.signs, strict=True))
        pooled = self._from_products if self._products_are_fewer(x.shape, y.shape) else self._from_spectra
        return ops.cast(pooled(x, y), self.compute_dtype)

    def _products_are_fewer(self, x: Shape, y: Shape) -> bool:
        # Both ways cost about as much per number, on a CPU some 15 ns. Of an unknown grid one position is certain.
        return (x[-1] or 0) * (y[-1] or 0) <= (positions_of(x) or 1) * self.dimensions

    def _from_products(self, x: Any, y: Any) -> Any:
        """φ of signed factors `[batch, positions, channels]`, from their bilinear products."""
        products = ops.matmul(ops.transpose(x, (0, 2, 1)), y)
        places = ops.reshape(self.hashes[0][:, None] + self.hashes[1][None, :], (-1,)) % self.dimensions
        return self._scattered(ops.reshape(products, (-1, places.shape[0])), places)

    def _from_spectra(self, x: Any, y: Any) -> Any:
        """φ of signed factors `[batch, positions, channels]`, by the convolution theorem."""
        (x_real, x_imaginary), (y_real, y_imaginary) = (
            ops.rfft(
                self._scattered(ops.reshape(m, (-1, m.shape[-1])), ops.convert_to_tensor(h)), self.dimensions
            )
            for m, h in zip((x, y), self.hashes, strict=True)
        )
        real = self._added(x_real * y_real - x_imaginary * y_imaginary, x)
        imaginary = self._added(x_real * y_imaginary + x_imaginary * y_real, x)
        return ops.irfft((real, imaginary), self.dimensions)

    def _added(self, rows: Any, maps: Any) -> Any:
        """Adds up rows `[batch · positions, n]` over the positions of `maps`."""
        positions = maps.shape[1]
        shape = (-1, positions) if positions is not None else (ops.shape(maps)[0], -1)
        return ops.sum(ops.reshape(rows, (*shape, rows.shape[-1])), axis=1)

    def _scattered(self, rows: Any, places: Any) -> Any:
        """Adds entry i of each row `[rows, n]` to place `places[i]` of `[rows, dimensions]`.

        One flat sum, since a sum along the first axis would transpose a large array to and fro.
        """
        count = ops.shape(rows)[0]
        offsets = ops.arange(count, dtype="int32")[:, None] * self.dimensions
        flat = ops.segment_sum(
            ops.reshape(rows, (-1,)), ops.reshape(offsets + places, (-1,)), count * self.dimensions
        )
        return ops.reshape(flat, (-1, self.dimensions))

    def compute_output_shape(self, input_shape: Any) -> Shape:
        """`[batch, dimensions]`."""
        return (one_or_two(input_shape, self.name)[0][0], self.dimensions)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return super().get_config() | {"dimensions": self.dimensions, "seed": self.seed}
