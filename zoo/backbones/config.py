"""Settings of models that look at pictures through a backbone."""

from __future__ import annotations

from dataclasses import dataclass

from zoo.backbones.table import is_foreign
from zoo.checks import check_fraction
from zoo.config import setting
from zoo.errors import ConfigError
from zoo.recipe import FitConfig


@dataclass(frozen=True)
class BackboneConfig(FitConfig):
    """Which backbone, and whether it is trained."""

    backbone: str = setting(
        "tiny_cnn", "network that makes features of a picture; `mizoo show NAME` lists them"
    )
    layer: str | None = setting(None, "which of the backbone's feature layers; none = its default")
    weights: str | None = setting(
        None, "of the backbone: a file, 'imagenet' (downloads), or none (random)", path=True
    )
    image_size: int | None = setting(None, "side of the square picture in pixels; none = the backbone's own")
    end_to_end: bool | None = setting(
        None, "train the backbone too; none = yes without weights, no with weights"
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that contradict each other."""
        super().__post_init__()
        self.check_positive("image_size")
        if self.end_to_end and is_foreign(self.backbone):
            raise ConfigError(
                f"end_to_end is true, but '{self.backbone}' is always frozen.", fix="leave end_to_end out"
            )
        if self.end_to_end is False and self.weights is None and not is_foreign(self.backbone):
            raise ConfigError(
                f"end_to_end is false and '{self.backbone}' has no weights: nothing in it would ever be trained.",
                fix="set weights=PATH (or weights=imagenet), or leave end_to_end out",
            )

    @property
    def trains_backbone(self) -> bool:
        """Whether gradients reach the backbone; a `hub:`, `store:` or `garden:` one is always frozen."""
        if self.end_to_end is not None:
            return self.end_to_end
        return self.weights is None and not is_foreign(self.backbone)


@dataclass(frozen=True)
class CaptionedConfig(BackboneConfig):
    """Settings of models that learn from pictures with captions."""

    images: str | None = setting(
        None, "folder of the pictures, where it is not beside the captions", path=True
    )
    validation_fraction: float = setting(0.1, "share of the pictures for validation, where no list says")
    test_fraction: float = setting(0.2, "share of the pictures for testing, where no list says")

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that contradict each other."""
        super().__post_init__()
        for name in ("validation_fraction", "test_fraction"):
            check_fraction(getattr(self, name), name)
