"""Pictures -> features of one or two frozen networks, with the maps that people look at. All of it is one graph."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from zoo.backbones.digest import backbone_digest
from zoo.errors import ConfigError
from zoo.layers.compact_bilinear_pooling import CompactBilinearPooling
from zoo.layers.signed_square_root import SignedSquareRoot
from zoo.layers.sub_matrix_square_root import SubMatrixSquareRoot
from zoo.models.fusion.config import NETWORK_SETTINGS, FusionConfig, MpnCbpConfig
from zoo.models.fusion.layer_names import MAPS
from zoo.models.fusion.views import Views

FEATURES = "features"


def build_eye(config: FusionConfig) -> keras.Model:
    """Builds the frozen part of a classifier.

    Args:
        config: Which networks, which layers, and how they are put together.

    Returns:
        Model from `image`, uint8 `[N, size, size, 3]`, RGB 0..255, to float32 `features` `[N, D]`; each chosen layer
        pooled, `[N, C]`, by its label ("first_conv5"); and where every network has a head `cam` and `svd_cam`
        `[N, h, w, K]`, the classes of the first network, then those of the second, on the grid of the first.

    Raises:
        ConfigError: A layer that a network does not have, or sizes that do not fit.
        WeightsError: Weights are missing or do not fit.
    """
    views = Views(config, _networks(config))
    outputs = {
        layer.label: _pooled(views.tensor(layer, config.basis), f"{layer.label}_vector")
        for layer in config.chosen
    }
    outputs[FEATURES] = _features(config, views, FEATURES)
    if views.have_heads:
        # Class k's own map: of the left factor no column belongs to a class.
        outputs |= {name: _side_by_side(views.every(name, "polar"), name) for name in MAPS}
    return _frozen(views.image, outputs, "eye")


def eye_digest(eye: keras.Model) -> str:
    """Returns the SHA-256 of the networks' weights, by which a classifier knows those that it was trained with.

    Polar class vectors follow from the head, which counts itself; their last bits are not the same on every machine.

    Args:
        eye: As `build_eye` makes it.
    """
    polar = [layer.name for layer in eye.layers if layer.name.endswith("_polar")]
    return backbone_digest(eye, without=polar if "cam" in eye.output else ())


def build_rows(configs: Mapping[str, FusionConfig]) -> keras.Model:
    """Builds the features of several configs in one graph, so that a picture goes once through each network.

    Args:
        configs: Name -> config; all of the same networks and sizes.

    Returns:
        Model from `image` to {name: `[N, D]`}, each the `features` of its config.

    Raises:
        ConfigError: As `build_eye`, or the networks or sizes of two configs differ.
        WeightsError: As `build_eye`.
    """
    name, some = next(iter(configs.items()))
    for other, config in configs.items():
        differ = [one for one in NETWORK_SETTINGS if getattr(config, one) != getattr(some, one)]
        if differ:
            raise ConfigError(
                f"'{name}' and '{other}' differ in {', '.join(differ)}.",
                expected="configs of the same networks",
                fix="build_rows once for each choice of networks",
            )
    networks = dict.fromkeys(name for config in configs.values() for name in _networks(config))
    views = Views(some, tuple(networks))
    return _frozen(views.image, {name: _features(one, views, name) for name, one in configs.items()}, "rows")


def _networks(config: FusionConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(layer.network for layer in config.chosen))


def _frozen(image: Any, outputs: dict[str, Any], name: str) -> keras.Model:
    model = keras.Model(image, outputs, name=name)
    model.trainable = False
    return model


def _features(config: FusionConfig, views: Views, name: str) -> Any:
    """What the classifier sees, `[N, D]`; its layers are called after it."""
    join = _compact_bilinear if isinstance(config, MpnCbpConfig) else _concatenated
    tensors = [views.tensor(layer, config.basis) for layer in config.chosen]
    return keras.layers.Identity(name=name, dtype="float32")(join(config, tensors, name))


def _concatenated(config: FusionConfig, tensors: list[Any], name: str) -> Any:
    """Each layer pooled, brought to length 1, side by side."""
    vectors = [_pooled(tensor, f"{name}_pooled_{number}") for number, tensor in enumerate(tensors, 1)]
    if config.unit_parts:
        vectors = [
            keras.layers.UnitNormalization(name=f"{name}_unit_{number}", dtype="float32")(vector)
            for number, vector in enumerate(vectors, 1)
        ]
    return vectors[0] if len(vectors) == 1 else keras.layers.Concatenate(name=f"{name}_side_by_side")(vectors)


def _compact_bilinear(config: FusionConfig, tensors: list[Any], name: str) -> Any:
    """MPN-CBP: square root of the second-order matrix of all channels, sketched, signed root, length 1."""
    assert isinstance(config, MpnCbpConfig)
    maps = [_as_map(tensor, f"{name}_1x1_{number}") for number, tensor in enumerate(tensors, 1)]
    _check_grids(maps, config)
    maps = _on_one_grid(maps, name)  # before the length: a map that is enlarged becomes longer
    if config.unit_parts:
        maps = [
            keras.layers.UnitNormalization(axis=(1, 2, 3), name=f"{name}_unit_{number}", dtype="float32")(one)
            for number, one in enumerate(maps, 1)
        ]
    x = _concatenate(maps, f"{name}_channels")
    return second_order(x, config.dimensions, seed=config.sketch_seed, name=name)


def second_order(maps: Any, dimensions: int, *, seed: int = 0, name: str = FEATURES) -> Any:
    """The head of MPN-CBP: symbolic maps `[N, h, w, C]` -> `[N, dimensions]`, of length 1.

    Args:
        maps: Of all networks, on one grid, channels side by side.
        dimensions: Of the sketch.
        seed: Of the sketch.
        name: What its layers are called after.
    """
    x = SubMatrixSquareRoot(name=f"{name}_square_root")(maps)
    x = CompactBilinearPooling(dimensions, seed=seed, name=f"{name}_sketch")(x)
    x = SignedSquareRoot(name=f"{name}_signed_root")(x)
    return keras.layers.UnitNormalization(name=f"{name}_unit")(x)


def _check_grids(maps: list[Any], config: MpnCbpConfig) -> None:
    grids = [tuple(one.shape[1:3]) for one in maps]
    if len(set(grids)) > 1 and not config.align_maps:
        (first, second), layers = grids, [f"{layer.network}:{layer.name}" for layer in config.chosen]
        raise ConfigError(
            f"{layers[0]} has a grid of {first[0]} x {first[1]} and {layers[1]} one of {second[0]} x {second[1]}.",
            expected="maps of one grid",
            fix="--set align_maps=true, or a second_image_size that gives the same grid",
        )


def _as_map(tensor: Any, name: str) -> Any:
    """A vector is a map of one position: then channels meet over the whole picture (report, case B)."""
    if len(tensor.shape) == 4:
        return tensor
    return keras.layers.Reshape((1, 1, tensor.shape[-1]), name=name)(tensor)


def _side_by_side(maps: list[Any], name: str) -> Any:
    """Maps `[N, h, w, C]` on the grid of the first, channels side by side."""
    return _concatenate(_on_one_grid(maps, name), name)


def _on_one_grid(maps: list[Any], name: str) -> list[Any]:
    """Maps on the grid of the first, bilinear; as they are where the grids agree."""
    height, width = maps[0].shape[1:3]
    return [
        one
        if one.shape[1:3] == (height, width)
        else keras.layers.Resizing(height, width, name=f"{name}_grid_{number}", dtype="float32")(one)
        for number, one in enumerate(maps, 1)
    ]


def _concatenate(maps: list[Any], name: str) -> Any:
    if len(maps) == 1:
        return keras.layers.Identity(name=name, dtype="float32")(maps[0])
    return keras.layers.Concatenate(name=name, dtype="float32")(maps)


def _pooled(tensor: Any, name: str) -> Any:
    """The mean over positions, of a map."""
    pool = keras.layers.GlobalAveragePooling2D if len(tensor.shape) == 4 else keras.layers.Identity
    return pool(name=name, dtype="float32")(tensor)
