"""From the name of a backbone to the network that turns uint8 pictures into features."""

from __future__ import annotations

import importlib
import os
from typing import Any

import keras

from zoo.backbones.backbone_spec import BackboneSpec
from zoo.backbones.table import get_backbone_spec, get_layer_name, is_foreign
from zoo.backbones.weights import find_weights, load_strictly, open_weights
from zoo.errors import ConfigError, WeightsError
from zoo.preprocessing.scaling import PixelScaling

_FOREIGN_IMAGE_SIZE = 224


@keras.saving.register_keras_serializable(package="mizoo")
class InferenceNetwork(keras.Model):
    """A functional network that runs in inference mode whatever mode its caller asks for.

    `network(x, training=False)` in a graph is not enough: a functional Keras model hands its own mode on to
    every layer, over the one that was fixed.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Runs batch normalisation with its stored statistics and dropout not at all."""
        del training
        return super().call(inputs, training=False, mask=mask)


def build_backbone(
    name: str,
    *,
    layer: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    pool: str | None = "avg",
    scaling: str | None = None,
    train_batch_norm: bool = False,
) -> keras.Model:
    """Builds a feature extractor.

    Nothing is downloaded unless `weights="imagenet"`. Whether the weights are trained is the caller's choice
    (`backbone.trainable = False` freezes them).

    Args:
        name: A name of `zoo.backbones.BACKBONES`, `hub:<handle or path>`,
            `store:NAME[@VERSION]` or `garden:resnet50[:checkpoint]`.
        layer: Feature layer, by our name; None takes the default of the table. For `hub:` the output of the
            signature.
        weights: "imagenet", a file (also by its name in the folder `$MIZOO_WEIGHTS`; for
            `resnet50_torchvision`, e.g. of Places365, a `.npz` as `zoo/backbones/state_dict.py` says), or None
            for random ones.
        image_size: Side of the input in pixels; None takes the default of the table.
        pool: "avg" averages a spatial map `[batch, h, w, F]` over h and w; None keeps the map. Layers without
            a map (fc7, predictions) are not touched.
        scaling: Mode of `PixelScaling` in place of the table's, for weights that were trained otherwise. For
            `hub:` the default is `unit` (TF Hub's rule), or `none` where the SavedModel takes bytes.
        train_batch_norm: False runs batch normalisation and dropout of the network in inference mode even
            while fine-tuning, which pretrained weights need. True is for training from random weights.

    Returns:
        Functional model from `image`, uint8 RGB `[batch, size, size, 3]`, 0..255, to float32 features
        `[batch, F]` (or `[batch, h, w, F]`).

    Raises:
        ConfigError: Unknown name, layer, pool or scaling, or an image size that does not fit.
        WeightsError: The weights are missing or do not fit.

    Example:
        >>> build_backbone("tiny_cnn").output_shape
        (None, 96)
    """
    if pool not in ("avg", None):
        raise ConfigError(f"Unknown pool '{pool}'.", expected='"avg" or None', fix='use pool="avg"')
    size = image_size or usual_image_size(name)
    if name.startswith(("hub:", "store:")):
        from zoo.backbones.hub import HubFeatures, hub_scaling

        _refuse(name.partition(":")[0] + ":", weights)
        trunk: Any = HubFeatures(name.removeprefix("hub:"), size, layer)
        scaling = scaling or hub_scaling(trunk)
    elif name.startswith("garden:"):
        from zoo.backbones.garden import garden_trunk

        _refuse("garden:", weights)
        scaling = scaling or "torch"
        trunk = garden_trunk(name.removeprefix("garden:"), layer, size)
    else:
        spec = get_backbone_spec(name)
        scaling = scaling or spec.scaling
        trunk = _trunk(spec, get_layer_name(spec, layer), weights, size)
        kind = keras.Model if train_batch_norm else InferenceNetwork
        trunk = kind(trunk.input, trunk.output, name=spec.name)
    image = keras.Input([size, size, 3], dtype="uint8", name="image")
    features = trunk(PixelScaling(scaling, name="scaling")(image))
    pooled = pool == "avg" and len(features.shape) == 4
    last = keras.layers.GlobalAveragePooling2D if pooled else keras.layers.Identity
    features = last(name="features", dtype="float32")(features)
    return keras.Model(image, features, name=name.split(":")[0])


def usual_image_size(name: str) -> int:
    """Returns the side in pixels of a backbone's pictures where no size is set.

    Raises:
        ConfigError: Unknown name.
    """
    return _FOREIGN_IMAGE_SIZE if is_foreign(name) else get_backbone_spec(name).image_size


def _trunk(spec: BackboneSpec, layer: str, weights: str | os.PathLike[str] | None, size: int) -> keras.Model:
    """The network up to the feature layer, with its weights."""
    if weights is None:
        return _cut(_network(spec, layer, size, None, None), spec, layer)
    if str(weights) == "imagenet":
        return _cut(_downloaded(spec, layer, size), spec, layer)
    with open_weights(find_weights(weights)) as file:
        classes = file.classes(spec)
        if layer in spec.top and classes is None:
            raise WeightsError(
                f"{file.path} has no classifier, which layer '{layer}' of '{spec.name}' needs.",
                expected=f"a file with the layers {', '.join(spec.classifier)}",
                fix="use another layer, or weights with the classifier (include_top=True)",
            )
        network = _network(spec, layer, size, classes, None)
        trunk = _cut(network, spec, layer)
        load_strictly(file, network, trunk, spec)
    return trunk


def _network(
    spec: BackboneSpec, layer: str, size: int, classes: int | None, weights: str | None
) -> keras.Model:
    module, function = spec.network.split(":")
    build = getattr(importlib.import_module(module), function)
    settings = {"include_top": layer in spec.top, "classes": classes or 1000, "weights": weights}
    try:
        return build(input_shape=(size, size, 3), **settings, **spec.arguments)
    except ValueError as error:
        if weights is not None:  # the same network was built without them: the weights are at fault
            raise
        raise ConfigError(
            f"'{spec.name}' cannot be built for pictures of {size} x {size}: {error}",
            fix=f"image_size={spec.image_size} is its usual size",
        ) from error


def _downloaded(spec: BackboneSpec, layer: str, size: int) -> keras.Model:
    offline = f"download the weights elsewhere and give the file: --set weights=PATH (backbone {spec.name})"
    if not spec.imagenet:
        raise WeightsError(
            f"Keras publishes no ImageNet weights for '{spec.name}'.", expected="a file, or None", fix=offline
        )
    _network(spec, layer, size, None, None)  # a size that does not fit is found before anything is downloaded
    try:
        return _network(spec, layer, size, None, "imagenet")
    except Exception as error:  # keras.utils.get_file raises a bare Exception when the network is away
        raise WeightsError(
            f"The ImageNet weights of '{spec.name}' were not downloaded: {error}", fix=offline
        ) from error


def _cut(network: keras.Model, spec: BackboneSpec, layer: str) -> keras.Model:
    return keras.Model(network.input, network.get_layer(spec.layers[layer]).output, name=spec.name)


def _refuse(prefix: str, weights: object) -> None:
    if weights is not None:
        raise ConfigError(
            f"weights={weights} cannot be set for a '{prefix}' backbone.",
            expected="the handle alone, which names the weights",
            fix="leave weights out",
        )
