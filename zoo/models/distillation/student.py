"""A student that is derived from its teacher: the same blocks with fewer convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras

from zoo.checks import existing, listing
from zoo.errors import ConfigError, DataError
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.teacher import load_teacher
from zoo.surgery.assemble import assemble, check_seams
from zoo.surgery.graph import graph_of
from zoo.surgery.kinds import has_convolution
from zoo.surgery.partition import Partition, partition
from zoo.surgery.shrink import removable, renew, shrink

if TYPE_CHECKING:
    from zoo.models.distillation.config import DistilledConfig


def make_student(
    config: DistilledConfig, *, classes: Sequence[str], image_size: int, name: str
) -> Classifier:
    """Returns the student of a config: the one in a file, or one derived from the teacher.

    Args:
        config: `teacher`, `at`, `scaling`; `drop`, or `student` and `student_at`.
        classes: Of the data.
        image_size: Of the data.
        name: Of the model.

    Raises:
        ConfigError: A block of the given student does not fit the teacher's, or no block has a convolution to spare.
        DataError: The file of the student is not there, or tells another number of classes apart than the data have.
    """
    network, cuts = load_teacher(config, classes=classes, image_size=image_size)
    teacher = partition(network, cuts or None)
    check_blocks(teacher)
    blocks, head = derived(teacher, config) if config.student is None else given(teacher, config, classes)
    student = assemble([*blocks, head], name=f"{network.name}_student")
    return Classifier(student, classes=classes, cuts=[last_layer(block) for block in blocks], name=name)


def check_blocks(teacher: Partition) -> None:
    """Raises ConfigError for a block in which there is nothing to learn."""
    for number, (block, cut) in enumerate(zip(teacher.blocks, teacher.cuts, strict=True), start=1):
        if not any(has_convolution(segment) for segment in graph_of(block).segments()):
            raise ConfigError(
                f"Block {number} of the teacher, which ends with '{cut}', has no convolution.",
                expected="blocks of which each has one at least",
                fix=f"leave out a cut: '{cut}', or the one before it",
            )


def derived(teacher: Partition, config: DistilledConfig) -> tuple[list[keras.Model], keras.Model]:
    """Returns blocks with `drop` convolutions less, and the head, all with fresh weights.

    Blocks that have nothing to spare are built as the teacher has them.
    """
    spare = [removable(block) for block in teacher.blocks]
    if not any(spare):
        raise ConfigError(
            f"None of the {len(spare)} blocks of {config.teacher} has a convolution to spare.",
            expected="a block with two convolutions whose maps have the same shape",
            fix="cut it into fewer blocks: set at=LAYER,LAYER; where every layer changes the number of channels "
            "(DenseNet), give a student of your own: set student=FILE.keras",
        )
    policy = keras.config.dtype_policy()
    blocks = [
        shrink(block, remove=config.drop, dtype=policy) if more else renew(block, dtype=policy)
        for block, more in zip(teacher.blocks, spare, strict=True)
    ]
    return blocks, renew(teacher.head)


def given(
    teacher: Partition, config: DistilledConfig, classes: Sequence[str]
) -> tuple[list[keras.Model], keras.Model]:
    """Returns the blocks of the student in a file, behind the teacher's scaling of pixels, and its head."""
    from zoo.models.distillation.teacher import read_network

    path = existing(str(config.student), "The student")
    student = partition(
        read_network(path, config.scaling, image_size=teacher.blocks[0].input_shape[1]),
        config.student_at or None,
    )
    check_seams(teacher.blocks, student.blocks, student.head)
    if student.head.output_shape[-1] != len(classes):
        raise DataError(
            f"The student {path} tells {student.head.output_shape[-1]} classes apart; the data have {len(classes)}: "
            f"{listing(classes)}.",
            expected="a student of the data's classes",
            fix=f"build its last layer with {len(classes)} units",
        )
    return list(student.blocks), student.head


def last_layer(block: keras.Model) -> str:
    """Returns the name of the layer that gives a block's output."""
    return graph_of(block).segments()[-1].name
