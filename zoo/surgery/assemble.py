"""Joining blocks to one network, and the check that they fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import keras

from zoo.checks import listing
from zoo.errors import ConfigError
from zoo.surgery.graph import graph_of, input_like, rerun


def assemble(parts: Sequence[keras.Model], name: str) -> keras.Model:
    """Joins parts to one flat functional model.

    Args:
        parts: Blocks and head in their order; each eats what the one before gives. They share their layers with
            the result: training one trains the other.
        name: Of the model.

    Returns:
        A functional model without nested models, with the input (shape, dtype and name) of the first part.

    Raises:
        ConfigError: A part does not fit the one before, or two layers have the same name.
    """
    if not parts:
        raise ConfigError("There are no parts to assemble.", fix="give at least one block")
    graphs = [graph_of(part) for part in parts]
    for before, after, left, right in zip(parts, parts[1:], graphs, graphs[1:], strict=False):
        if not _fits(left.output.shape, right.input.shape):
            raise ConfigError(
                f"'{before.name}' gives {_shape(left.output)}, but '{after.name}' takes {_shape(right.input)}.",
                expected="that each part takes what the one before gives",
                fix="check the order of the parts, or change the last layer of the first of the two",
            )
    layers = {id(layer): layer for graph in graphs for call in graph.calls for layer in [call.layer]}
    twice = [layer for layer, times in Counter(layer.name for layer in layers.values()).items() if times > 1]
    if twice:
        raise ConfigError(
            f"Several layers are called {listing(sorted(twice))}.",
            expected="another name for every layer of the assembled model",
            fix="name the layers of every block after the block, e.g. block_2_conv_1",
        )
    x = start = input_like(graphs[0].input, graphs[0].input_name)
    for graph in graphs:
        x = rerun(graph.segments(), x)
    return keras.Model(start, x, name=name)


def check_seams(
    teacher_blocks: Sequence[keras.Model],
    student_blocks: Sequence[keras.Model],
    head: keras.Model | None = None,
) -> None:
    """Raises unless every student block can take the place of the teacher's.

    Args:
        teacher_blocks: As `partition` gives them.
        student_blocks: As many, each with the input and output shape of the teacher's.
        head: What follows the last block, where it is known.

    Raises:
        ConfigError: Naming the first block that does not fit, with both shapes.
    """
    if len(teacher_blocks) != len(student_blocks):
        raise ConfigError(
            f"The student has {len(student_blocks)} blocks, the teacher {len(teacher_blocks)}.",
            expected="one student block for each block of the teacher",
            fix="give as many student blocks, or cut the teacher elsewhere",
        )
    for number, (teacher, student) in enumerate(zip(teacher_blocks, student_blocks, strict=True), start=1):
        ours, theirs = graph_of(student), graph_of(teacher)
        if not _fits(ours.input.shape, theirs.input.shape):
            raise ConfigError(
                f"Block {number} of the student takes {_shape(ours.input)}, the teacher's {_shape(theirs.input)}.",
                expected="the same input shape, so that the blocks can be swapped",
                fix=f"build student block {number} on keras.Input({_shape(theirs.input)})",
            )
        if not _fits(ours.output.shape, theirs.output.shape):
            raise ConfigError(
                f"Block {number} of the student gives {_shape(ours.output)}, the teacher's {_shape(theirs.output)}.",
                expected="the same output shape, so that the blocks can be swapped",
                fix=f"let student block {number} end with the teacher's resolution and channels",
            )
    if head is not None and student_blocks:
        last, start = graph_of(student_blocks[-1]).output, graph_of(head).input
        if not _fits(last.shape, start.shape):
            raise ConfigError(
                f"Block {len(student_blocks)} of the student gives {_shape(last)}, but the head takes {_shape(start)}.",
                expected="the shape that the head takes",
                fix="give the head of the same teacher",
            )


def _fits(left: Sequence[int | None], right: Sequence[int | None]) -> bool:
    """Whether two shapes agree; an open dimension fits any."""
    return len(left) == len(right) and all(
        a is None or b is None or a == b for a, b in zip(left[1:], right[1:], strict=True)
    )


def _shape(tensor: Any) -> str:
    return str(tuple(tensor.shape[1:]))
