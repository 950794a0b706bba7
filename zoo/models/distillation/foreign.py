"""Somebody else's classifier, made into what distillation works on: flat, from pictures 0..255 to float32 logits."""

from __future__ import annotations

import logging
from typing import Any

import keras
from keras import layers

from zoo.checks import listing
from zoo.preprocessing.scaling import PixelScaling
from zoo.surgery.assemble import assemble
from zoo.surgery.flat import flat
from zoo.surgery.logits import to_logits

log = logging.getLogger(__name__)

# What changes pictures in training and gives them back as they are in inference. (RandomCrop crops there, too.)
AUGMENTATIONS: tuple[type[layers.Layer], ...] = tuple(
    getattr(layers, name)
    for name in dir(layers)
    if name in ("AugMix", "RandAugment") or (name.startswith("Random") and name != "RandomCrop")
)


def from_pixels(model: keras.Model, scaling: str, *, image_size: int | None = None) -> keras.Model:
    """Makes a flat network that begins with a scaling of pixels and ends in logits.

    Augmentation layers are left out, which is logged: a teacher that answers about one picture while its student
    looks at another, turned one would teach what is wrong.

    Args:
        model: Functional or sequential, from one picture to logits or a softmax. The result shares its layers.
        scaling: What it expects of its pixels, see `zoo.preprocessing.scaling`.
        image_size: In pixels, where it leaves height and width open.

    Returns:
        uint8 `[N, H, W, C]`, 0..255 -> float32 `[N, classes]`.

    Raises:
        ConfigError: It has no graph of layers, several inputs or outputs, or ends in no softmax and no logits.
    """
    left_out: list[str] = []

    def layer_of(layer: Any) -> Any | None:
        if not isinstance(layer, AUGMENTATIONS):
            return layer
        left_out.append(layer.name)
        return None

    network = to_logits(flat(model, image_size=image_size, layer_of=layer_of))
    if left_out:
        log.warning(
            "the augmentation in '%s' is left out (%s): the setting augmentation says how pictures are varied",
            model.name,
            listing(left_out),
        )
    image = keras.Input(network.input_shape[1:], name="image", dtype="uint8")
    # In float32 also where this is a student's training in bfloat16: the teacher is to say what it always says.
    pixels = keras.Model(
        image, PixelScaling(scaling, name="pixel_scaling", dtype="float32")(image), name="pixels"
    )
    parts = [pixels, network]
    if keras.backend.standardize_dtype(network.output.dtype) != "float32":
        logits = keras.Input(network.output_shape[1:], dtype=network.output.dtype, name="low_precision")
        cast = layers.Activation("linear", dtype="float32", name="float32_logits")
        parts.append(keras.Model(logits, cast(logits), name="cast"))
    # A Classifier has an input `image`: no model within it can be called so.
    return assemble(parts, name="network" if model.name == "image" else model.name)
