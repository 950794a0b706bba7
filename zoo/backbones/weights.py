"""Weights from a file into a network, strictly: every weight of the trunk, with its exact shape."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zoo.backbones.backbone_spec import BackboneSpec
from zoo.backbones.state_dict import read_state_dict, refuse_pickled
from zoo.backbones.table import BACKBONES
from zoo.checks import existing, listing
from zoo.errors import WeightsError

WEIGHTS_FOLDER = "MIZOO_WEIGHTS"


@dataclass(frozen=True)
class WeightsFile:
    """An open file of weights.

    Attributes:
        path: Of the file.
        matched: How layers and groups belong together: by their "order" in the HDF5 of Keras 1 and 2; by the
            "kind" of the layer, counted, in a Keras 3 `.weights.h5`; by "name" in a state dict of PyTorch.
        groups: Name of the layer (or group) -> its datasets in the order of `layer.weights`.
    """

    path: Path
    matched: Literal["order", "kind", "name"]
    groups: Mapping[str, list[Any]]

    def classes(self, spec: BackboneSpec) -> int | None:
        """Returns the number of classes of the classifier in the file, or None if it has no classifier."""
        layer, group = list(spec.classifier.items())[-1] if spec.classifier else ("", "")
        found = self.groups.get(group if self.matched == "kind" else layer)
        return int(found[0].shape[-1]) if found else None


def find_weights(weights: str | os.PathLike[str]) -> Path:
    """Returns the file: the path itself, else the file of this name in the folder `$MIZOO_WEIGHTS`.

    Raises:
        WeightsError: Neither exists.
    """
    path = Path(weights)
    folder = os.environ.get(WEIGHTS_FOLDER)
    if not path.exists() and folder and (Path(folder) / path).exists():
        return Path(folder) / path
    try:
        return existing(path, "The weights file")
    except ValueError as error:
        raise WeightsError(
            str(error).splitlines()[0],
            expected='a .weights.h5, .h5 or .npz file, "imagenet", or nothing',
            fix=f"--set weights=PATH, or a file name in the folder {WEIGHTS_FOLDER} ({folder or 'not set'})",
        ) from error


@contextmanager
def open_weights(path: Path) -> Iterator[WeightsFile]:
    """Opens a Keras 3 `.weights.h5`, the HDF5 of Keras 1 and 2, or a state dict of PyTorch in a `.npz`.

    Raises:
        WeightsError: It is none of these.
    """
    import h5py

    refuse_pickled(path)
    if path.suffix == ".npz":
        yield WeightsFile(path, "name", read_state_dict(path))
        return
    try:
        file = h5py.File(path)
    except OSError as error:
        raise WeightsError(
            f"{path} is not a readable HDF5 file: {error}.", fix="copy or download it again"
        ) from error
    with file:
        legacy = file.get("model_weights", file)
        if "layer_names" in legacy.attrs:
            yield WeightsFile(path, "order", _legacy_groups(legacy))
        elif "layers" in file:
            yield WeightsFile(path, "kind", _keras3_groups(file["layers"]))
        else:
            raise WeightsError(
                f"{path} holds no Keras weights; its groups are {listing(sorted(file))}.",
                expected="a file written by save_weights of Keras 3, or the HDF5 of Keras 1 or 2",
                fix="save the weights of the keras.applications network with save_weights('x.weights.h5')",
            )


def load_strictly(file: WeightsFile, network: Any, trunk: Any, spec: BackboneSpec) -> None:
    """Loads the trunk of a network.

    Args:
        file: The open file. It may also hold the rest of the network and its classifier, nothing else.
        network: The Keras network, with or without its classifier.
        trunk: The part of it up to the feature layer (shares its layers); only this is loaded.
        spec: Row of the table.

    Raises:
        WeightsError: A weight of the trunk is missing or has another shape, or the file holds layers that are
            not of this network; the text names the layer.
    """
    if file.matched == "name" and not spec.state_dict:
        raise WeightsError(
            f"{file.path} is a state dict of PyTorch, '{spec.name}' takes weights of Keras.",
            expected=f"a state dict of {', '.join(s.name for s in BACKBONES.values() if s.state_dict)}",
            fix="name the backbone that the file belongs to",
        )
    match = {"order": _by_order, "kind": _by_kind, "name": _by_name}[file.matched]
    pairs = match(file, network)
    needed = {id(layer) for layer in trunk.layers}
    for layer, group in pairs:
        if id(layer) in needed:
            _assign(file, layer, group, spec)
    known = {group for _, group in pairs}
    classifier = set(spec.classifier.values() if file.matched == "kind" else spec.classifier)
    foreign = [group for group in file.groups if group not in known | classifier]
    if foreign:
        raise WeightsError(
            f"{file.path} holds layers that '{spec.name}' does not have: {listing(foreign)}.",
            expected=f"the weights of {spec.network} {dict(spec.arguments) or ''}".rstrip(),
            fix="name the backbone that the file belongs to",
        )


def _assign(file: WeightsFile, layer: Any, group: str, spec: BackboneSpec) -> None:
    stored = file.groups.get(group, [])
    found = [tuple(dataset.shape) for dataset in stored]
    wanted = [tuple(variable.shape) for variable in layer.weights]
    if found != wanted:
        have = f"shapes {found}" if found else "no weights"
        raise WeightsError(
            f"{file.path} does not fit '{spec.name}': layer '{layer.name}' ({group}) has {have} in the file.",
            expected=f"{wanted} ({', '.join(variable.name for variable in layer.weights)})",
            fix=f"use weights of {spec.network} {dict(spec.arguments) or ''}, or another backbone or layer",
        )
    for variable, dataset in zip(layer.weights, stored, strict=True):
        variable.assign(dataset[()])


def _by_name(file: WeightsFile, network: Any) -> list[tuple[Any, str]]:
    del file
    return [(layer, layer.name) for layer in network.layers if layer.weights]


def _by_kind(file: WeightsFile, network: Any) -> list[tuple[Any, str]]:
    """Pairs layers with Keras 3 groups: `conv2d`, `conv2d_1`, ... in the order of `network.layers`."""
    del file
    pairs, counts = [], dict[str, int]()
    for layer in network.layers:
        kind = re.sub(
            "([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
        ).lower()
        number = counts[kind] = counts.get(kind, -1) + 1
        if layer.weights:
            pairs.append((layer, f"{kind}_{number}" if number else kind))
    return pairs


def _by_order(file: WeightsFile, network: Any) -> list[tuple[Any, str]]:
    """Pairs the n-th layer that has weights with the n-th of the file; a layer too many gets no group."""
    layers = [layer for layer in network.layers if layer.weights]
    groups = [*file.groups, *[""] * max(0, len(layers) - len(file.groups))]
    return list(zip(layers, groups, strict=False))


def _keras3_groups(layers: Any) -> dict[str, list[Any]]:
    groups = {name: group["vars"] for name, group in layers.items() if "vars" in group}
    return {
        name: [stored[key] for key in sorted(stored, key=int)]
        for name, stored in groups.items()
        if len(stored)
    }


def _legacy_groups(file: Any) -> dict[str, list[Any]]:
    groups = {}
    for raw in file.attrs["layer_names"]:
        group = file[_text(raw)]
        stored = [group[_text(name)] for name in group.attrs["weight_names"]]
        if stored:
            groups[_text(raw)] = stored
    return groups


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
