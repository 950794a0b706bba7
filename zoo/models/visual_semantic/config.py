"""Settings of the visual-semantic embeddings. `mizoo show NAME` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.backbones.config import CaptionedConfig
from zoo.config import setting
from zoo.errors import ConfigError


@dataclass(frozen=True)
class VisualSemanticConfig(CaptionedConfig):
    """What both embeddings have in common."""

    dimensions: int = setting(1024, "length of the common vectors")
    word_dimensions: int = setting(
        300, "length of a word's vector; that of the file, where word_vectors names one"
    )
    word_vectors: str | None = setting(
        None,
        "start words from these vectors: word2vec text or binary, or GloVe; may be .gz; none = random",
        path=True,
    )
    min_count: int = setting(4, "words that fewer training captions use are one unknown word")
    max_words: int = setting(32, "words of a text that are read")
    normalize_features: bool = setting(True, "features of a picture get length 1 before the linear map")
    margin: float = setting(0.2, "by which a right pair should outrank a wrong one")
    negatives: str = setting(
        "sum", "wrong pairs of a batch: their sum, or the hardest (VSE++)", choices=("sum", "hardest")
    )
    warmup_epochs: int = setting(
        2,
        "for hardest: epochs that begin with the sum, without which training can collapse (set where data are known)",
    )
    clip_norm: float = setting(2.0, "largest norm of all gradients together")
    decay_epoch: int | None = setting(
        None, "divide the learning rate by ten after so many epochs; none = never"
    )

    batch_size: int = setting(128, "captions per step")
    epochs: int = setting(15, "most epochs; training may stop earlier, see patience")
    learning_rate: float = setting(2e-4, "of Adam")
    patience: int | None = setting(
        5,
        "stop after so many epochs without better recall on validation and keep the best epoch; none = keep the last",
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that cannot be trained with."""
        super().__post_init__()
        self.check_positive(
            "dimensions",
            "word_dimensions",
            "min_count",
            "max_words",
            "margin",
            "clip_norm",
            "decay_epoch",
        )
        if self.warmup_epochs < 0:
            raise ConfigError(
                f"warmup_epochs is {self.warmup_epochs}.",
                expected="0 or more",
                fix="set warmup_epochs to such a number",
            )


PRESETS: dict[str, dict[str, Any]] = {
    # The report names the model of Kiros et al. and COCO, and no number; the numbers are those of Kiros' repository.
    "seed": {
        "backbone": "vgg19",
        "layer": "fc7",
        "weights": "imagenet",
        "image_size": 224,
        "normalize_features": True,
        "dimensions": 1024,
        "word_dimensions": 300,
        "negatives": "sum",
        "margin": 0.2,
        "learning_rate": 2e-4,
        "batch_size": 128,
        "epochs": 15,
        "patience": 15,
        "clip_norm": 2.0,
    },
    # As many epochs of patience as there are: training runs to its end, and the epoch of the best recall is kept.
    "vse++": {"negatives": "hardest", "warmup_epochs": 2, "epochs": 30, "decay_epoch": 15, "patience": 30},
    # Chosen on the validation split of Flickr8k, whose epochs have 235 steps: minutes on two cores.
    "cpu": {
        "dimensions": 256,
        "word_dimensions": 128,
        "max_words": 20,
        "batch_size": 128,
        "learning_rate": 2e-3,
        "decay_epoch": 3,
        "epochs": 5,
    },
}
PRESETS["kiros"] = PRESETS["seed"]
