"""`scene_network`: a second network, trained on other data, for `layer_concat_svm` and `mpn_cbp`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.models.fusion.scene_config import SCENE_PRESETS, SceneConfig
from zoo.recipe import DataOptions, Recipe

if TYPE_CHECKING:
    import keras

    from export.signatures import Signature
    from zoo.data.batches import Split, Splits
    from zoo.models.fusion.scene_network import SceneNetwork
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

WEIGHTS_FILE, NAMES_FILE = "backbone.weights.h5", "class_names.txt"


class SceneRecipe(Recipe):
    """A network tuned to say which places a picture shows (in place of one trained on Places; ours)."""

    name = "scene_network"
    config: SceneConfig
    Config = SceneConfig
    presets = SCENE_PRESETS
    data_settings = frozenset(
        {
            "vocabulary", "min_captions", "most_tags", "min_pictures", "image_size", "images", "validation_fraction",
            "test_fraction", "backbone", "positive_weight",
        }
    )  # fmt: skip

    @classmethod
    def register(cls) -> None:
        """The network, and what stands before it."""
        import zoo.backbones.build
        import zoo.models.fusion.scene_network  # noqa: F401

    @classmethod
    def names(cls) -> dict[str, list[str]]:
        """The backbones and the shipped tag lists."""
        from zoo.backbones import backbone_names
        from zoo.data.tag_list import SHIPPED

        return {"backbones": backbone_names(), "vocabularies": [*SHIPPED]}

    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """See `zoo.models.fusion.scene_data.read_splits`."""
        from zoo.models.fusion.scene_data import read_splits

        return read_splits(data, self.config, options)

    def network(
        self, *, tags: Sequence[str], positive_weights: Sequence[float] | None = None
    ) -> SceneNetwork:
        """Builds the network.

        Args:
            tags: The words, in the order of the columns.
            positive_weights: For each word, what a picture with it counts; None: all alike.
        """
        from zoo.backbones import get_backbone_spec
        from zoo.models.fusion.scene_network import SceneNetwork, classifier_network

        config = self.config
        network = classifier_network(
            config.backbone, weights=config.weights, image_size=config.image_size, classes=len(tags)
        )
        return SceneNetwork(
            network,
            scaling=get_backbone_spec(config.backbone).scaling,
            tags=tags,
            positive_weights=positive_weights or (1.0,) * len(tags),
            name=self.name,
        )

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Trains the head, then head and network; writes the weights as those of a backbone."""
        import keras

        from zoo.data.augmentation import PadCropFlip
        from zoo.files import write_text
        from zoo.models.fusion.scene_evaluation import MissedPrecision
        from zoo.training.fit import fit

        config = self.config
        augmentation = PadCropFlip(model.input_shape[1] // 8) if config.augmentation else None
        model.tune_from(None)
        model.compile(optimizer=keras.optimizers.Adam(config.head_rate))
        alone = replace(config, epochs=config.head_epochs, patience=None)
        fit(model, splits, run, alone, options, augmentation=augmentation, stage="head")
        model.tune_from(config.tuned_from_stride)
        self.compile(model)
        watching = MissedPrecision(splits.validation)
        fit(
            model,
            splits,
            run,
            config,
            options,
            callbacks=[watching],
            monitor=watching.MISSED,
            augmentation=augmentation,
            shown=("loss", "val_loss", watching.MISSED),
        )
        model.save_backbone(run.folder / WEIGHTS_FILE)
        write_text(run.folder / NAMES_FILE, "".join(f"{tag}\n" for tag in model.tags))

    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """See `zoo.models.fusion.scene_evaluation.evaluate`."""
        from zoo.models.fusion.scene_evaluation import evaluate

        return evaluate(model, splits, split)

    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """The model itself: it takes pictures."""
        del facts
        return model

    def signatures(self, model: keras.Model) -> list[Signature]:
        """See `zoo.models.fusion.scene_signatures`."""
        from zoo.models.fusion.scene_signatures import scene_signatures

        return scene_signatures(model)
