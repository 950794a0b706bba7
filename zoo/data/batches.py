"""Splits of a data set as numbers, and the batches that `fit` reads from them.

The order of an epoch is a function of (seed, epoch) alone: the same under tf.data and under a Keras
`PyDataset`, on every machine, and after a resume; so is what an augmentation does to each picture. With
tensorflow installed batches come from tf.data; without it (jax on a GPU host) the same arrays come in the same
order from `ArrayBatches`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import DataError

if TYPE_CHECKING:
    from zoo.data.augmentation import PadCropFlip

# The input that an augmentation changes.
PICTURE = "image"
Visit = tuple[np.ndarray, ...]


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

    def epochs(
        self, batch_size: int, *, seed: int, first_epoch: int = 0, augmentation: PadCropFlip | None = None
    ) -> Any:
        """Returns endless batches `(inputs, targets)`, shuffled anew in every epoch.

        Args:
            batch_size: Rows per batch; the last batch of an epoch may be smaller.
            seed: Of order and augmentation.
            first_epoch: The epoch to begin with.
            augmentation: What changes the input `image`; anew in every epoch.

        Raises:
            DataError: There is an augmentation, and no input `image`.
        """
        if augmentation is not None and PICTURE not in self.inputs:
            raise DataError(
                f"There is no input '{PICTURE}' to augment, but {', '.join(self.inputs)}.",
                fix="train on pictures, or without augmentation",
            )
        if _tensorflow_installed():
            from zoo.data.tf_batches import tf_batches

            visits = partial(_visits, len(self), seed, first_epoch, augmentation)
            return tf_batches(self, batch_size, visits, -1, augmentation)
        return array_batches(self, batch_size, seed=seed, first_epoch=first_epoch, augmentation=augmentation)

    def once(self, batch_size: int) -> Any:
        """Returns the batches of one pass in the order on disk."""
        if _tensorflow_installed():
            from zoo.data.tf_batches import tf_batches

            return tf_batches(
                self, batch_size, lambda: iter([(np.arange(len(self)),)]), self.steps(batch_size)
            )
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


def _visit(rows: int, seed: int, epoch: int, augmentation: PadCropFlip | None) -> Visit:
    """The order of an epoch, and what the augmentation does to each row, in that order."""
    order = epoch_order(rows, seed, epoch)
    return (order,) if augmentation is None else (order, augmentation.draws(rows, seed, epoch)[order])


def _visits(rows: int, seed: int, first_epoch: int, augmentation: PadCropFlip | None) -> Iterator[Visit]:
    return (_visit(rows, seed, epoch, augmentation) for epoch in itertools.count(first_epoch))


def bare(named: Mapping[str, Any]) -> Any:
    """A single input goes to the network as it is, several by name."""
    return next(iter(named.values())) if len(named) == 1 else dict(named)


def array_batches(
    split: Split,
    batch_size: int,
    *,
    seed: int | None,
    first_epoch: int = 0,
    augmentation: PadCropFlip | None = None,
) -> Any:
    """Returns the same batches in the same order as a `keras.utils.PyDataset`, without tensorflow.

    Endless where they are shuffled, one pass where they are not.

    Args:
        split: Arrays; image files cannot be decoded here.
        batch_size: Rows per batch; the last batch may be smaller.
        seed: Of the shuffling; None keeps the order on disk.
        first_epoch: The epoch to begin with.
        augmentation: What changes the input `image` where rows are shuffled.

    Raises:
        MissingExtraError: The split holds image files, which need tensorflow to be decoded.
    """
    import keras

    inputs, steps = split.arrays(), split.steps(batch_size)

    @lru_cache(maxsize=1)
    def visit(epoch: int) -> Visit:
        return (np.arange(len(split)),) if seed is None else _visit(len(split), seed, epoch, augmentation)

    class ArrayBatches(keras.utils.PyDataset):
        """Rows gathered from arrays in memory; where they are shuffled, batch `steps` begins the next epoch.

        The order does not follow `on_epoch_end`: Keras calls it before the first epoch too.
        """

        @property
        def num_batches(self) -> int | None:
            return steps if seed is None else None

        def __getitem__(self, index: int) -> tuple[Any, dict[str, np.ndarray]]:
            epoch, step = divmod(index, steps)
            some = slice(step * batch_size, (step + 1) * batch_size)
            rows, *draws = (each[some] for each in visit(first_epoch + epoch))
            gathered = {name: array[rows] for name, array in inputs.items()}
            if augmentation is not None and draws:
                gathered[PICTURE] = augmentation.on_arrays(gathered[PICTURE], *draws)
            return bare(gathered), {name: array[rows] for name, array in split.targets.items()}

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
