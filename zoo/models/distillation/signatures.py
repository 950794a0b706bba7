"""What a served classifier answers; a teacher and its students answer alike, so that a label switches them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras

from export.signatures import Input, Signature
from zoo.data.examples import example_files, example_pixels
from zoo.errors import ExportError
from zoo.surgery.graph import graph_of

if TYPE_CHECKING:
    from zoo.models.distillation.classifier import Classifier

MOST_LABELS = 5


def classifier_signatures(model: Classifier) -> list[Signature]:
    """Returns the signatures of a classifier of pictures with C classes.

    serving_default: `image_bytes` string [N] -> `probabilities` float32 [N, C], in the order of the classes; the
        likeliest 5 (all, if there are fewer), best first: `labels` string [N, 5] and `scores` float32 [N, 5].
    tensor: `image` uint8 [N, H, W, 3] -> the same.
    features: `image` uint8 [N, H, W, 3] -> `features` float32 [N, F], what goes into the last layer with weights.
    logits: `image_bytes` -> `logits` float32 [N, C].
    block_features (models with named cuts): `image_bytes` -> `block_1` .. `block_n` float32, the output of each
        block.

    Raises:
        ExportError: The network leaves open what size its pictures have.
    """
    import tensorflow as tf

    from zoo.preprocessing.image import decode_batch, resize_batch

    height, width = model.input_shape[1:3]
    if height is None or height != width:
        raise ExportError(
            f"'{model.name}' takes pictures of {height} x {width} pixels: it is not known to what to resize them.",
            expected="a network for square pictures of a fixed size",
            fix="build it on keras.Input((size, size, 3))",
        )
    names = tf.constant(model.classes)
    inside = _inside(model)

    def answer(image: Any) -> dict[str, Any]:
        probabilities = tf.nn.softmax(model(image, training=False)["logits"])
        scores, column = tf.math.top_k(probabilities, min(MOST_LABELS, len(model.classes)))
        return {"probabilities": probabilities, "labels": tf.gather(names, column), "scores": scores}

    def serving_default(image_bytes: Any) -> dict[str, Any]:
        return answer(decode_batch(image_bytes, height))

    def tensor(image: Any) -> dict[str, Any]:
        return answer(resize_batch(image, height))

    def features(image: Any) -> dict[str, Any]:
        found = tf.cast(inside(resize_batch(image, height), training=False)["features"], tf.float32)
        return {"features": tf.reshape(found, [tf.shape(found)[0], math.prod(found.shape[1:])])}

    def logits(image_bytes: Any) -> dict[str, Any]:
        return {"logits": model(decode_batch(image_bytes, height), training=False)["logits"]}

    def block_features(image_bytes: Any) -> dict[str, Any]:
        maps = inside(decode_batch(image_bytes, height), training=False)
        return {name: tf.cast(maps[name], tf.float32) for name in maps if name != "features"}

    pixels = example_pixels(height)
    image_bytes = {"image_bytes": Input("string", (None,))}
    image = {"image": Input("uint8", (None, None, None, 3))}
    found = [
        Signature("serving_default", image_bytes, serving_default, example_files),
        Signature("tensor", image, tensor, pixels),
        Signature("features", image, features, pixels),
        Signature("logits", image_bytes, logits, example_files),
    ]
    if model.cuts:
        found.append(Signature("block_features", image_bytes, block_features, example_files))
    return found


def _inside(model: Classifier) -> keras.Model:
    """Picture -> `features` and `block_1` .. `block_n`; of a graph that takes one of them the rest is pruned."""
    # Not `layer.output`: that is of the layer's first call, which may have been within another network.
    outputs = {call.layer.name: call.outputs[0] for call in graph_of(model.network).calls}
    blocks = {f"block_{number}": outputs[cut] for number, cut in enumerate(model.cuts, start=1)}
    return keras.Model(model.network.input, {"features": _features(model.network), **blocks}, name="inside")


def _features(network: keras.Model) -> Any:
    """What goes into the last layer with weights: a vector, or a map where that layer is a convolution."""
    last = next(call for call in reversed(graph_of(network).calls) if getattr(call.layer, "weights", ()))
    if isinstance(last.layer, keras.Model):
        return keras.Model(last.layer.input, _features(last.layer))(last.inputs[0])
    return last.inputs[0]
