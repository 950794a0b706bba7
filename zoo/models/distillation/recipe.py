"""`vgg15`, its two students, and `distilled`, from files on disk to the answers of a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.models.distillation.config import PRESETS, VGG_PRESETS, ClassifierConfig, DistilledConfig, VggConfig
from zoo.recipe import DataOptions, Recipe

if TYPE_CHECKING:
    import keras

    from export.signatures import Signature
    from zoo.data.batches import Split, Splits
    from zoo.models.distillation.classifier import Classifier
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run


class ClassifierRecipe(Recipe):
    """What all four have in common: everything but the network."""

    config: ClassifierConfig
    Config = ClassifierConfig
    presets = PRESETS
    data_settings = frozenset({"image_size", "subset", "validation_fraction", "test_fraction", "split_seed"})

    @classmethod
    def register(cls) -> None:
        """The classifier, its batch normalisation and the scaling of pixels."""
        import zoo.layers.fused_batch_normalization
        import zoo.models.distillation.classifier
        import zoo.preprocessing.scaling  # noqa: F401

    def splits(self, data: str | Path, options: DataOptions) -> Splits:
        """See `zoo.models.distillation.data.read_splits`."""
        from zoo.models.distillation.data import read_splits

        return read_splits(data, self.config, options)

    def compile(self, model: keras.Model) -> None:
        """SGD with momentum; the recipe of every VGG."""
        from zoo.models.distillation.schedule import sgd

        model.compile(optimizer=sgd(self.config, self.config.learning_rate))

    def fit(self, model: keras.Model, splits: Splits, run: Run, options: TrainingOptions) -> None:
        """Trains by the strategy that the config names, see `zoo.models.distillation.stages`."""
        from zoo.models.distillation.stages import Training, train

        train(Training(model, splits, run, self.config, options))

    def evaluate(self, model: keras.Model, splits: Splits, split: Split) -> dict[str, dict[str, float]]:
        """Accuracy beside that of the majority class and of the teacher."""
        from zoo.models.distillation.evaluation import evaluate
        from zoo.models.distillation.teacher import answering_classifier

        return evaluate(model, splits, split, answering_classifier(self.config, splits))

    def figures(self, model: keras.Model, splits: Splits, split: Split, folder: Path) -> list[Path]:
        """Which classes are taken for which."""
        from zoo.models.distillation.figures import draw_confusion

        del splits
        return [draw_confusion(model, split, folder / "confusion.png")]

    def servable(self, model: keras.Model, facts: Mapping[str, Any]) -> keras.Model:
        """The model itself: it takes pictures."""
        del facts
        return model

    def signatures(self, model: keras.Model) -> list[Signature]:
        """See `zoo.models.distillation.signatures`."""
        from zoo.models.distillation.signatures import classifier_signatures

        return classifier_signatures(model)


class VggRecipe(ClassifierRecipe):
    """A VGG with so many convolutions per block."""

    config: VggConfig
    Config = VggConfig
    presets = VGG_PRESETS
    convolutions: ClassVar[tuple[int, ...]]

    def network(
        self,
        *,
        classes: Sequence[str],
        image_size: int = 32,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        deviation: Sequence[float] = (0.25, 0.25, 0.25),
    ) -> Classifier:
        """Builds the network.

        Args:
            classes: Their names.
            image_size: Side of the pictures in pixels.
            mean: Of the training pictures in 0..1, one number per channel.
            deviation: Likewise.
        """
        from zoo.models.distillation.classifier import Classifier
        from zoo.models.distillation.vgg import BLOCKS, vgg

        network = vgg(
            self.convolutions,
            classes=len(classes),
            image_size=image_size,
            mean=mean,
            deviation=deviation,
            width=self.config.width,
            batch_norm=self.config.batch_norm,
            pools=self.config.pools,
            head_width=self.config.head_width,
            dropout=self.config.dropout,
        )
        return Classifier(network, classes=classes, cuts=BLOCKS, name=self.name)


class Vgg15Recipe(VggRecipe):
    """The report's teacher: VGG16 with one dense layer less."""

    name = "vgg15"
    convolutions = (2, 2, 3, 3, 3)


class MinusOneRecipe(VggRecipe):
    """One convolution less in every block (report, experiment 1)."""

    name = "vgg15_minus_one"
    convolutions = (1, 1, 2, 2, 2)


class OnePerBlockRecipe(VggRecipe):
    """One convolution in every block (report, experiment 2)."""

    name = "vgg15_one_per_block"
    convolutions = (1, 1, 1, 1, 1)


class DistilledRecipe(ClassifierRecipe):
    """A student made from any teacher, by leaving out convolutions of its blocks."""

    name = "distilled"
    config: DistilledConfig
    Config = DistilledConfig

    def network(
        self,
        *,
        classes: Sequence[str],
        image_size: int = 32,
        mean: Sequence[float] | None = None,
        deviation: Sequence[float] | None = None,
    ) -> Classifier:
        """Derives the student.

        Args:
            classes: Their names; as many as the teacher tells apart.
            image_size: Side of the pictures in pixels, that of the teacher.
            mean: Not looked at: the student scales pixels as its teacher does.
            deviation: Likewise.
        """
        del mean, deviation
        from zoo.models.distillation.student import make_student

        return make_student(self.config, classes=classes, image_size=image_size, name=self.name)
