"""Settings of the taggers. `mizoo show NAME` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.backbones.config import CaptionedConfig
from zoo.checks import check_fraction
from zoo.config import setting


@dataclass(frozen=True)
class TaggedConfig(CaptionedConfig):
    """Pictures with captions, and the words that are looked for in them."""

    vocabulary: str | None = setting(
        None,
        "tag list: a CSV of `mizoo vocabulary`, or coco_nouns, coco_curated, scene_nouns; "
        "none = tags.csv beside the data",
        path=True,
    )
    min_captions: int = setting(1, "leave out tags that fewer captions of the list's corpus mention")
    most_tags: int | None = setting(None, "keep only so many of the most frequent tags")


@dataclass(frozen=True)
class TaggingConfig(TaggedConfig):
    """What all taggers have in common."""

    batch_size: int = setting(64, "examples per step")
    learning_rate: float = setting(3e-4, "of Adam")
    patience: int | None = setting(
        3,
        "stop after so many epochs without a better validation loss and keep the best epoch; none = keep the last",
    )

    hidden: int = setting(1024, "units of a hidden layer")
    dropout: float = setting(0.5, "share of hidden units left out in training")
    adapt: bool = setting(
        True,
        "cached features only: standardise them, and start the outputs at the best table without a picture",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that contradict each other."""
        super().__post_init__()
        self.check_positive("hidden", "most_tags", "mix_steps", "importance_weight", "captions")
        check_fraction(self.dropout, "dropout")


@dataclass(frozen=True)
class BaselineConfig(TaggingConfig):
    """Of `tagging_baseline`."""

    tag_loss: str = setting("bce", "loss of the tags", choices=("bce", "asymmetric"))


@dataclass(frozen=True)
class TwoHeadConfig(BaselineConfig):
    """Of `tagging_two_head`."""

    importance_loss: str = setting(
        "true_tags",
        "squared error of importance over true tags, or over all outputs",
        choices=("true_tags", "all"),
    )
    importance_weight: float = setting(1.0, "factor of the importance loss")


@dataclass(frozen=True)
class WordVectorsConfig(TwoHeadConfig):
    """Of `tagging_word_vectors`."""

    word_vectors: str | None = setting(
        None, "file of word vectors: word2vec text or binary, or GloVe; may be .gz", path=True
    )
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
