"""Batches from tf.data: rows gathered from arrays, or files that are decoded as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from zoo.data.batches import PICTURE, ImageFiles, Split, Visit, bare
from zoo.preprocessing.image import decode_and_resize

if TYPE_CHECKING:
    import tensorflow as tf

    from zoo.data.augmentation import PadCropFlip


def tf_batches(
    split: Split,
    batch_size: int,
    visits: Callable[[], Iterator[Visit]],
    count: int,
    augmentation: PadCropFlip | None = None,
) -> Any:
    """Returns a `tf.data.Dataset` of `(inputs, targets)`.

    Args:
        split: Arrays or image files.
        batch_size: Rows per batch; the last batch of an epoch may be smaller.
        visits: Makes an iterator over epochs: the order of the rows and, in that order, the draws of the
            augmentation.
        count: How many batches there are, which a generator cannot tell Keras; -1 is endless.
        augmentation: What changes the input `image`.
    """
    import tensorflow as tf

    files = {name: rows for name, rows in split.inputs.items() if isinstance(rows, ImageFiles)}
    paths = {name: tf.constant([str(p) for p in rows.paths]) for name, rows in files.items()}
    arrays = {name: tf.constant(rows) for name, rows in split.inputs.items() if name not in files}
    targets = {name: tf.constant(rows) for name, rows in split.targets.items()}

    def load(row: tf.Tensor, *draws: tf.Tensor) -> tuple[Any, ...]:
        pictures = {
            name: decode_and_resize(tf.io.read_file(tf.gather(paths[name], row)), files[name].size)
            for name in files
        }
        return pictures, row, *draws

    def assemble(pictures: dict[str, tf.Tensor], rows: tf.Tensor, *draws: tf.Tensor) -> tuple[Any, Any]:
        inputs = {**{name: tf.gather(array, rows) for name, array in arrays.items()}, **pictures}
        if augmentation is not None:
            inputs[PICTURE] = augmentation.on_tensors(inputs[PICTURE], *draws)
        return bare(inputs), {name: tf.gather(array, rows) for name, array in targets.items()}

    def one_epoch(*visit: tf.Tensor) -> tf.data.Dataset:
        if files:
            rows = tf.data.Dataset.from_tensor_slices(visit)
            return rows.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size).map(assemble)

        def batch(step: tf.Tensor) -> tuple[Any, Any]:
            first = step * batch_size
            return assemble({}, *(rows[first : first + batch_size] for rows in visit))

        # By the batch: handling the rows one by one costs more than gathering them.
        steps = tf.data.Dataset.range(split.steps(batch_size))
        return steps.map(batch, num_parallel_calls=tf.data.AUTOTUNE)

    rows = len(split)
    signature = (tf.TensorSpec([rows], tf.int64), tf.TensorSpec([rows, 3], tf.int32))
    endless = tf.data.Dataset.from_generator(
        visits, output_signature=signature[: 1 if augmentation is None else 2]
    )
    batches = endless.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)
    return batches.apply(tf.data.experimental.assert_cardinality(count))
