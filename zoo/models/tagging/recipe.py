"""The four taggers, from files on disk to the answers of a server."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.data.batches import Split, Splits
from zoo.models.tagging.config import (
    SEED,
    BaselineConfig,
    BinomialConfig,
    TaggingConfig,
    TwoHeadConfig,
    WordVectorsConfig,
)
from zoo.recipe import DataOptions, FitConfig, Recipe

if TYPE_CHECKING:
    import keras
    import numpy as np

    from export.signatures import Signature
    from zoo.models.tagging.tagger import Tagger
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run


class TaggingRecipe(Recipe):
    """What the four have in common."""

    config: TaggingConfig
    data_settings = frozenset(TaggingConfig.__dataclass_fields__) - {
        *FitConfig.__dataclass_fields__,
        "hidden",
        "dropout",
        "adapt",
    } | {"word_vectors"}

    @classmethod
    def register(cls) -> None:
        """The heads, and what stands before them."""
        import zoo.backbones.build
        import zoo.backbones.hub
        import zoo.models.tagging.binomial
        import zoo.models.tagging.two_head
        import zoo.models.tagging.word_vectors  # noqa: F401

    @classmethod
    def names(cls) -> dict[str, list[str]]:
        """The backbones and the shipped tag lists."""
        from zoo.backbones import listed_backbones
        from zoo.data.tag_list import SHIPPED

        return {
            "backbones": listed_backbones(),
            "vocabularies": [*SHIPPED],
        }

    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """See `zoo.models.tagging.data.read_splits`."""
        from zoo.models.tagging.data import read_splits

        return read_splits(data, self.config, options)

    def network(
        self, *, tags: Sequence[str], feature_size: int | None = None, backbone_sha256: str | None = None
    ) -> keras.Model:
        """Builds the tagger.

        Args:
            tags: Names of the tags, in the order of the columns.
            feature_size: Length of the cached features of a frozen backbone; None builds a tagger of pictures.
            backbone_sha256: Digest of that backbone, recorded in the head.

        Returns:
            A head over `features` `[batch, feature_size]`, or an `ImageTagger` over `image`.
        """

        def head(size: int, sha256: str | None) -> Tagger:
            return self.head_class()(tags=tags, feature_size=size, backbone_sha256=sha256, **self._settings())

        return self._behind_backbone(head, feature_size, backbone_sha256)

    @classmethod
    @abstractmethod
    def head_class(cls) -> Callable[..., Tagger]:
        """Imports and returns the network from features to tags."""

    def _behind_backbone(
        self, head: Callable[[int, str | None], Tagger], feature_size: int | None, sha256: str | None
    ) -> keras.Model:
        """Returns the head alone over cached features, or behind the backbone that the config names."""
        from zoo.backbones.configured import frozen_backbone, trained_backbone
        from zoo.models.tagging.tagger import ImageTagger

        if feature_size is not None:
            return head(feature_size, sha256)
        if self.config.trains_backbone:
            backbone = trained_backbone(self.config)
        else:
            backbone, sha256 = frozen_backbone(self.config)
        return ImageTagger(backbone, head(backbone.output_shape[-1], sha256), name=self.name)

    def _settings(self, *without: str) -> dict[str, Any]:
        """The settings of the head: those of the config that the common ones do not already use."""
        common = set(TaggingConfig.__dataclass_fields__) - {"hidden", "dropout"}
        return {key: value for key, value in asdict(self.config).items() if key not in common | set(without)}

    def build(self, splits: Splits) -> keras.Model:
        """Makes the compiled tagger; a head over cached features is adapted to them."""
        model = super().build(splits)
        if self.config.adapt and "features" in splits.train.inputs:
            model.adapt(splits.train.arrays()["features"], **splits.train.targets)
        return model

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Trains, then tunes the threshold on validation."""
        from zoo.models.tagging.evaluation import tune_threshold

        super().fit(model, splits, run, options)
        tune_threshold(model, splits.validation)

    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """See `zoo.models.tagging.evaluation.measure` for the metrics."""
        from zoo.models.tagging.evaluation import evaluate

        return evaluate(model, splits, split)

    def figures(self, model: keras.Model, splits: Splits, split: Split, folder: Path) -> list[Path]:
        """Reliability of tags and importance, and importance against its truth."""
        del splits
        from zoo.models.tagging.figures import draw_reliability

        return [draw_reliability(model, split, folder / "reliability.png")]

    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """Puts the frozen backbone in front of a head that was trained on its features."""
        del facts  # the head records the digest itself
        from zoo.backbones.configured import frozen_backbone
        from zoo.models.tagging.tagger import ImageTagger

        if isinstance(model, ImageTagger):
            return model
        backbone, _ = frozen_backbone(self.config, model.backbone_sha256)
        return ImageTagger(backbone, model, name=self.name)

    def signatures(self, model: keras.Model) -> list[Signature]:
        """See `zoo.models.tagging.signatures`."""
        from zoo.models.tagging.signatures import tagging_signatures

        return tagging_signatures(model)


class BaselineRecipe(TaggingRecipe):
    """Tags; the tag's probability stands in for its importance (report, section 3)."""

    name = "tagging_baseline"
    Config = BaselineConfig
    presets: ClassVar = {"seed": SEED}

    @classmethod
    def head_class(cls) -> Callable[..., Tagger]:
        """One row of sigmoids."""
        from zoo.models.tagging.two_head import BaselineTagger

        return BaselineTagger


class TwoHeadRecipe(TaggingRecipe):
    """Tags and their importance from two heads trained together (report, section 4.1: Model 1)."""

    name = "tagging_two_head"
    Config = TwoHeadConfig
    presets: ClassVar = {"seed": SEED | {"importance_loss": "all"}}

    @classmethod
    def head_class(cls) -> Callable[..., Tagger]:
        """Two rows of sigmoids."""
        from zoo.models.tagging.two_head import TwoHeadTagger

        return TwoHeadTagger


class WordVectorsRecipe(TaggingRecipe):
    """Importance from the picture and the word vectors of its tags (report, section 4.2: Model 2)."""

    name = "tagging_word_vectors"
    Config = WordVectorsConfig
    config: WordVectorsConfig
    presets: ClassVar = {"seed": SEED | {"importance_loss": "all", "training_tags": "true"}}

    @classmethod
    def head_class(cls) -> Callable[..., Tagger]:
        """Model 1 and the second MLP."""
        from zoo.models.tagging.word_vectors import WordVectorsTagger

        return WordVectorsTagger

    def network(
        self,
        *,
        tags: Sequence[str],
        feature_size: int | None = None,
        backbone_sha256: str | None = None,
        vectors: np.ndarray | None = None,
    ) -> keras.Model:
        """See `TaggingRecipe.network`.

        Args:
            tags: Names of the tags, in the order of the columns.
            feature_size: Length of the cached features of a frozen backbone; None builds a tagger of pictures.
            backbone_sha256: Digest of that backbone, recorded in the head.
            vectors: float `[tags, dimensions]`, the word vectors; None reads the file that the config names.
        """
        from zoo.models.tagging.data import read_tag_vectors

        table = read_tag_vectors(self.config.word_vectors, tags) if vectors is None else vectors

        def head(size: int, sha256: str | None) -> Tagger:
            made = self.head_class()(
                tags=tags,
                feature_size=size,
                vector_size=table.shape[1],
                backbone_sha256=sha256,
                **self._settings("word_vectors"),
            )
            made.word_vectors.set_vectors(table)
            return made

        return self._behind_backbone(head, feature_size, backbone_sha256)


class BinomialRecipe(TaggingRecipe):
    """How many of n captions mention each tag, as a distribution (ours)."""

    name = "tagging_binomial"
    Config = BinomialConfig
    presets: ClassVar = {"seed": SEED}

    @classmethod
    def head_class(cls) -> Callable[..., Tagger]:
        """A beta-binomial per tag."""
        from zoo.models.tagging.binomial import BinomialTagger

        return BinomialTagger
