"""What a served tagger answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from export.signatures import Input, Signature
from zoo.data.examples import example_files, example_pixels

if TYPE_CHECKING:
    from zoo.models.tagging.tagger import ImageTagger

MOST_TAGS = 20


def tagging_signatures(model: ImageTagger) -> list[Signature]:
    """Returns the signatures of a tagger of pictures.

    serving_default: `image_bytes` string [N] -> the likeliest 20 tags (all, if there are fewer), best first:
        `tags` string [N, 20], `probability` and `importance` float32 [N, 20]; and `threshold` float32 [N], the
        probability from which a tag counts as assigned.
    dense: `image_bytes` -> `probability`, `importance` float32 [N, K], in the order of the vocabulary.
    tensor: `image` uint8 [N, H, W, 3] -> as dense.
    describe: `index` int32 [N] -> `tag` string [N], the name of a column of dense.
    distribution (models that know it): `image_bytes` -> `mention` float32 [N, K, n + 1], P(k of n captions).
    """
    import tensorflow as tf

    from zoo.preprocessing.image import decode_batch, resize_batch

    size = model.input_shape[1]
    tags = tf.constant(model.tags)

    def run(image: Any) -> dict[str, Any]:
        return model(image, training=False)

    def serving_default(image_bytes: Any) -> dict[str, Any]:
        outputs = run(decode_batch(image_bytes, size))
        probability, column = tf.math.top_k(outputs["probability"], min(MOST_TAGS, len(model.tags)))
        return {
            "tags": tf.gather(tags, column),
            "probability": probability,
            "importance": tf.gather(outputs["importance"], column, batch_dims=1),
            "threshold": tf.fill(tf.shape(image_bytes), model.threshold + 0.0),
        }

    def dense(image_bytes: Any) -> dict[str, Any]:
        return _dense(run(decode_batch(image_bytes, size)))

    def tensor(image: Any) -> dict[str, Any]:
        return _dense(run(resize_batch(image, size)))

    def describe(index: Any) -> dict[str, Any]:
        return {"tag": tf.gather(tags, index)}

    def distribution(image_bytes: Any) -> dict[str, Any]:
        return {"mention": run(decode_batch(image_bytes, size))["mention"]}

    pixels = example_pixels(size)

    def columns(rows: int) -> dict[str, np.ndarray]:
        return {"index": np.arange(rows, dtype=np.int32) % len(model.tags)}

    image_bytes = {"image_bytes": Input("string", (None,))}
    found = [
        Signature("serving_default", image_bytes, serving_default, example_files),
        Signature("dense", image_bytes, dense, example_files),
        Signature("tensor", {"image": Input("uint8", (None, None, None, 3))}, tensor, pixels),
        Signature("describe", {"index": Input("int32", (None,))}, describe, columns),
    ]
    if "mention" in model.output:
        found.append(Signature("distribution", image_bytes, distribution, example_files))
    return found


def _dense(outputs: dict[str, Any]) -> dict[str, Any]:
    return {key: outputs[key] for key in ("probability", "importance")}
