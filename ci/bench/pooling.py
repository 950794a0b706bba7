"""How long second-order pooling takes beside the published ways of computing the same numbers.

    python -m ci.bench.pooling

Drawn maps (a time does not depend on them) and the default settings of the layers; every way is a compiled tensorflow
function of the same input. Within a row all ways take turns in one loop; medians. The published forms of compact
bilinear pooling are those of its PyTorch (dense sketch) and TensorFlow (sparse sketch) versions: a complex Fourier
transform of either sketch and an inverse one at every position. Writes ci/bench/results/pooling.json.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from ci.bench.pooling_head import head_row
from ci.bench.report import write_report
from ci.bench.timing import show, turns
from zoo.layers.compact_bilinear_pooling import CompactBilinearPooling
from zoo.layers.matrix_power_normalization import MatrixPowerNormalization
from zoo.layers.positions import as_positions
from zoo.layers.sub_matrix_square_root import SubMatrixSquareRoot

COMMAND = "python -m ci.bench.pooling --repetitions {repetitions}"
POSITIONS, DIMENSIONS = 49, 5000
BATCHES, CHANNELS = (1, 8), (1000, 2048)
# (channels, positions): the covariances of MPN-COV behind its 1x1 convolution, at two resolutions.
COVARIANCES = ((256, 49), (256, 196), (64, 784))
NARROW = ((24, 1600), (96, 400), (256, 196))


def main() -> None:
    """Measures, prints, writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=15, help="calls of each way")
    given = parser.parse_args()
    cells = [(channels, batch) for channels in CHANNELS for batch in BATCHES]
    rows = [sketch_row(*cell, given.repetitions) for cell in cells]
    narrow = [narrow_row(*cell, given.repetitions) for cell in NARROW]
    roots = [root_row(*cell, given.repetitions) for cell in cells]
    powers = [power_row(*cell, batch, given.repetitions) for cell in COVARIANCES for batch in BATCHES]
    show(f"compact bilinear pooling, 7x7, {DIMENSIONS} dimensions, ms", rows)
    show(f"compact bilinear pooling of narrow maps, {DIMENSIONS} dimensions, batch 8, ms", narrow)
    show("sub-matrix square root, 7x7, ms", roots)
    show("matrix power normalisation, ms", powers)
    heads = [head_row(batch, DIMENSIONS, given.repetitions) for batch in BATCHES]
    show("MPN-CBP head beside a pass through MobileNetV2 at 224 pixels, ms", heads)
    write_report(
        "pooling",
        command=COMMAND.format(repetitions=given.repetitions),
        data="random maps",
        seeds=[],
        rows=rows,
        extra={"narrow maps": narrow, "square roots": roots, "covariances": powers, "heads": heads},
    )


def draw(batch: int, positions: int, channels: int) -> tf.Tensor:
    """A map after a ReLU."""
    drawn = np.random.default_rng(0).normal(size=(batch, positions, channels))
    return tf.constant(np.maximum(drawn, 0), "float32")


def sketch_row(channels: int, batch: int, repetitions: int) -> dict[str, Any]:
    """The layer beside the published form with a dense sketch matrix, and with a sparse one."""
    x = draw(batch, POSITIONS, channels)
    layer = CompactBilinearPooling(DIMENSIONS)
    layer.build(x.shape)
    sparse = [sketch_matrix(h, s) for h, s in zip(layer.hashes, layer.signs, strict=True)]
    dense = [tf.sparse.to_dense(matrix) for matrix in sparse]
    rows = tf.reshape(x, (-1, channels))

    def convolved(sketches: list[tf.Tensor]) -> tf.Tensor:
        first, second = (tf.signal.fft(tf.complex(each, tf.zeros_like(each))) for each in sketches)
        everywhere = tf.math.real(tf.signal.ifft(first * second))
        return tf.reduce_sum(tf.reshape(everywhere, (batch, POSITIONS, DIMENSIONS)), axis=1)

    def by_dense() -> tf.Tensor:
        return convolved([tf.matmul(rows, matrix, transpose_b=True) for matrix in dense])

    def by_sparse() -> tf.Tensor:
        return convolved(
            [tf.transpose(tf.sparse.sparse_dense_matmul(matrix, rows, adjoint_b=True)) for matrix in sparse]
        )

    ways = {"dense": by_dense, "sparse": by_sparse, "layer": lambda: layer(x)}
    return {"channels": channels, "batch": batch} | compared(ways, repetitions, difference="dense")


def sketch_matrix(hashes: Any, signs: Any) -> tf.SparseTensor:
    """The count sketch `[DIMENSIONS, channels]` as a matrix with one entry a column."""
    places = np.stack([hashes.numpy(), np.arange(len(hashes.numpy()))], axis=1).astype("int64")
    return tf.sparse.reorder(tf.SparseTensor(places, signs.numpy(), (DIMENSIONS, len(places))))


def narrow_row(channels: int, positions: int, repetitions: int) -> dict[str, Any]:
    """Low layers: many positions of few channels, where the layer takes products instead of spectra."""
    x = draw(8, positions, channels)
    layer = CompactBilinearPooling(DIMENSIONS)
    layer.build(x.shape)

    def by_spectra() -> tf.Tensor:
        return layer._from_spectra(*(as_positions(x) * sign for sign in layer.signs))

    ways = {"by spectra": by_spectra, "layer": lambda: layer(x)}
    return {"channels": channels, "positions": positions} | compared(
        ways, repetitions, difference="by spectra"
    )


def root_row(channels: int, batch: int, repetitions: int) -> dict[str, Any]:
    """The layer, a singular value decomposition, and the C x C eigendecomposition that both avoid."""
    x = draw(batch, POSITIONS, channels)
    layer = SubMatrixSquareRoot()
    layer.build(x.shape)

    def decomposed() -> tf.Tensor:
        s, u, v = tf.linalg.svd(x)
        return tf.matmul(u * tf.sqrt(s)[:, None, :], v, transpose_b=True) / POSITIONS**0.25

    def channel_side() -> tf.Tensor:
        values, vectors = tf.linalg.eigh(tf.matmul(x, x, transpose_a=True))
        kept = values > 1e-6 * values[:, -1:]
        powers = tf.where(kept, tf.where(kept, values, 1.0) ** -0.25, 0.0)[:, None, :]
        return tf.matmul(tf.matmul(x, vectors) * powers, vectors, transpose_b=True) / POSITIONS**0.25

    times = compared({"svd": decomposed, "layer": lambda: layer(x)}, repetitions)
    row: dict[str, Any] = {"channels": channels, "batch": batch, **times}
    row |= {"eigh of C x C_ms": None, "eigh of C x C / layer": None}
    if batch == 1:
        # Seconds each: two calls after the three that warm up say enough.
        row["eigh of C x C_ms"] = 1000 * turns({"eigh": tf.function(channel_side)}, 2)["eigh"]
        row["eigh of C x C / layer"] = row["eigh of C x C_ms"] / row["layer_ms"]
    y, wide = np.asarray(layer(x), "float64")[0], np.asarray(x, "float64")[0]
    values, vectors = np.linalg.eigh(wide @ wide.T)
    # Yᵀ Y against (Xᵀ X / P)^(1/2) = Xᵀ (X Xᵀ)^(-1/2) X / √P, both `[C, C]`.
    exact = wide.T @ ((vectors * values**-0.5) @ vectors.T) @ wide / POSITIONS**0.5
    return row | {"relative error": float(np.linalg.norm(y.T @ y - exact) / np.linalg.norm(exact))}


def power_row(channels: int, positions: int, batch: int, repetitions: int) -> dict[str, Any]:
    """Both methods of the layer, and the eigendecomposition of the C x C covariance as it was published."""
    x = draw(batch, positions, channels)
    layer = MatrixPowerNormalization()
    newton = MatrixPowerNormalization(method="newton_schulz")  # five steps, as iSQRT-COV

    def published() -> tf.Tensor:
        centred = x - tf.reduce_mean(x, axis=1, keepdims=True)
        values, vectors = tf.linalg.eigh(tf.matmul(centred, centred, transpose_a=True) / positions)
        root = tf.matmul(vectors * tf.sqrt(tf.maximum(values, 0))[:, None, :], vectors, transpose_b=True)
        upper = np.triu_indices(channels)
        return tf.gather(tf.reshape(root, (batch, -1)), upper[0] * channels + upper[1], axis=1)

    ways = {"eigh of C x C": published, "newton-schulz": lambda: newton(x), "layer": lambda: layer(x)}
    return {"channels": channels, "positions": positions, "batch": batch} | compared(ways, repetitions)


def compared(
    ways: dict[str, Callable[[], Any]], repetitions: int, difference: str | None = None
) -> dict[str, Any]:
    """Times of all ways, how many times longer each takes than "layer", and the difference of the two.

    The difference is relative to the largest entry, and is of "layer" to the way that is named.
    """
    compiled = {name: tf.function(way) for name, way in ways.items()}
    taken = turns(compiled, repetitions)
    row: dict[str, Any] = {f"{name}_ms": 1000 * seconds for name, seconds in taken.items()}
    row |= {f"{name} / layer": seconds / taken["layer"] for name, seconds in taken.items() if name != "layer"}
    if difference:
        one, other = (compiled[name]().numpy() for name in (difference, "layer"))
        row["difference"] = float(np.abs(one - other).max() / np.abs(one).max())
    return row


if __name__ == "__main__":
    main()
