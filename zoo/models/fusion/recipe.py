"""`layer_concat_svm` and `mpn_cbp`, from files on disk to the answers of a server."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.models.fusion.config import CONCAT_PRESETS, MPN_CBP_PRESETS, ConcatConfig, FusionConfig, MpnCbpConfig
from zoo.recipe import DataOptions, Recipe

if TYPE_CHECKING:
    import keras

    from export.signatures import Signature
    from zoo.data.batches import Split, Splits
    from zoo.models.fusion.classifier import FusionClassifier
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

log = logging.getLogger(__name__)
_OF_THE_CLASSIFIER = {"classifier", "c", "folds"}


class FusionRecipe(Recipe):
    """A linear classifier on frozen networks that were trained on different data."""

    config: FusionConfig

    @classmethod
    def register(cls) -> None:
        """The classifier, and every layer before it."""
        import zoo.backbones.build
        import zoo.models.fusion.classifier  # noqa: F401

    @classmethod
    def names(cls) -> dict[str, list[str]]:
        """The backbones."""
        from zoo.backbones import backbone_names

        return {"backbones": backbone_names()}

    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """See `zoo.models.fusion.data.read_splits`."""
        from zoo.models.fusion.data import read_splits

        return read_splits(data, self.config, options)

    def network(
        self, *, classes: Sequence[str], feature_size: int | None = None, eye_sha256: str | None = None
    ) -> FusionClassifier:
        """Builds the classifier over features, or behind the networks.

        Args:
            classes: Their names, in the order of the columns.
            feature_size: Length of the cached features; None builds a model of pictures.
            eye_sha256: Digest of the networks; not needed here.
        """
        from zoo.models.fusion.classifier import FusionClassifier
        from zoo.models.fusion.eye import FEATURES, build_eye

        del eye_sha256
        if feature_size is not None:
            return FusionClassifier(classes=classes, feature_size=feature_size, name=self.name)
        eye = build_eye(self.config)
        size = int(eye.output[FEATURES].shape[-1])
        alone = FusionClassifier(classes=classes, feature_size=size, name=self.name)
        return alone.behind(eye, self._map_classes(eye))

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Fits in closed form, see `zoo.models.fusion.fitting`."""
        from zoo.models.fusion.fitting import fit_classifier

        if options.precision != "float32" or options.devices > 1:
            log.warning(
                "The fit is closed form, in float64 on the host: precision and devices change nothing."
            )
        fit_classifier(model, splits, run, self.config)

    def compile(self, model: keras.Model) -> None:
        """Adam, for those who call `fit` of the model themselves."""
        model.compile(optimizer="adam")

    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """See `zoo.models.fusion.evaluation.evaluate`."""
        from zoo.models.fusion.evaluation import evaluate

        return evaluate(model, splits, split)

    def figures(self, model: keras.Model, splits: Splits, split: Split, folder: Path) -> list[Path]:
        """Accuracy of each class, and which classes are taken for each other."""
        del splits
        from zoo.models.fusion.figures import draw_classes

        return [draw_classes(model, split, folder / "classes.png")]

    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """Puts the networks in front of a classifier that was trained on their features."""
        from zoo.errors import WeightsError
        from zoo.models.fusion.eye import build_eye, eye_digest

        if model.eye is not None:
            return model
        eye = build_eye(self.config)
        digest = eye_digest(eye)
        if digest != facts["eye_sha256"]:
            raise WeightsError(
                f"The networks have the digest {digest[:12]}.",
                expected=f"{facts['eye_sha256'][:12]}, with which the classifier was trained",
                fix="put the files back that the run's config.json names as weights and second_weights",
            )
        return model.behind(eye, self._map_classes(eye))

    def signatures(self, model: keras.Model) -> list[Signature]:
        """See `zoo.models.fusion.signatures`."""
        from zoo.models.fusion.signatures import fusion_signatures

        return fusion_signatures(model)

    def _map_classes(self, eye: keras.Model) -> tuple[str, ...]:
        from zoo.models.fusion.map_classes import map_classes

        return map_classes(self.config, eye)


class LayerConcatRecipe(FusionRecipe):
    """Pooled layers of the networks side by side (report, Table 1 and Fig. 1)."""

    name = "layer_concat_svm"
    Config = ConcatConfig
    presets = CONCAT_PRESETS
    data_settings = frozenset(field.name for field in fields(ConcatConfig)) - _OF_THE_CLASSIFIER


class MpnCbpRecipe(FusionRecipe):
    """Compact bilinear pooling with matrix power normalisation (report, Table 2)."""

    name = "mpn_cbp"
    Config = MpnCbpConfig
    presets = MPN_CBP_PRESETS
    data_settings = frozenset(field.name for field in fields(MpnCbpConfig)) - _OF_THE_CLASSIFIER
