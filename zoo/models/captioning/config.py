"""Settings of the caption GANs. `mizoo show NAME` prints them with their meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.checks import check_fraction
from zoo.config import setting
from zoo.errors import ConfigError
from zoo.losses.objectives import OBJECTIVES
from zoo.recipe import FitConfig

NETWORKS = ("generator", "discriminator", "recovery")


@dataclass(frozen=True)
class CaptioningConfig(FitConfig):
    """Sentence autoencoder and the GAN trio, whatever the pictures are."""

    word_size: int = setting(64, "length of a word's vector in the autoencoder")
    sentence_units: int = setting(128, "of the autoencoder's LSTMs")
    sentence_size: int = setting(
        16, "length of a sentence's code s; 16 for single words, 100 for whole captions"
    )
    sentence_noise: float = setting(
        0.2, "on s while the autoencoder learns, in its standard deviations, so that near codes say the same"
    )
    autoencoder_epochs: int = setting(40, "of the autoencoder, before the GAN")
    least_reconstruction: float = setting(
        1.0, "share of captions that the autoencoder must give back word for word before the GAN starts"
    )
    encoder_width: int = setting(256, "units of the image encoder's hidden dense layer")
    encoder_dropout: float = setting(0.3, "before the image encoder's dense layers, while it learns")
    encoder_epochs: int = setting(
        16, "of the image encoder on which labels, or words, a picture has, before the GAN"
    )
    learning_rate: float = setting(2e-3, "of Adam, for what is trained before the GAN")

    code_size: int = setting(3, "length of c, drawn from a standard normal distribution")
    objective: str = setting(
        "relativistic",
        "of generator and discriminator: vanilla (not saturating), wgan_gp, or relativistic (R3GAN)",
        choices=OBJECTIVES,
    )
    code_weight: float = setting(0.03, "lambda_I, of the error by which c is recovered from a generated s")
    code_noise: float = setting(
        1.0, "on s before c is recovered from it, in half distances of sentences; 0 = the report's plain form"
    )
    real_noise: float = setting(0.1, "on the s of real captions, in half distances of sentences")
    gamma: float = setting(0.3, "for relativistic: weight of the two squared gradients, each halved")
    gradient_penalty: float = setting(10.0, "for wgan_gp: weight of (|gradient| - 1)^2")
    n_critic: int = setting(1, "steps of the discriminator per step of the generator")
    width: int = setting(256, "units of the hidden layers of generator, discriminator and recovery network")
    layers: int = setting(3, "how many hidden layers each has; with residual: blocks of two")
    residual: bool = setting(False, "blocks with a shortcut, for whole captions")
    generator_learning_rate: float = setting(1e-3, "of its Adam")
    generator_betas: tuple[float, float] = setting((0.5, 0.9), "of its Adam")
    discriminator_learning_rate: float = setting(1e-3, "of its Adam")
    discriminator_betas: tuple[float, float] = setting((0.5, 0.9), "of its Adam")
    recovery_learning_rate: float = setting(1e-3, "of its Adam")
    recovery_betas: tuple[float, float] = setting((0.5, 0.9), "of its Adam")

    final_rate: float = setting(
        0.05, "share of the three learning rates that is left at the end, along a cosine; 1 = they stay"
    )

    epochs: int = setting(300, "of the GAN")
    batch_size: int = setting(256, "pictures per step")
    sheet_every: int = setting(
        25, "epochs between two sheets of sample captions in the run's figures; 0 = none"
    )
    patience: int | None = setting(
        None,
        "stop after so many epochs without better accuracy of decoded captions on validation and keep the best "
        "epoch; none = keep the last",
    )

    @property
    def penalty(self) -> float:
        """Weight of the gradient penalty under the objective that is chosen."""
        return {"vanilla": 0.0, "wgan_gp": self.gradient_penalty, "relativistic": self.gamma / 2}[
            self.objective
        ]

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that nothing can be trained with."""
        super().__post_init__()
        self.check_positive("word_size", "sentence_units", "sentence_size", "autoencoder_epochs")
        self.check_positive("code_size", "n_critic", "width", "layers", "encoder_width", "encoder_epochs")
        check_fraction(self.encoder_dropout, "encoder_dropout")
        self.check_positive(*(f"{network}_learning_rate" for network in NETWORKS))
        for name in (
            "sentence_noise",
            "code_weight",
            "code_noise",
            "real_noise",
            "gamma",
            "gradient_penalty",
            "sheet_every",
        ):
            if getattr(self, name) < 0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}.",
                    expected="0 or more",
                    fix=f"set {name} to such a number",
                )
        for name in ("least_reconstruction", "final_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}.", expected="0 .. 1", fix=f"set {name} to such a number"
                )
        for name in (f"{network}_betas" for network in NETWORKS):
            self._check_pair(name, "beta_1 and beta_2, e.g. 0.5,0.9")
            for beta in getattr(self, name):
                check_fraction(beta, name)

    def _check_pair(self, name: str, meaning: str) -> None:
        if len(getattr(self, name)) != 2:
            raise ConfigError(
                f"{name} is {getattr(self, name)}.", expected=meaning, fix=f"give {name} two numbers"
            )


@dataclass(frozen=True)
class DigitsConfig(CaptioningConfig):
    """Pictures of handwritten digits in a grid, and the encoder that looks at them."""

    grid: tuple[int, int] = setting((2, 2), "rows and columns of digits in a picture")
    distinct: bool = setting(False, "the digits of a picture are all different")
    train_images: int = setting(10_000, "pictures made from the training digits")
    test_images: int = setting(1_000, "pictures made from the test digits; as many are held for validation")
    split_seed: int = setting(0, "of the pictures' digits")

    filters: tuple[int, ...] = setting(
        (32, 64, 128, 256), "of the image encoder's convolutions, each of stride 2"
    )

    def __post_init__(self) -> None:
        """Raises ConfigError on settings that nothing can be trained with."""
        super().__post_init__()
        self.check_positive("train_images", "test_images")
        self._check_pair("grid", "rows and columns, e.g. 2,2")
        if min(self.grid) < 1:
            raise ConfigError(f"grid is {self.grid}.", expected="1 or more of each", fix="e.g. 2,2")
        if not self.filters or min(self.filters) < 1:
            raise ConfigError(
                f"filters is {self.filters}.", expected="a number for each convolution", fix="e.g. 32,64,128"
            )


DIGITS_PRESETS: dict[str, dict[str, Any]] = {
    # The report names the data, the size of the code and the loss; every other number is ours.
    "seed": {
        "grid": (2, 2),
        "train_images": 10_000,
        "test_images": 1_000,
        "code_size": 3,
        "objective": "vanilla",
        "code_noise": 0.0,
        "real_noise": 0.0,
        "n_critic": 1,
    },
    # Fewer pictures and epochs, for two cores.
    "cpu": {"train_images": 4_000, "epochs": 60, "encoder_epochs": 6},
}
