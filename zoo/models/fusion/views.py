"""Frozen networks on one picture: every tensor that can be asked of them, each made once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.backbones.build import usual_image_size
from zoo.fitting.class_vectors import kept_columns, orthonormal_class_vectors
from zoo.layers.resized_picture import ResizedPicture
from zoo.models.fusion.config import FusionConfig
from zoo.models.fusion.layer_names import FEATURES_OF_FOREIGN, FROM_THE_HEAD, VECTORS, Layer
from zoo.models.fusion.stage_network import LinearHead, stage_network
from zoo.preprocessing.scaling import PixelScaling

_log = logging.getLogger(__name__)


class Views:
    """The networks of a config behind one symbolic picture; layers are added to the graph as they are asked for.

    Attributes:
        image: Input, uint8 `[N, size, size, 3]`, RGB 0..255; the size is the first network's.

    Args:
        config: Which networks, of which weights and sizes.
        networks: Those that are built, of "first" and "second".
    """

    def __init__(self, config: FusionConfig, networks: Sequence[str]) -> None:
        size = config.image_size or usual_image_size(config.backbone)
        self.image = keras.Input((size, size, 3), dtype="uint8", name="image")
        self._views = {name: _View(name, config, self.image) for name in networks}

    def tensor(self, layer: Layer, basis: str) -> Any:
        """Returns a map `[N, h, w, C]`, or a vector `[N, K]` of the head; `basis` as in the config."""
        return self._views[layer.network].tensor(layer.name, basis)

    @property
    def have_heads(self) -> bool:
        """Whether every network has class vectors."""
        return all(view.network.head is not None for view in self._views.values())

    def every(self, name: str, basis: str) -> list[Any]:
        """Returns the layer of this name of each network."""
        return [view.tensor(name, basis) for view in self._views.values()]


class _View:
    """One network."""

    def __init__(self, name: str, config: FusionConfig, image: Any) -> None:
        first, size = name == "first", int(image.shape[1])
        self.name, self.made, self.orthonormal = name, dict[str, Any](), dict[str, np.ndarray]()
        self.dropped = config.drop_classes if first else config.second_drop_classes
        backbone = config.backbone if first else config.second_backbone
        assert backbone is not None  # the config names no layer of a network that is not there
        own = size if first else config.second_image_size or size
        weights = config.weights if first else config.second_weights
        asked = next((layer.name for layer in config.chosen if layer.network == name), FEATURES_OF_FOREIGN)
        self.network = stage_network(backbone, weights=weights, image_size=own, name=name, of_foreign=asked)
        if own > size:
            _log.warning(
                "The %s network sees pictures of %d pixels, enlarged from %d: set image_size=%d",
                name,
                own,
                size,
                own,
            )
        if own != size:
            image = ResizedPicture(own, name=f"{name}_size")(image)
        self.maps = self.network.trunk(PixelScaling(self.network.scaling, name=f"{name}_scaling")(image))

    def tensor(self, name: str, basis: str) -> Any:
        if name not in FROM_THE_HEAD:
            return self.maps[self.network.layer(name)]
        orthonormal = basis if name.startswith("svd_") else ""
        key = f"{self.name}_{name}_{orthonormal}".rstrip("_")
        if key not in self.made:
            self.made[key] = self._from_head(name, orthonormal, key, self.network.class_vectors(name))
        return self.made[key]

    def _from_head(self, name: str, orthonormal: str, key: str, head: LinearHead) -> Any:
        kept = kept_columns(head.kernel.shape[1], self.dropped)
        kernel, bias = head.kernel[:, kept], head.bias[kept]
        if orthonormal:
            if orthonormal not in self.orthonormal:
                self.orthonormal[orthonormal] = orthonormal_class_vectors(kernel, basis=orthonormal).vectors
            kernel = self.orthonormal[orthonormal]
        x = self.maps[head.layer]
        if name in VECTORS:
            x = keras.layers.GlobalAveragePooling2D(name=f"{key}_pooled")(x)
        # A dense layer on the last axis: at every position of a map, the 1x1 convolution of the report. A bias would
        # be the same at every position.
        linear = keras.layers.Dense(kernel.shape[1], use_bias=name == "fc", dtype="float32", name=key)
        tensor = linear(x)
        linear.set_weights([kernel, bias] if name == "fc" else [kernel])
        return tensor
