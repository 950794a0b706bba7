"""Settings of classifiers on frozen networks. `mizoo show NAME` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.backbones.table import is_foreign
from zoo.checks import check_fraction
from zoo.config import setting
from zoo.errors import ConfigError
from zoo.fitting.cross_validation import C_VALUES
from zoo.models.fusion.layer_names import (
    FEATURES_OF_FOREIGN,
    FROM_THE_HEAD,
    MAPS,
    NETWORKS,
    STAGES,
    VECTORS,
    Layer,
    read_layers,
)


@dataclass(frozen=True)
class FusionConfig:
    """Which networks, which of their layers, and the linear classifier on top."""

    backbone: str = setting("mobilenet_v2", "the first network; `mizoo show NAME` lists them")
    weights: str | None = setting(None, "of the first network: a file, or 'imagenet' (downloads)", path=True)
    second_backbone: str | None = setting(None, "a network trained on other data; none = one network alone")
    second_weights: str | None = setting(None, "of the second network", path=True)
    image_size: int | None = setting(
        None, "side of the square picture in pixels; none = the first network's own"
    )
    second_image_size: int | None = setting(
        None, "what the second network sees, resized from the first's picture; none = the same picture"
    )
    layers: tuple[str, ...] = setting(
        ("conv5",),
        f"LAYER of every network, or first:LAYER, second:LAYER; {', '.join((*STAGES, *FROM_THE_HEAD))}, or a feature "
        "layer of the backbone; of hub:, store: and garden: one layer, 'features' for its default",
    )
    unit_parts: bool = setting(
        True,
        "bring what each network gives to length 1 before it is put together, so that none outweighs the other",
    )
    basis: str = setting(
        "polar",
        "orthonormal class vectors: polar keeps column k for class k, left orders them by singular value",
        choices=("polar", "left"),
    )
    drop_classes: tuple[int, ...] = setting(
        (), "of the first network's head, e.g. 0 where it means background"
    )
    second_drop_classes: tuple[int, ...] = setting((), "of the second network's head")
    class_names: str | None = setting(
        None,
        "text file with a line for each class of the first network's head; none = their numbers",
        path=True,
    )
    second_class_names: str | None = setting(None, "likewise of the second network", path=True)

    classifier: str = setting(
        "svm", "linear, one against the rest (report), or multinomial logistic", choices=("svm", "logistic")
    )
    c: float | None = setting(
        None,
        f"weight of mistakes against |w|^2; none = the best of {C_VALUES} by cross-validation in training",
    )
    folds: int = setting(5, "of the cross-validation that chooses c")
    per_class: int | None = setting(
        None, "train on so many pictures of each class, e.g. 15 on Caltech-101; none = all"
    )
    validation_fraction: float = setting(
        0.1, "share of the training pictures for validation, where data have none"
    )
    test_fraction: float = setting(0.5, "share of the pictures for testing, where the data have no such part")
    split_seed: int = setting(0, "of the split and of the folds")

    @property
    def networks(self) -> tuple[str, ...]:
        """Those that there are."""
        return NETWORKS if self.second_backbone else NETWORKS[:1]

    @property
    def chosen(self) -> tuple[Layer, ...]:
        """The layers that are looked at."""
        return read_layers(self.layers, self.networks)

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that contradict each other."""
        for name in ("image_size", "second_image_size", "c", "per_class"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(
                    f"{name} is {value}.", expected="more than 0", fix=f"set {name} to such a number"
                )
        for network, weights in (("backbone", "weights"), ("second_backbone", "second_weights")):
            name = getattr(self, network)
            if name and not is_foreign(name) and getattr(self, weights) is None:
                raise ConfigError(
                    f"{network} is '{name}' without {weights}: its features would be those of chance, and nothing here "
                    "trains it.",
                    fix=f"set {weights}=PATH (or {weights}=imagenet)",
                )
        if self.folds < 2:
            raise ConfigError(
                f"folds is {self.folds}.", expected="2 or more", fix="set folds=5, or c to a number"
            )
        for name in ("validation_fraction", "test_fraction"):
            check_fraction(getattr(self, name), name)
        _check_seed("split_seed", self.split_seed)
        if self.second_backbone is None:
            given = [name for name in _OF_THE_SECOND if getattr(self, name)]
            if given:
                raise ConfigError(
                    f"{', '.join(given)} is set, but there is no second network.",
                    fix="set second_backbone too",
                )
        for network in self.networks:
            self._check_foreign(network)
        self.check_layers(self.chosen)

    def _check_foreign(self, network: str) -> None:
        """A network from elsewhere gives one feature, neither the maps of its stages nor its classifier."""
        name = self.backbone if network == "first" else self.second_backbone
        asked = [layer.name for layer in self.chosen if layer.network == network]
        if name and is_foreign(name) and (len(asked) > 1 or set(asked) & {*STAGES, *FROM_THE_HEAD}):
            raise ConfigError(
                f"layers asks '{name}' for {', '.join(asked)}; of a network from elsewhere it is known what it gives, "
                "neither its stages nor its classifier.",
                expected=f"one layer: {FEATURES_OF_FOREIGN}, or one of its outputs by name",
                fix=f"set layers={network}:{FEATURES_OF_FOREIGN} for it",
            )

    def check_layers(self, layers: tuple[Layer, ...]) -> None:
        """Raises ConfigError unless this model can look at these layers; subclasses say which."""


_OF_THE_SECOND = ("second_weights", "second_image_size", "second_drop_classes", "second_class_names")

NETWORK_SETTINGS = (
    *("backbone", "weights", "image_size", "drop_classes"),
    *("second_backbone", "second_weights", "second_image_size", "second_drop_classes"),
)
"""What makes the networks; the other settings say what is done with their layers."""


@dataclass(frozen=True)
class ConcatConfig(FusionConfig):
    """Pooled layers side by side."""


@dataclass(frozen=True)
class MpnCbpConfig(FusionConfig):
    """Second-order statistics of the networks' channels."""

    dimensions: int = setting(5000, "length of the compact bilinear feature")
    align_maps: bool = setting(
        False,
        "enlarge or reduce the second network's map to the grid of the first; else two grids are an error",
    )
    sketch_seed: int = setting(0, "of its hashes and signs")

    def check_layers(self, layers: tuple[Layer, ...]) -> None:
        """One layer of each network, all of them maps or all of them vectors."""
        if self.dimensions < 1:
            raise ConfigError(
                f"dimensions is {self.dimensions}.", expected="1 or more", fix="set dimensions=5000"
            )
        _check_seed("sketch_seed", self.sketch_seed)
        kinds = {layer.name in VECTORS for layer in layers}
        if len(layers) > len({layer.network for layer in layers}) or len(kinds) > 1:
            raise ConfigError(
                f"layers is {','.join(self.layers)}.",
                expected="one layer of each network; all of them maps (the same position), or fc and svd_fc (the "
                "whole picture)",
                fix="e.g. layers=svd_cam",
            )


def _check_seed(name: str, seed: int) -> None:
    if seed < 0:
        raise ConfigError(f"{name} is {seed}.", expected="0 or more", fix=f"set {name}=0")


def _rows(*names: str) -> dict[str, dict[str, Any]]:
    """A preset for each cell of a table: row, and I, P or I+P."""
    columns = {"i": ("first:",), "p": ("second:",), "ip": ("first:", "second:")}
    return {
        f"{name}_{column}": {"layers": tuple(prefix + name for prefix in prefixes)}
        for name in names
        for column, prefixes in columns.items()
    }


_SEED: dict[str, Any] = {"classifier": "svm", "unit_parts": True}
CONCAT_PRESETS: dict[str, dict[str, Any]] = {
    # The report's own proposal for a short feature of both networks.
    "seed": _SEED | {"layers": ("svd_fc",)},
    **_rows(*STAGES, *VECTORS),
}
MPN_CBP_PRESETS: dict[str, dict[str, Any]] = {
    "seed": _SEED | {"layers": ("svd_cam",), "dimensions": 5000},
    **_rows(*STAGES, *MAPS, *VECTORS),
}
