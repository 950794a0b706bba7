"""`caption_gan_digits`, from files on disk to the answers of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.models.captioning.config import DIGITS_PRESETS, CaptioningConfig, DigitsConfig
from zoo.recipe import DataOptions, Recipe

if TYPE_CHECKING:
    import keras

    from export.signatures import Signature
    from zoo.data.batches import Split, Splits
    from zoo.models.captioning.trio import CaptionTrio
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run


class CaptionGanRecipe(Recipe):
    """What caption GANs have in common: the trio, its optimiser, its answers."""

    config: CaptioningConfig
    Config: ClassVar[type] = CaptioningConfig

    @classmethod
    def register(cls) -> None:
        """The trio, its parts and its optimiser."""
        import zoo.layers.fused_batch_normalization
        import zoo.models.captioning.optimizer
        import zoo.models.captioning.trio  # noqa: F401

    def trio(
        self,
        vocabulary: Sequence[str],
        *,
        max_words: int,
        encoder: keras.Model,
        backbone: keras.Model | None = None,
    ) -> CaptionTrio:
        """Builds generator, discriminator and recovery network around a new autoencoder.

        Args:
            vocabulary: The words.
            max_words: Of a caption.
            encoder: From pictures, or from what the backbone makes of them, to X.
            backbone: None where the trio is trained on its features.
        """
        from zoo.models.captioning import networks
        from zoo.models.captioning.autoencoder import SentenceAutoencoder
        from zoo.models.captioning.trio import CaptionTrio

        config = self.config
        size: dict[str, Any] = {"width": config.width, "layers": config.layers, "residual": config.residual}
        code, sentence, feature_size = config.code_size, config.sentence_size, int(encoder.output_shape[-1])
        return CaptionTrio(
            networks.generator(feature_size, code, sentence, **size),
            networks.discriminator(sentence, feature_size, **size, bias=config.objective == "vanilla"),
            networks.recovery(sentence, feature_size, code, **size),
            SentenceAutoencoder(
                vocabulary=vocabulary,
                sentence_size=sentence,
                word_size=config.word_size,
                units=config.sentence_units,
                max_words=max_words,
                noise=config.sentence_noise,
            ),
            image_encoder=encoder,
            backbone=backbone,
            objective=config.objective,
            code_weight=config.code_weight,
            code_noise=config.code_noise,
            real_noise=config.real_noise,
            penalty=config.penalty,
            name=self.name,
        )

    def compile(self, model: keras.Model) -> None:
        """An Adam for each player."""
        from zoo.models.captioning.optimizer import trio_optimizer

        model.compile(optimizer=trio_optimizer(self.config))

    def signatures(self, model: keras.Model) -> list[Signature]:
        """See `zoo.models.captioning.signatures`."""
        from zoo.models.captioning.signatures import caption_signatures

        return caption_signatures(model)


class DigitsRecipe(CaptionGanRecipe):
    """Words for pictures of several digits, of which each is right (report, GridMNIST)."""

    name = "caption_gan_digits"
    config: DigitsConfig
    Config = DigitsConfig
    presets = DIGITS_PRESETS
    data_settings = frozenset({"grid", "distinct", "train_images", "test_images", "split_seed"})

    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """See `zoo.models.captioning.data.read_splits`."""
        from zoo.models.captioning.data import read_splits

        return read_splits(data, self.config, options)

    def network(self, *, words: Sequence[str], image_size: int = 64) -> CaptionTrio:
        """Builds the trio behind an image encoder.

        Args:
            words: For each digit.
            image_size: Side of the pictures in pixels.
        """
        from zoo.models.captioning.networks import image_encoder

        config = self.config
        encoder = image_encoder(
            image_size,
            len(words),
            filters=config.filters,
            width=config.encoder_width,
            dropout=config.encoder_dropout,
        )
        return self.trio(words, max_words=1, encoder=encoder)

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Trains in three stages, see `zoo.models.captioning.stages`."""
        from zoo.models.captioning.stages import Training, train_on_digits

        train_on_digits(Training(model, splits, run, self.config, options))

    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """What is said under fixed and under random codes, see `zoo.models.captioning.evaluation`."""
        from zoo.models.captioning.evaluation import evaluate

        return evaluate(model, splits, split)

    def figures(self, model: keras.Model, splits: Splits, split: Split, folder: Path) -> list[Path]:
        """Frequencies of words per code (report, Fig. 3), all codes, and words along each dimension of c."""
        from zoo.models.captioning.figures import draw_figures

        return draw_figures(model, splits, split, folder)

    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """The model itself: it takes pictures."""
        del facts
        return model

    def input_contract(self, model: keras.Model) -> dict[str, Any]:
        """Pictures become grey."""
        from zoo.preprocessing.image import INPUT_CONTRACT

        size = model.picture_encoder.input_shape[1]
        return INPUT_CONTRACT | {"image_size": size, "colour_order": "grey", "code_size": model.code_size}
