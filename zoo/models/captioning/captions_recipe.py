"""`caption_gan`, from files on disk to the answers of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.models.captioning.captions_config import CAPTIONS_PRESETS, CaptionsConfig
from zoo.models.captioning.recipe import CaptionGanRecipe
from zoo.recipe import DataOptions

if TYPE_CHECKING:
    import keras

    from zoo.data.batches import Split, Splits
    from zoo.models.captioning.trio import CaptionTrio
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

_DATA = {"min_count", "max_words", "images", "validation_fraction", "test_fraction"}
_BACKBONE = {"backbone", "layer", "weights", "image_size", "end_to_end"}


class CaptionsRecipe(CaptionGanRecipe):
    """Captions of photographs (report, future work)."""

    name = "caption_gan"
    config: CaptionsConfig
    Config = CaptionsConfig
    presets = CAPTIONS_PRESETS
    data_settings = frozenset(_DATA | _BACKBONE)

    @classmethod
    def register(cls) -> None:
        """The trio, and what stands before it."""
        super().register()
        import zoo.backbones.build
        import zoo.backbones.hub  # noqa: F401

    @classmethod
    def names(cls) -> dict[str, list[str]]:
        """The backbones."""
        from zoo.backbones import listed_backbones

        return {"backbones": listed_backbones()}

    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """See `zoo.models.captioning.captions_data.read_captioned`."""
        from zoo.models.captioning.captions_data import read_captioned

        return read_captioned(data, self.config, options)

    def network(
        self,
        *,
        vocabulary: Sequence[str],
        max_words: int = 20,
        feature_size: int | None = None,
        backbone_sha256: str | None = None,
    ) -> CaptionTrio:
        """Builds the trio over features, or behind its backbone.

        Args:
            vocabulary: The words.
            max_words: Of a caption.
            feature_size: Length of the cached features of the backbone; None builds a model of pictures.
            backbone_sha256: Digest of the backbone, checked where it is built here.
        """
        from zoo.backbones.configured import frozen_backbone
        from zoo.models.captioning.networks import word_encoder

        config, backbone = self.config, None
        if feature_size is None:
            backbone, _ = frozen_backbone(config, backbone_sha256)
            feature_size = int(backbone.output_shape[-1])
        encoder = word_encoder(
            feature_size,
            min(config.scene_words, len(vocabulary)),
            width=config.encoder_width,
            dropout=config.encoder_dropout,
        )
        return self.trio(vocabulary, max_words=max_words, encoder=encoder, backbone=backbone)

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Trains in three stages, see `zoo.models.captioning.stages`."""
        from zoo.models.captioning.stages import Training, train_on_captions

        train_on_captions(Training(model, splits, run, self.config, options))

    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """Captions beside those that people wrote, see `zoo.models.captioning.captions_evaluation`."""
        from zoo.models.captioning.captions_evaluation import evaluate

        return evaluate(model, splits, split)

    def figures(self, model: keras.Model, splits: Splits, split: Split, folder: Path) -> list[Path]:
        """Captions along each dimension of c."""
        from zoo.models.captioning.captions_evaluation import write_traversal

        del splits
        return [write_traversal(model, split, folder / "traversal.csv")]

    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """Puts the frozen backbone in front of a trio that was trained on its features."""
        from zoo.backbones.configured import frozen_backbone

        if model.picture_encoder is not None:
            return model
        backbone, _ = frozen_backbone(self.config, facts["backbone_sha256"])
        return model.behind(backbone)

    def input_contract(self, model: keras.Model) -> dict[str, Any]:
        """Pictures as for every model; captions are split into lower-case words."""
        from zoo.preprocessing.image import INPUT_CONTRACT

        texts = {
            "caption": "words [a-z]+('[a-z]+)?, lower case",
            "max_words": model.autoencoder.max_words,
        }
        size = model.picture_encoder.input_shape[1]
        return INPUT_CONTRACT | {"image_size": size, "code_size": model.code_size} | texts
