"""What a served classifier on frozen networks answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from export.signatures import Input, Signature
from zoo.data.examples import example_files, example_pixels
from zoo.models.fusion.eye import FEATURES

if TYPE_CHECKING:
    from zoo.models.fusion.classifier import FusionClassifier


def fusion_signatures(model: FusionClassifier) -> list[Signature]:
    """Returns the signatures of a classifier with C classes.

    serving_default: `image_bytes` string [N] -> `label` string [N]; all classes, best first: `labels` string [N, C] and
        `scores` float32 [N, C], w^T x + b of each.
    tensor: `image` uint8 [N, H, W, 3] -> the same.
    embed: `image_bytes` -> `embedding` float32 [N, D], what the classifier looks at, of length 1.
    layers: `image_bytes` -> each chosen layer pooled, float32 [N, C_l], by its label, e.g. `first_conv5`.
    maps (where every network has a head): `image_bytes`, `class_name` string [N] -> `cam`, `svd_cam` float32 [N, h, w];
        `overlay_png` string [N], SVD-CAM over the picture; `known_class` int32 [N], 0 where no class is called so: its
        maps are 0.
    """
    import tensorflow as tf

    from zoo.preprocessing.image import decode_batch, resize_batch

    eye = model.require_eye()
    size = int(eye.input_shape[1])
    names = tf.constant(model.classes)
    labels = [label for label in eye.output if label not in (FEATURES, "cam", "svd_cam")]

    def answer(image: Any) -> dict[str, Any]:
        scores, column = tf.math.top_k(model(image, training=False)["scores"], len(model.classes))
        ranked = tf.gather(names, column)
        return {"label": ranked[:, 0], "labels": ranked, "scores": scores}

    def serving_default(image_bytes: Any) -> dict[str, Any]:
        return answer(decode_batch(image_bytes, size))

    def tensor(image: Any) -> dict[str, Any]:
        return answer(resize_batch(image, size))

    def embed(image_bytes: Any) -> dict[str, Any]:
        features = eye(decode_batch(image_bytes, size), training=False)[FEATURES]
        return {"embedding": tf.math.l2_normalize(features, axis=-1)}

    def layers(image_bytes: Any) -> dict[str, Any]:
        seen = eye(decode_batch(image_bytes, size), training=False)
        return {label: seen[label] for label in labels}

    pixels = example_pixels(size)
    image_bytes = {"image_bytes": Input("string", (None,))}
    found = [
        Signature("serving_default", image_bytes, serving_default, example_files),
        Signature("tensor", {"image": Input("uint8", (None, None, None, 3))}, tensor, pixels),
        Signature("embed", image_bytes, embed, example_files),
        Signature("layers", image_bytes, layers, example_files),
    ]
    return [*found, _maps(model)] if model.map_classes else found


def _maps(model: FusionClassifier) -> Signature:
    import tensorflow as tf

    from zoo.models.fusion.overlay import overlay_png
    from zoo.preprocessing.image import decode_batch

    eye, names = model.require_eye(), model.map_classes
    size = int(eye.input_shape[1])
    rows_of = tf.lookup.KeyValueTensorInitializer(tf.constant(names), tf.range(len(names)))
    table = tf.lookup.StaticHashTable(rows_of, default_value=-1)

    def maps(image_bytes: Any, class_name: Any) -> dict[str, Any]:
        picture, row = decode_batch(image_bytes, size), table.lookup(class_name)
        seen, known = eye(picture, training=False), tf.cast(row >= 0, tf.int32)
        there = tf.cast(known, tf.float32)[:, None, None]
        cam, svd_cam = (
            there * tf.gather(seen[name], tf.maximum(row, 0), axis=3, batch_dims=1)
            for name in ("cam", "svd_cam")
        )
        return {
            "cam": cam,
            "svd_cam": svd_cam,
            "overlay_png": overlay_png(picture, svd_cam),
            "known_class": known,
        }

    def examples(rows: int) -> dict[str, np.ndarray]:
        chosen = [names[i % len(names)].encode() for i in range(rows)]
        return example_files(rows) | {"class_name": np.array(chosen, object)}

    inputs = {"image_bytes": Input("string", (None,)), "class_name": Input("string", (None,))}
    return Signature("maps", inputs, maps, examples, tracked=(table,))
