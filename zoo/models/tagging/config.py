"""Settings of the taggers. `mizoo show NAME` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.backbones.table import FOREIGN_PREFIXES
from zoo.checks import check_fraction
from zoo.config import setting
from zoo.errors import ConfigError
from zoo.recipe import FitConfig


@dataclass(frozen=True)
class TaggingConfig(FitConfig):
    """What all taggers have in common."""

    vocabulary: str | None = setting(
        None, "tag list: a CSV of `mizoo vocabulary`, or coco_nouns, coco_curated; none = tags.csv beside the data",
        path=True,
    )
    min_captions: int = setting(1, "leave out tags that fewer captions of the list's corpus mention")
    most_tags: int | None = setting(None, "keep only so many of the most frequent tags")
    images: str | None = setting(None, "folder of the pictures, where it is not beside the captions", path=True)
    validation_fraction: float = setting(0.1, "share of the pictures for validation, where no list says")
    test_fraction: float = setting(0.2, "share of the pictures for testing, where no list says")

    backbone: str = setting("tiny_cnn", "network that makes features of a picture; `mizoo show NAME` lists them")
    layer: str | None = setting(None, "which of the backbone's feature layers; none = its default")
    weights: str | None = setting(None, "of the backbone: a file, 'imagenet' (downloads), or none (random)", path=True)
    image_size: int | None = setting(None, "side of the square picture in pixels; none = the backbone's own")
    end_to_end: bool | None = setting(None, "train the backbone too; none = yes without weights, no with weights")

    batch_size: int = setting(64, "examples per step")
    learning_rate: float = setting(3e-4, "of Adam")
    patience: int | None = setting(
        3, "stop after so many epochs without a better validation loss and keep the best epoch; none = keep the last"
    )

    hidden: int = setting(1024, "units of a hidden layer")
    dropout: float = setting(0.5, "share of hidden units left out in training")
    adapt: bool = setting(
        True, "cached features only: standardise them, and start the outputs at the best table without a picture"
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that contradict each other."""
        super().__post_init__()
        for name in ("image_size", "hidden", "most_tags", "mix_steps", "importance_weight", "captions"):
            value = getattr(self, name, None)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}.", expected="more than 0", fix=f"set {name} to such a number")
        for name in ("validation_fraction", "test_fraction", "dropout"):
            check_fraction(getattr(self, name), name)
        if self.end_to_end and self.backbone.startswith(FOREIGN_PREFIXES):
            raise ConfigError(
                f"end_to_end is true, but '{self.backbone}' is always frozen.", fix="leave end_to_end out"
            )
        if self.end_to_end is False and self.weights is None and not self.backbone.startswith(FOREIGN_PREFIXES):
            raise ConfigError(
                f"end_to_end is false and '{self.backbone}' has no weights: nothing in it would ever be trained.",
                fix="set weights=PATH (or weights=imagenet), or leave end_to_end out",
            )

    @property
    def trains_backbone(self) -> bool:
        """Whether gradients reach the backbone; a `hub:`, `store:` or `garden:` one is always frozen."""
        if self.end_to_end is not None:
            return self.end_to_end
        return self.weights is None and not self.backbone.startswith(FOREIGN_PREFIXES)


@dataclass(frozen=True)
class BaselineConfig(TaggingConfig):
    """Of `tagging_baseline`."""

    tag_loss: str = setting("bce", "loss of the tags", choices=("bce", "asymmetric"))


@dataclass(frozen=True)
class TwoHeadConfig(BaselineConfig):
    """Of `tagging_two_head`."""

    importance_loss: str = setting(
        "true_tags", "squared error of importance over true tags, or over all outputs", choices=("true_tags", "all")
    )
    importance_weight: float = setting(1.0, "factor of the importance loss")


@dataclass(frozen=True)
class WordVectorsConfig(TwoHeadConfig):
    """Of `tagging_word_vectors`."""

    word_vectors: str | None = setting(None, "file of word vectors: word2vec text or binary, or GloVe; may be .gz", path=True)
    training_tags: str = setting(
        "mixed", "tags that the second network reads in training", choices=("mixed", "true", "predicted")
    )
    mix_steps: int = setting(1000, "for mixed: steps from all true to all predicted")


@dataclass(frozen=True)
class BinomialConfig(TaggingConfig):
    """Of `tagging_binomial`."""

    presence: bool = setting(
        True, "learn P(present) by itself, and the counts where present; false: one distribution gives both"
    )
    dispersion: str = setting(
        "tag",
        "over-dispersion: one per tag, one per picture and tag, or none (plain binomial)",
        choices=("tag", "image", "none"),
    )
    tag_loss: str = setting("bce", "with presence: loss of P(present)", choices=("bce", "asymmetric"))
    captions: int = setting(5, "n at serving time: the distribution is about so many captions")


# Every setting of the report that is the same for its three models.
SEED: dict[str, Any] = {
    "backbone": "vgg16",
    "layer": "fc7",
    "weights": "imagenet",
    "image_size": 224,
    "hidden": 4096,
    "dropout": 0.5,
    "batch_size": 32,
    "learning_rate": 1e-4,
    "epochs": 50,
    "patience": None,
    "adapt": False,
    "vocabulary": "coco_nouns",
}
