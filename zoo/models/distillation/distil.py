"""Distillation from Python: a Keras model in, a shallower one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.config import make_config
from zoo.errors import ConfigError
from zoo.files import new_folder, save_keras
from zoo.models.distillation.student import last_layer

if TYPE_CHECKING:
    import keras

    from zoo.data.batches import Splits
    from zoo.models.distillation.classifier import Classifier
    from zoo.models.distillation.config import DistilledConfig
    from zoo.training.options import TrainingOptions


def distil(
    teacher: keras.Model,
    data: str | Path,
    to: Path,
    *,
    strategy: str = "blockwise",
    student: Sequence[keras.Model] | None = None,
    preset: str | None = "cpu",
    settings: Mapping[str, Any] | None = None,
    options: TrainingOptions | None = None,
    skip_bad_images: bool = False,
) -> Classifier:
    """Trains a shallower student of any Keras CNN and leaves a run folder that `mizoo export` takes.

    Args:
        teacher: Functional or sequential, from pictures to class probabilities or logits. It is not changed: a copy
            is written to `<to>/teachers/<time>/teacher.keras`, from which the student is made.
        data: Whatever `mizoo train vgg15 --data` takes; its classes are those of the teacher, in their order.
        to: Folder for the teacher, and for the run under `distilled/<time>/`. Nothing in it is overwritten.
        strategy: "blockwise", "whole", "stepping_stones" or "scratch".
        student: Blocks of your own, one for each block of the teacher, see `zoo.surgery.partition.partition` (and
            `zoo.surgery.flat.flat` for a teacher with nested models); the teacher's head follows them. None: the
            teacher's blocks less `drop` convolutions.
        preset: Of the recipe `distilled`; None for its defaults. Its `subset` is a cap: of fewer pictures all are
            used.
        settings: Changes of the preset, see `mizoo show distilled`: `drop`, `at`, `scaling`, `epochs` ...
        options: Seed, precision, devices, progress bar.
        skip_bad_images: Leave out unusable pictures (counted and listed) instead of stopping.

    Returns:
        The trained student.

    Raises:
        ConfigError: A setting is unknown or an argument of its own, or a block of the student does not fit the
            teacher's. No file is left then.
        DataError: The data have other classes or another size than the teacher.

    Example:
        >>> model = distil(resnet, "pictures", Path("runs"), settings={"scaling": "caffe", "image_size": 64})
    """
    from zoo.models.distillation.recipe import DistilledRecipe
    from zoo.models.distillation.request import fitting_subset
    from zoo.recipe import DataOptions
    from zoo.surgery.flat import flat
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run
    from zoo.training.session import train

    options = options or TrainingOptions()
    names = ["teacher"] if student is None else ["teacher", "student"]
    chosen: dict[str, Any] = {**(settings or {})}
    _check_settings(chosen, student)
    chosen["strategy"] = strategy
    if student is not None:
        student = [flat(block) for block in student]
        chosen["student_at"] = tuple(last_layer(block) for block in student)

    def recipe(folder: Path) -> DistilledRecipe:
        files = {name: str(folder / f"{name}.keras") for name in names}
        config = make_config(DistilledRecipe.Config, DistilledRecipe.presets, preset, {**chosen, **files})
        return DistilledRecipe(config)

    folder = to.resolve() / "teachers" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    reading = DataOptions(skip_bad_images=skip_bad_images, progress=options.progress)
    chosen |= fitting_subset(recipe(folder), chosen, data, reading)
    splits = recipe(folder).splits(data, reading)
    with new_folder(folder) as staging:
        save_keras(teacher, staging / "teacher.keras")
        if student is not None:
            save_keras(_join(recipe(staging).config, student, splits), staging / "student.keras")
        recipe(staging).network(**splits.facts)  # the check that teacher, data and student fit each other
    source = {"data": str(data), "skip_bad_images": skip_bad_images}
    run = Run.create(to, recipe(folder), splits, options, source, preset)
    model: Any = train(recipe(folder), splits, run, options)
    return model


def _check_settings(settings: Mapping[str, Any], student: Sequence[keras.Model] | None) -> None:
    """Raises ConfigError on settings that would not be looked at."""
    taken = {"teacher", "strategy"} | (set() if student is None else {"student", "student_at"})
    if twice := sorted(taken & settings.keys()):
        raise ConfigError(
            f"settings has {', '.join(twice)}, which distil takes from its own arguments.",
            expected=f"settings beside {', '.join(sorted(taken))}",
            fix="write distil(teacher, data, to, strategy=..., student=..., settings={...})",
        )


def _join(config: DistilledConfig, blocks: Sequence[keras.Model], splits: Splits) -> keras.Model:
    """Joins blocks, which fit those of the teacher in the file, with a fresh head of the teacher's form."""
    from zoo.models.distillation.teacher import load_teacher
    from zoo.surgery.assemble import assemble, check_seams
    from zoo.surgery.partition import partition
    from zoo.surgery.shrink import renew

    facts = splits.facts
    network, cuts = load_teacher(config, classes=facts["classes"], image_size=facts["image_size"])
    cut = partition(network, cuts or None)
    check_seams(cut.blocks, blocks, cut.head)
    return assemble([*blocks, renew(cut.head)], name="student")
