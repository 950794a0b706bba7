"""Feature extractors: the table of names, and how one is built. Importing this imports no keras."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.backbones.backbone_spec import BackboneSpec
from zoo.backbones.table import BACKBONES, backbone_names, get_backbone_spec, listed_backbones

if TYPE_CHECKING:
    from zoo.backbones.build import build_backbone
    from zoo.backbones.digest import backbone_digest

__all__ = [
    "BACKBONES",
    "BackboneSpec",
    "backbone_digest",
    "backbone_names",
    "build_backbone",
    "get_backbone_spec",
    "listed_backbones",
]


def __getattr__(name: str) -> Any:
    if name == "build_backbone":
        from zoo.backbones.build import build_backbone

        return build_backbone
    if name == "backbone_digest":
        from zoo.backbones.digest import backbone_digest

        return backbone_digest
    raise AttributeError(f"module 'zoo.backbones' has no attribute '{name}'")
