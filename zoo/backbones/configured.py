"""The backbone that a model's config names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.backbones import backbone_digest, build_backbone
from zoo.errors import WeightsError

if TYPE_CHECKING:
    import keras

    from zoo.backbones.config import BackboneConfig


def trained_backbone(config: BackboneConfig) -> keras.Model:
    """Returns a backbone that is trained with the head, from random weights or from pretrained ones."""
    return build_backbone(
        config.backbone,
        layer=config.layer,
        weights=config.weights,
        image_size=config.image_size,
        train_batch_norm=config.weights is None,
    )


def frozen_backbone(config: BackboneConfig, expected_sha256: str | None = None) -> tuple[keras.Model, str]:
    """Returns a backbone that is not trained, and the digest of its weights.

    Args:
        config: Names backbone, layer, weights and size.
        expected_sha256: Digest of the backbone whose features a head was trained on.

    Raises:
        WeightsError: The weights cannot be found, or are not those of the head.
    """
    backbone = build_backbone(
        config.backbone, layer=config.layer, weights=config.weights, image_size=config.image_size
    )
    backbone.trainable = False
    digest = backbone_digest(backbone)
    if expected_sha256 not in (None, digest):
        raise WeightsError(
            f"The weights {config.weights} of '{config.backbone}' have the digest {digest[:12]}.",
            expected=f"{expected_sha256[:12]}, with which the head was trained" if expected_sha256 else "",
            fix="put the file back that the run's config.json names as weights",
        )
    return backbone, digest
