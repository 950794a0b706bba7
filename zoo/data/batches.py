"""Splits of a data set as numbers, and the batches that `fit` reads from them.

The order of an epoch is a function of (seed, epoch) alone: the same under tf.data and under a Keras
`PyDataset`, on every machine, and after a resume. With tensorflow installed batches come from tf.data;
without it (jax on a GPU host) the same arrays come in the same order from `ArrayBatches`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import DataError


@dataclass(frozen=True)
class ImageFiles:
    """Pictures that are decoded as they are needed, by the very function that the exported graph runs.

    Attributes:
        paths: One file per row.
        size: Side of the square that the network sees, in pixels.
    """

    paths: tuple[Path, ...]
    size: int


@dataclass(frozen=True)
class Split:
    """Rows of inputs with their targets.

    Attributes:
        inputs: Input name -> array, or image files, one row per example.
        targets: Target name -> array `[rows, ...]`.
        ids: What each row is called on disk.
    """

    inputs: Mapping[str, np.ndarray | ImageFiles]
    targets: Mapping[str, np.ndarray]
    ids: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        """Raises unless every input and target has as many rows as there are ids."""
        for name, rows in [*self.inputs.items(), *self.targets.items()]:
            count = len(rows.paths) if isinstance(rows, ImageFiles) else len(rows)
            if count != len(self.ids):
                raise DataError(
                    f"'{name}' has {count} rows for {len(self.ids)} ids.",
                    expected="one row per id",
                    fix="prepare the data again; the arrays of a split belong together",
                )

    def __len__(self) -> int:
        return len(self.ids)

    def steps(self, batch_size: int) -> int:
        """Returns the number of batches of one epoch; the last one may be smaller."""
        return math.ceil(len(self) / batch_size)

    def epochs(self, batch_size: int, *, seed: int, first_epoch: int = 0) -> Any:
        """Returns endless batches `(inputs, targets)`, shuffled anew in every epoch."""
        if _tensorflow_installed():
            endless = _tf_batches(self, batch_size, lambda: _orders(len(self), seed, first_epoch))
            return _with_cardinality(endless, -1)
        return array_batches(self, batch_size, seed=seed, first_epoch=first_epoch)

    def once(self, batch_size: int) -> Any:
        """Returns the batches of one pass in the order on disk."""
        if _tensorflow_installed():
            one_pass = _tf_batches(self, batch_size, lambda: iter([np.arange(len(self))]))
            return _with_cardinality(one_pass, self.steps(batch_size))
        return array_batches(self, batch_size, seed=None)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns the inputs as arrays, decoding image files (uint8 `[rows, size, size, 3]`)."""
        return {name: _decoded(rows) for name, rows in self.inputs.items()}


@dataclass(frozen=True)
class Splits:
    """The three splits of a data set, and what the data tells the network.

    Attributes:
        name: Of the data set.
        facts: Arguments of `Recipe.network` that only the data knows, e.g. the tags.
    """

    train: Split
    validation: Split
    test: Split
    facts: dict[str, Any]
    name: str

    def __getitem__(self, split: str) -> Split:
        if split not in ("train", "validation", "test"):
            raise DataError(
                f"There is no split '{split}'.", expected="train, validation or test", fix="name one of these"
            )
        chosen: Split = getattr(self, split)
        return chosen


def take_rows(value: np.ndarray | ImageFiles, rows: np.ndarray) -> np.ndarray | ImageFiles:
    """Returns some rows of an input, in the order given."""
    if isinstance(value, ImageFiles):
        return ImageFiles(tuple(value.paths[i] for i in rows), value.size)
    return value[rows]


def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order in which epoch `epoch` visits the rows: int64 `[rows]`, a function of its arguments."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def _orders(rows: int, seed: int, first_epoch: int) -> Iterator[np.ndarray]:
    return (epoch_order(rows, seed, epoch) for epoch in itertools.count(first_epoch))


def _bare(named: Mapping[str, Any]) -> Any:
    """A single input goes to the network as it is, several by name."""
    return next(iter(named.values())) if len(named) == 1 else dict(named)


def _tf_batches(split: Split, batch_size: int, orders: Callable[[], Iterator[np.ndarray]]) -> Any:
    import tensorflow as tf

    from zoo.preprocessing.image import decode_and_resize

    files = {name: rows for name, rows in split.inputs.items() if isinstance(rows, ImageFiles)}
    paths = {name: tf.constant([str(p) for p in rows.paths]) for name, rows in files.items()}
    arrays = {name: tf.constant(rows) for name, rows in split.inputs.items() if name not in files}
    targets = {name: tf.constant(rows) for name, rows in split.targets.items()}

    def load(row: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        return row, {
            name: decode_and_resize(tf.io.read_file(tf.gather(paths[name], row)), files[name].size)
            for name in files
        }

    def assemble(rows: tf.Tensor, pictures: dict[str, tf.Tensor]) -> tuple[Any, dict[str, tf.Tensor]]:
        gathered = {name: tf.gather(array, rows) for name, array in arrays.items()}
        return _bare({**gathered, **pictures}), {
            name: tf.gather(array, rows) for name, array in targets.items()
        }

    def one_epoch(order: tf.Tensor) -> tf.data.Dataset:
        rows = tf.data.Dataset.from_tensor_slices(order)
        if files:
            return rows.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size).map(assemble)
        return rows.batch(batch_size).map(lambda batch: assemble(batch, {}))

    signature = tf.TensorSpec([len(split)], tf.int64)
    return (
        tf.data.Dataset.from_generator(orders, output_signature=signature)
        .flat_map(one_epoch)
        .prefetch(tf.data.AUTOTUNE)
    )


def _with_cardinality(batches: Any, count: int) -> Any:
    """Tells Keras how many batches there are (-1: endless), which a generator cannot."""
    import tensorflow as tf

    return batches.apply(tf.data.experimental.assert_cardinality(count))


def array_batches(split: Split, batch_size: int, *, seed: int | None, first_epoch: int = 0) -> Any:
    """Returns the same batches in the same order as a `keras.utils.PyDataset`, without tensorflow.

    Endless where they are shuffled, one pass where they are not.

    Args:
        split: Arrays; image files cannot be decoded here.
        batch_size: Rows per batch; the last batch may be smaller.
        seed: Of the shuffling; None keeps the order on disk.
        first_epoch: The epoch to begin with.

    Raises:
        MissingExtraError: The split holds image files, which need tensorflow to be decoded.
    """
    import keras

    inputs, steps = split.arrays(), split.steps(batch_size)

    @lru_cache(maxsize=1)
    def order(epoch: int) -> np.ndarray:
        return np.arange(len(split)) if seed is None else epoch_order(len(split), seed, epoch)

    class ArrayBatches(keras.utils.PyDataset):
        """Rows gathered from arrays in memory; where they are shuffled, batch `steps` begins the next epoch.

        The order does not follow `on_epoch_end`: Keras calls it before the first epoch too.
        """

        @property
        def num_batches(self) -> int | None:
            return steps if seed is None else None

        def __getitem__(self, index: int) -> tuple[Any, dict[str, np.ndarray]]:
            epoch, step = divmod(index, steps)
            rows = order(first_epoch + epoch)[step * batch_size : (step + 1) * batch_size]
            gathered = {name: array[rows] for name, array in inputs.items()}
            return _bare(gathered), {name: array[rows] for name, array in split.targets.items()}

    return ArrayBatches()


def _decoded(rows: np.ndarray | ImageFiles) -> np.ndarray:
    if isinstance(rows, np.ndarray):
        return rows
    from zoo.preprocessing.reading import load_images

    return load_images(rows.paths, rows.size).array


def _tensorflow_installed() -> bool:
    import importlib.util
    import sys

    # `sys.modules["tensorflow"] = None` is how an import is blocked: find_spec raises ValueError for it.
    return (
        sys.modules.get("tensorflow", ...) is not None and importlib.util.find_spec("tensorflow") is not None
    )
