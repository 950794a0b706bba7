"""From any classifier with a linear head to SVD-FC and SVD-CAM, without data."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from zoo.fitting.class_vectors import ClassVectors, orthonormal_class_vectors
from zoo.models.fusion.head import Head, find_head


def convert(
    model: keras.Model,
    layer: str | None = None,
    basis: str = "polar",
    drop_classes: Sequence[int] = (),
) -> keras.Model:
    """Makes class activation maps and features of orthonormal class vectors out of a trained classifier.

    With the feature map x_p at position p and its mean x, `cam = W^T x_p` (Zhou et al. 2016, arXiv:1512.04150,
    eq. 2), `fc = W^T x + b`, `svd_cam = Q^T x_p` and `svd_fc = Q^T x`, Q as `orthonormal_class_vectors` makes it
    (KAKENHI 17K20008, 2019; MIRU2021). So the mean of `cam` over the map is `fc - b`, that of `svd_cam` is
    `svd_fc`. What there is to know of Q, e.g. that it shortens nothing, is logged.

    Args:
        model: Functional or sequential Keras classifier whose head `find_head` finds; its weights are shared with
            the result up to the feature map, and copied from the head.
        layer: Name of the head; None: the last one.
        basis: "polar": one vector for each class. "left": `svd_fc` and `svd_cam` have as many numbers as the head
            has rank, which belong to no class.
        drop_classes: Classes to leave out of all four outputs, e.g. `(0,)` for a background class.

    Returns:
        A functional model of the same input to a dict of float32: `fc` `[N, K]`, `svd_fc` `[N, K]`,
        `cam` `[N, h, w, K]`, `svd_cam` `[N, h, w, K]`.

    Raises:
        ConfigError: The model has no such head, a class to drop is not there, or the basis is unknown.
        DataError: The weights of the head are not finite, or all 0.

    Example:
        >>> converted = convert(keras.applications.MobileNetV2(weights=None, classes=10))
        >>> {name: value.shape for name, value in converted.output.items()}["svd_cam"]
        (None, 7, 7, 10)
    """
    head = find_head(model, layer)
    return with_class_maps(model, head, orthonormal_class_vectors(head.kernel, basis, drop_classes))


def with_class_maps(model: keras.Model, head: Head, vectors: ClassVectors) -> keras.Model:
    """Returns what `convert` does, of a head that was found and class vectors that were made from it."""
    kernel, bias = head.kernel[:, vectors.classes], head.bias[vectors.classes]
    classes, numbers = kernel.shape[1], vectors.vectors.shape[1]
    # float32 also behind a trunk of mixed precision. One matrix makes svd_fc and svd_cam: their means agree.
    pooled = layers.GlobalAveragePooling2D(name="class_maps_pool", dtype="float32")(head.maps)
    svd = layers.Dense(numbers, use_bias=False, name="orthonormal_class_vectors", dtype="float32")
    cam = layers.Dense(classes, use_bias=False, name="class_vectors", dtype="float32")
    scores = layers.Dense(classes, name="class_scores", dtype="float32")
    outputs = {
        "fc": scores(pooled),
        "svd_fc": svd(pooled),
        "cam": cam(head.maps),
        "svd_cam": svd(head.maps),
    }
    svd.set_weights([vectors.vectors.astype(np.float32)])
    cam.set_weights([kernel.astype(np.float32)])
    scores.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
    return keras.Model(model.input, outputs, name=f"{model.name}_class_maps")
