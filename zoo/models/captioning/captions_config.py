"""Settings of the caption GAN over photographs. `mizoo show caption_gan` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.backbones.config import CaptionedConfig
from zoo.config import setting
from zoo.errors import ConfigError
from zoo.models.captioning.config import CaptioningConfig


@dataclass(frozen=True)
class CaptionsConfig(CaptioningConfig, CaptionedConfig):
    """Photographs with sentences, seen through a frozen backbone."""

    min_count: int = setting(4, "training captions with a word that fewer of them use are left out")
    max_words: int = setting(20, "words of a caption; longer training captions are left out")

    scene_words: int = setting(
        200,
        "most frequent words, of which the image encoder says how likely a picture's captions use them: X",
    )
    encoder_width: int = setting(512, "units of the image encoder's hidden dense layer")

    sentence_size: int = setting(100, "length of a sentence's code s")
    word_size: int = setting(128, "length of a word's vector in the autoencoder")
    sentence_units: int = setting(512, "of the autoencoder's LSTMs")
    autoencoder_epochs: int = setting(15, "of the autoencoder, before the GAN")
    least_reconstruction: float = setting(
        0.5,
        "share of validation captions that the autoencoder must give back word for word before the GAN starts",
    )
    width: int = setting(512, "units of the hidden layers of generator, discriminator and recovery network")
    layers: int = setting(2, "how many blocks of two hidden layers each has")
    residual: bool = setting(True, "blocks with a shortcut, as LaTextGAN has them")
    epochs: int = setting(40, "of the GAN")

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that nothing can be trained with."""
        super().__post_init__()
        self.check_positive("min_count", "max_words", "scene_words")
        if self.trains_backbone:
            raise ConfigError(
                f"The backbone '{self.backbone}' would be trained: generator, discriminator and recovery network see "
                "pictures through one frozen network.",
                expected="a backbone with weights",
                fix="--set weights=PATH (or weights=imagenet), and leave end_to_end out",
            )


CAPTIONS_PRESETS: dict[str, dict[str, Any]] = {
    # The report names captions of photographs as future work: only the size of the code and the loss are its own.
    "seed": {"code_size": 3, "objective": "vanilla", "code_noise": 0.0, "real_noise": 0.0, "n_critic": 1},
    # Smaller networks and fewer epochs, for two cores. With batches of 256 the autoencoder learns a third as fast.
    "cpu": {
        "batch_size": 64,
        "word_size": 64,
        "sentence_units": 256,
        "autoencoder_epochs": 12,
        "least_reconstruction": 0.2,
        "width": 256,
        "epochs": 20,
    },
}
