"""Settings of the scene network. `mizoo show scene_network` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.backbones.table import backbone_names, is_foreign
from zoo.config import setting
from zoo.errors import ConfigError
from zoo.models.tagging.config import TaggedConfig


@dataclass(frozen=True)
class SceneConfig(TaggedConfig):
    """A pretrained network that learns another kind of labels: words for places, from captions."""

    backbone: str = setting("mobilenet_075", "network of the table that pools and then has one linear layer")
    image_size: int | None = setting(128, "side of the square picture in pixels; none = the backbone's own")
    end_to_end: bool | None = setting(True, "always true: what is trained is the network itself")
    vocabulary: str | None = setting(
        "scene_nouns",
        "tag list: scene_nouns, a CSV of `mizoo vocabulary`; none = tags.csv beside the data",
        path=True,
    )
    min_captions: int = setting(0, "leave out words that fewer captions of the list's corpus have")
    most_tags: int | None = setting(None, "keep only so many of the list's most frequent words")
    min_pictures: int = setting(20, "leave out words that fewer training pictures have")

    head_epochs: int = setting(2, "of the new head alone, before the network is tuned")
    head_rate: float = setting(1e-3, "learning rate of Adam for the head alone")
    epochs: int = setting(6, "of head and network together")
    learning_rate: float = setting(1e-4, "of Adam, for head and network together")
    tuned_from_stride: int = setting(16, "layers before this stride keep their weights")
    positive_weight: float = setting(
        10.0,
        "a picture with a rare word counts (pictures without) / (pictures with), at most so much; 1 = all alike",
    )
    augmentation: bool = setting(True, "random crops of the picture padded by an eighth, and flips")
    batch_size: int = setting(64, "pictures per step")
    patience: int | None = setting(
        2,
        "stop after so many epochs without better mean average precision on validation and keep the best epoch",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that contradict each other."""
        if is_foreign(self.backbone):
            raise ConfigError(
                f"backbone is '{self.backbone}', which cannot be tuned.",
                expected=f"one of {', '.join(backbone_names())}",
                fix="e.g. backbone=mobilenet_075",
            )
        super().__post_init__()
        self.check_positive("head_epochs", "head_rate", "tuned_from_stride", "most_tags")
        if self.positive_weight < 1:
            raise ConfigError(
                f"positive_weight is {self.positive_weight}.",
                expected="1 or more",
                fix="set positive_weight=10",
            )
        if not self.end_to_end:
            raise ConfigError("end_to_end is false: nothing would be trained.", fix="leave end_to_end out")
        if self.weights is None:
            raise ConfigError(
                f"backbone is '{self.backbone}' without weights: layers before the stride {self.tuned_from_stride} "
                "would stay those of chance.",
                fix="set weights=PATH (or weights=imagenet)",
            )
        if self.layer is not None:
            raise ConfigError(
                f"layer is {self.layer}: the whole network is tuned, there is none to choose.",
                fix="leave layer out",
            )


SCENE_PRESETS: dict[str, dict[str, Any]] = {}
