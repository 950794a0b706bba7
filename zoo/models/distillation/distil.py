"""Distillation from Python: a Keras model in, a shallower one out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.files import save_keras
from zoo.models.distillation.student import last_layer

if TYPE_CHECKING:
    import keras

    from zoo.models.distillation.classifier import Classifier
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
) -> Classifier:
    """Trains a shallower student of any Keras CNN and leaves a run folder that `mizoo export` takes.

    Args:
        teacher: Functional or sequential, from pictures to class probabilities or logits. It is not changed: a copy
            is written to `<to>/teacher.keras`, from which the student is made.
        data: Whatever `mizoo train vgg15 --data` takes; its classes are those of the teacher, in their order.
        to: Folder for the teacher, and for the run under `distilled/<time>/`.
        strategy: "blockwise", "whole", "stepping_stones" or "scratch".
        student: Blocks of your own, one for each block of the teacher, see `zoo.surgery.partition.partition`; the
            teacher's head follows them. None: the teacher's blocks less `drop` convolutions.
        preset: Of the recipe `distilled`; None for its defaults.
        settings: Changes of the preset, see `mizoo show distilled`: `drop`, `at`, `scaling`, `epochs` ...
        options: Seed, precision, devices, progress bar.

    Returns:
        The trained student.

    Raises:
        ConfigError: A setting is unknown, or a block of the student does not fit the teacher's.
        DataError: The data have other classes or another size than the teacher.

    Example:
        >>> model = distil(resnet, "pictures", Path("runs"), settings={"scaling": "caffe", "image_size": 64})
    """
    from zoo.models.distillation.recipe import DistilledRecipe
    from zoo.recipe import DataOptions
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run
    from zoo.training.session import train

    options = options or TrainingOptions()
    file = save_keras(teacher, to / "teacher.keras")
    chosen = {**(settings or {}), "teacher": str(file), "strategy": strategy}
    if student is not None:
        chosen |= _write_student(teacher, student, to / "student.keras")
    recipe = DistilledRecipe.configured(preset, chosen)
    splits = recipe.splits(data, DataOptions(progress=options.progress))
    run = Run.create(to, recipe, splits, options, {"data": str(data)}, preset)
    model: Any = train(recipe, splits, run, options)
    return model


def _write_student(teacher: keras.Model, blocks: Sequence[keras.Model], file: Path) -> dict[str, Any]:
    """Joins the blocks with a fresh head of the teacher's form; returns the settings that name the file."""
    from zoo.models.distillation.classifier import Classifier
    from zoo.surgery.assemble import assemble, check_seams
    from zoo.surgery.logits import to_logits
    from zoo.surgery.partition import partition
    from zoo.surgery.shrink import renew

    known = teacher.cuts if isinstance(teacher, Classifier) else ()
    cut = partition(teacher.network if isinstance(teacher, Classifier) else to_logits(teacher), known or None)
    check_seams(cut.blocks, blocks, cut.head)
    save_keras(assemble([*blocks, renew(cut.head)], name="student"), file)
    return {"student": str(file), "student_at": tuple(last_layer(block) for block in blocks)}
