"""How a classifier is trained: one function per strategy, each a sequence of resumable stages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import keras

from zoo.data.augmentation import PadCropFlip
from zoo.errors import ConfigError
from zoo.models.distillation.calibration import recalibrate
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.config import ClassifierConfig
from zoo.models.distillation.distillers import BlockDistiller, LogitDistiller, SteppingStones
from zoo.models.distillation.lifeless import PICTURES, EndLifeless
from zoo.models.distillation.schedule import Rates, sgd
from zoo.models.distillation.teacher import frozen, load_answering_teacher, load_teacher
from zoo.surgery.assemble import check_seams
from zoo.surgery.clone import give_weights
from zoo.surgery.features import with_features
from zoo.surgery.graph import graph_of
from zoo.surgery.partition import Partition, partition
from zoo.surgery.shrink import copy_first_layers
from zoo.training.fit import fit

if TYPE_CHECKING:
    from zoo.data.batches import Splits
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """One training of one student."""

    model: Classifier
    splits: Splits
    run: Run
    config: ClassifierConfig
    options: TrainingOptions

    @property
    def augmentation(self) -> PadCropFlip | None:
        """What happens to the training pictures."""
        if self.config.augmentation == "none":
            return None
        return PadCropFlip(flip=self.config.augmentation == "crop_flip")

    def fit(self, learner: keras.Model, rate: float, *, warmup_epochs: int) -> None:
        """Trains the whole network, alone or within a distiller."""
        learner.compile(optimizer=sgd(self.config, rate))
        schedule = Rates(self.config, rate, self.config.epochs, warmup_epochs=warmup_epochs)
        fit(
            learner,
            self.splits,
            self.run,
            self.config,
            self.options,
            callbacks=[schedule, EndLifeless(self.model.network, self.some_pictures)],
            augmentation=self.augmentation,
        )

    @property
    def some_pictures(self) -> Any:
        """A few that it is trained on."""
        return next(iter(self.splits.train.once(PICTURES)))[0]

    def fit_blocks(self, learner: keras.Model) -> None:
        """Trains the blocks apart."""
        config = replace(self.config, epochs=self.config.block_epochs, schedule="cosine", patience=None)
        rate = config.block_learning_rate
        learner.compile(optimizer=keras.optimizers.Adam(rate))
        fit(
            learner,
            self.splits,
            self.run,
            config,
            self.options,
            callbacks=[Rates(config, rate, config.epochs)],
            augmentation=self.augmentation,
            stage="blocks",
        )

    def teacher(self) -> tuple[keras.Model, Partition]:
        """Returns the teacher's network, whole and cut into blocks."""
        facts = self.splits.facts
        network, cuts = load_teacher(self.config, classes=facts["classes"], image_size=facts["image_size"])
        return network, partition(network, cuts or None)

    def student(self, teacher: Partition) -> Partition:
        """Returns the student cut into blocks that fit those of the teacher, whose head it takes over."""
        student = partition(self.model.network, self.model.cuts or None)
        check_seams(teacher.blocks, student.blocks, student.head)
        wanted, found = ([tuple(weight.shape) for weight in part.head.weights] for part in (teacher, student))
        if wanted != found:
            raise ConfigError(
                f"The head of the student has weights {found}, that of the teacher {wanted}.",
                expected="the same head: the student takes over its weights",
                fix="give both the same width, head_width and pools",
            )
        give_weights(student.head, teacher.head.get_weights())
        return student

    def copy_first_layers(self) -> None:
        """Gives the student the weights of the teacher's layers, block by block, as far as it has them."""
        _, teacher = self.teacher()
        student = self.student(teacher)
        copied = [copy_first_layers(*pair) for pair in zip(teacher.blocks, student.blocks, strict=True)]
        log.info("layers taken over from the teacher, per block: %s", copied)

    def pictures(self) -> Iterator[Any]:
        """Yields the training pictures of one epoch, in batches as they are trained on."""
        size = self.config.batch_size
        batches = self.splits.train.epochs(size, seed=self.options.seed, augmentation=self.augmentation)
        for step, (image, _) in enumerate(batches):
            if step == self.splits.train.steps(size):
                return
            yield image

    @property
    def started(self) -> bool:
        """Whether epochs of the whole network have been trained: they are restored, with all that came before."""
        return (self.run.checkpoint / "state.npz").is_file()

    def note(self, stage: str) -> None:
        """Records the accuracy on validation after a stage."""
        found = self.model.evaluate(
            self.splits.validation.once(self.config.batch_size), verbose=0, return_dict=True
        )
        self.run.note(stage, found)
        log.info("%s: accuracy %.4f on validation", stage, found["accuracy"])


def train(training: Training) -> None:
    """Trains by the strategy that the config names."""
    if training.config.start == "teacher":
        training.copy_first_layers()
    STRATEGY[training.config.strategy](training)
    # It is saved with its optimiser; where another model's has trained it, Keras would warn at every loading.
    training.model.optimizer.build(training.model.trainable_variables)


def scratch(training: Training) -> None:
    """By the labels alone; from random weights the report's curve (3)."""
    config = training.config
    training.fit(training.model, config.learning_rate, warmup_epochs=config.warmup_epochs)


def whole(training: Training) -> None:
    """By the labels and the logits of the teacher; from random weights the report's curve (1)."""
    config, facts, student = training.config, training.splits.facts, training.model.network
    teacher: keras.Layer
    if config.hint_weight:
        network, parts = training.teacher()
        own = partition(student, training.model.cuts or None)
        check_seams(parts.blocks, own.blocks)
        middle = len(parts.cuts) // 2
        teacher = _with_hint(network, parts.cuts[middle])
        student = _with_hint(student, own.cuts[middle])
    else:
        teacher = load_answering_teacher(config, classes=facts["classes"], image_size=facts["image_size"])
    with frozen(teacher):
        learner = LogitDistiller(
            student,
            teacher,
            temperature=config.temperature,
            kd_weight=config.kd_weight,
            hint_weight=config.hint_weight,
        )
        training.fit(learner, config.learning_rate, warmup_epochs=config.warmup_epochs)


def blockwise(training: Training) -> None:
    """Every block imitates the teacher's, then the joined blocks are tuned: the report's curve (2)."""
    config, model = training.config, training.model
    network, teacher = training.teacher()
    student = training.student(teacher)
    with frozen(network):
        pairs = [
            with_features(*pair, config.feature) for pair in zip(teacher.blocks, student.blocks, strict=True)
        ]
        blocks = BlockDistiller(
            [block for block, _ in pairs],
            [block for _, block in pairs],
            head=teacher.head if config.last_block == "logits" else None,
            relative=config.relative_error,
        )
        training.fit_blocks(blocks)
        if not training.started:
            training.note("joined")
            if config.recalibrate and recalibrate(model.network, training.pictures()):
                training.note("recalibrated")
        whole_student = LogitDistiller(
            model.network, network, temperature=config.temperature, kd_weight=config.kd_weight
        )
        training.fit(whole_student, config.learning_rate * config.fine_tune_rate, warmup_epochs=0)
    training.note("tuned")


def stepping_stones(training: Training) -> None:
    """Student blocks followed by the teacher's, all at once (Block-KD)."""
    config = training.config
    network, teacher = training.teacher()
    student = training.student(teacher)
    with frozen(network):
        learner = SteppingStones(
            teacher.parts,
            student.parts,
            temperature=config.temperature,
            kd_weight=config.kd_weight,
        )
        training.fit(learner, config.learning_rate, warmup_epochs=config.warmup_epochs)


STRATEGY: dict[str, Callable[[Training], None]] = {
    "scratch": scratch,
    "whole": whole,
    "blockwise": blockwise,
    "stepping_stones": stepping_stones,
}


def _with_hint(network: keras.Model, layer: str) -> keras.Model:
    # A layer that was shared in cutting has outputs in several graphs: this network's is wanted.
    calls = {call.layer.name: call.outputs[0] for call in graph_of(network).calls}
    return keras.Model(network.input, {"logits": network.output, "hint": calls[layer]}, name=network.name)
