"""Which layer of which network: `conv5`, `first:svd_fc`, `second:block7`. Imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.errors import ConfigError, nearest

NETWORKS = ("first", "second")

STAGES = ("conv2", "conv3", "conv4", "conv5")
"""The last layer of stride 4, 8, 16 and 32 (Conv2_x .. Conv5_x of the report)."""

VECTORS = ("fc", "svd_fc")
"""What the head makes of the pooled map: its logits, and the coordinates along orthonormal class vectors."""

MAPS = ("cam", "svd_cam")
"""The same at every position, before pooling."""

FEATURES_OF_FOREIGN = "features"
"""What a network from elsewhere (`hub:`, `store:`, `garden:`) gives, where it gives one thing."""

FROM_THE_HEAD = (*VECTORS, *MAPS)


@dataclass(frozen=True)
class Layer:
    """A layer of one of the networks.

    Attributes:
        network: "first" or "second".
        name: Of `STAGES`, `VECTORS`, `MAPS`, or a feature layer of the backbone's table.
    """

    network: str
    name: str

    @property
    def label(self) -> str:
        """What outputs and figures call it, e.g. "first_conv5"."""
        return f"{self.network}_{self.name}"


def read_layers(texts: tuple[str, ...], networks: tuple[str, ...]) -> tuple[Layer, ...]:
    """Returns the layers that texts name; one without a network is that of every network there is.

    Args:
        texts: "LAYER", "first:LAYER" or "second:LAYER".
        networks: Those that there are.

    Raises:
        ConfigError: No layer is named, a network is unknown or not there, or a layer is named twice.
    """
    found: list[Layer] = []
    for text in texts:
        network, colon, name = text.rpartition(":")
        if colon and network not in NETWORKS:
            raise ConfigError(
                f"'{text}' names a layer of an unknown network '{network}'.{nearest(network, NETWORKS)}",
                expected="LAYER, first:LAYER or second:LAYER",
                fix="e.g. layers=first:conv5,second:conv3",
            )
        if colon and network not in networks:
            raise ConfigError(
                f"'{text}' names a layer of the second network, and there is none.",
                fix="set second_backbone, or leave the layer out",
            )
        found += [Layer(one, name) for one in ([network] if colon else networks)]
    if not found or len(set(found)) < len(found):
        raise ConfigError(
            f"layers is {','.join(texts) or 'empty'}: {'a layer is named twice' if found else 'nothing is looked at'}.",
            expected="one or more layers, each once",
            fix="e.g. layers=conv5",
        )
    return tuple(found)
