"""What a served scene network answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from export.signatures import Input, Signature
from zoo.data.examples import example_files, example_pixels

if TYPE_CHECKING:
    from zoo.models.fusion.scene_network import SceneNetwork


def scene_signatures(model: SceneNetwork) -> list[Signature]:
    """Returns the signatures of a scene network with K words.

    serving_default: `image_bytes` string [N] -> all words, the likeliest first: `labels` string [N, K] and `scores`
        float32 [N, K], how likely the captions of such a picture are to have the word.
    tensor: `image` uint8 [N, H, W, 3] -> the same.
    """
    import tensorflow as tf

    from zoo.preprocessing.image import decode_batch, resize_batch

    size, names = int(model.input_shape[1]), tf.constant(model.tags)

    def answer(image: Any) -> dict[str, Any]:
        scores, column = tf.math.top_k(model(image, training=False)["probability"], len(model.tags))
        return {"labels": tf.gather(names, column), "scores": scores}

    def serving_default(image_bytes: Any) -> dict[str, Any]:
        return answer(decode_batch(image_bytes, size))

    def tensor(image: Any) -> dict[str, Any]:
        return answer(resize_batch(image, size))

    pixels = example_pixels(size)
    return [
        Signature(
            "serving_default", {"image_bytes": Input("string", (None,))}, serving_default, example_files
        ),
        Signature("tensor", {"image": Input("uint8", (None, None, None, 3))}, tensor, pixels),
    ]
