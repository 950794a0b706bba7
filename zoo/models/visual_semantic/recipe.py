"""`vse_lstm` and `vse_bow`, from files on disk to the answers of a server."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.models.visual_semantic.config import PRESETS, VisualSemanticConfig
from zoo.recipe import DataOptions, FitConfig, Recipe

if TYPE_CHECKING:
    import keras
    import numpy as np

    from export.signatures import Signature
    from zoo.data.batches import Split, Splits
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

_TRAINING = {
    "dimensions",
    "normalize_features",
    "margin",
    "negatives",
    "warmup_epochs",
    "clip_norm",
    "decay_epoch",
}


class VisualSemanticRecipe(Recipe):
    """What the two have in common: everything but the tower that reads sentences."""

    config: VisualSemanticConfig
    Config = VisualSemanticConfig
    presets = PRESETS
    data_settings = frozenset(VisualSemanticConfig.__dataclass_fields__) - {
        *FitConfig.__dataclass_fields__,
        *_TRAINING,
    }

    @classmethod
    def register(cls) -> None:
        """The two towers, and what stands before them."""
        import zoo.backbones.build
        import zoo.backbones.hub
        import zoo.models.visual_semantic.model  # noqa: F401

    @classmethod
    def names(cls) -> dict[str, list[str]]:
        """The backbones."""
        from zoo.backbones import listed_backbones

        return {"backbones": listed_backbones()}

    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """See `zoo.models.visual_semantic.data.read_splits`."""
        from zoo.models.visual_semantic.data import read_splits

        return read_splits(data, self.config, options)

    def network(
        self,
        *,
        vocabulary: Sequence[str],
        vectors: np.ndarray | None = None,
        feature_size: int | None = None,
        backbone_sha256: str | None = None,
    ) -> keras.Model:
        """Builds the two towers.

        Args:
            vocabulary: The words; the first has the id 2.
            vectors: `[words, word_dimensions]` to start from; rows of zeros start at random. None: all do.
            feature_size: Length of the cached features of a frozen backbone; None builds a model of pictures.
            backbone_sha256: Digest of that backbone, recorded in the model.

        Returns:
            `VisualSemantic` over `features` `[batch, feature_size]`, or over `image`.
        """
        from zoo.backbones.configured import frozen_backbone, trained_backbone
        from zoo.models.visual_semantic import model as networks

        config = self.config
        source: Any = feature_size
        if feature_size is None and config.trains_backbone:
            source = trained_backbone(config)
        elif feature_size is None:
            source, backbone_sha256 = frozen_backbone(config)
        text_encoder = self.text_tower()(
            len(vocabulary), config.dimensions, config.word_dimensions, config.max_words
        )
        if vectors is not None:
            networks.set_word_vectors(text_encoder, vectors)
        return networks.VisualSemantic(
            networks.image_encoder(source, config.dimensions, normalize=config.normalize_features),
            text_encoder,
            vocabulary=vocabulary,
            margin=config.margin,
            negatives=config.negatives,
            backbone_sha256=backbone_sha256,
            name=self.name,
        )

    @classmethod
    @abstractmethod
    def text_tower(cls) -> Callable[..., keras.Model]:
        """Imports and returns what builds the tower of sentences."""

    def build(self, splits: Splits) -> keras.Model:
        """Makes the compiled model; the warm-up lasts so many epochs of these data."""
        model = super().build(splits)
        model.warmup_steps = self.config.warmup_epochs * splits.train.steps(self.config.batch_size)
        return model

    def compile(self, model: keras.Model) -> None:
        """Adam, with the norm of all gradients together cut."""
        import keras

        adam = keras.optimizers.Adam(self.config.learning_rate, global_clipnorm=self.config.clip_norm)
        model.compile(optimizer=adam)

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Trains; the best epoch is the one with the best recall on validation, not with the least loss."""
        from zoo.models.visual_semantic.callbacks import DecayOnce, ValidationRecall
        from zoo.training.fit import fit

        watching = [ValidationRecall(splits.validation)]
        decay = (
            [DecayOnce(self.config.learning_rate, self.config.decay_epoch)] if self.config.decay_epoch else []
        )
        fit(
            model,
            splits,
            run,
            self.config,
            options,
            callbacks=[*decay, *watching],
            monitor=ValidationRecall.MISSED,
        )

    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """Retrieval both ways and edits, see `zoo.models.visual_semantic.evaluation`."""
        from zoo.models.visual_semantic.evaluation import evaluate

        return evaluate(model, splits, split)

    def figures(self, model: keras.Model, splits: Splits, split: Split, folder: Path) -> list[Path]:
        """Recall both ways, and a contact sheet of edits where picture files are at hand."""
        from zoo.models.visual_semantic.figures import draw_figures

        return draw_figures(model, splits, split, folder)

    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """Puts the frozen backbone in front of towers that were trained on its features."""
        del facts  # the model records the digest itself
        from zoo.backbones.configured import frozen_backbone
        from zoo.models.visual_semantic.model import behind_backbone

        if "image" in model.input:
            return model
        backbone, _ = frozen_backbone(self.config, model.backbone_sha256)
        return model.with_image_encoder(behind_backbone(model.image_encoder, backbone))

    def signatures(self, model: keras.Model) -> list[Signature]:
        """See `zoo.models.visual_semantic.signatures`."""
        from zoo.models.visual_semantic.signatures import embedding_signatures

        return embedding_signatures(model)

    def index_signatures(self, model: keras.Model, index: Path, top: int) -> list[Signature]:
        """See `zoo.models.visual_semantic.analogy_signatures`."""
        import numpy as np

        from zoo.models.visual_semantic.analogy_signatures import Collection, analogy_signatures
        from zoo.search.folder import IndexFolder
        from zoo.search.run_embedder import model_digest

        with IndexFolder.open(index) as opened:
            made_with, digest = opened.record.sha256, model_digest(model)
            if made_with != digest:
                raise DataError(
                    f"The index {index} was made with {opened.record.run} (sha256 {made_with[:12]}), "
                    f"and this is another model (sha256 {digest[:12]}).",
                    expected="the model that embedded its pictures",
                    fix=f"mizoo index build --model RUN --images {opened.record.images} --to NEW, with this RUN",
                )
            store = opened.index.store
            ids = list(store.ids())
            if not ids:
                raise DataError(
                    f"The index {index} is empty.", fix="build it again with pictures in its folder"
                )
            collection = Collection(ids, store.vectors(ids), np.asarray(opened.index.mean_text))
        return analogy_signatures(model, collection, top)

    def input_contract(self, model: keras.Model) -> dict[str, Any]:
        """Pictures as for every model; texts are split into lower-case words."""
        from zoo.preprocessing.image import INPUT_CONTRACT

        texts = {"text": "words [a-z]+('[a-z]+)?, lower case", "max_words": model.max_words}
        return INPUT_CONTRACT | {"image_size": model.image_encoder.input_shape[1]} | texts


class LstmRecipe(VisualSemanticRecipe):
    """Sentences read by an LSTM (report, part 2)."""

    name = "vse_lstm"

    @classmethod
    def text_tower(cls) -> Callable[..., keras.Model]:
        """The LSTM."""
        from zoo.models.visual_semantic.model import lstm_encoder

        return lstm_encoder


class BowRecipe(VisualSemanticRecipe):
    """Sentences as sums of their words: linear, which the arithmetic on words asks for."""

    name = "vse_bow"

    @classmethod
    def text_tower(cls) -> Callable[..., keras.Model]:
        """The sum of words."""
        from zoo.models.visual_semantic.model import bow_encoder

        return bow_encoder
