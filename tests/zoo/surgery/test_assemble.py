"""Joining parts, and the seams between a teacher's and a student's blocks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.assemble import assemble, check_seams
from zoo.surgery.partition import partition


def block(size, before, after, *, pool=2, name="conv"):
    x = start = keras.Input((size, size, before))
    x = layers.Conv2D(after, 3, padding="same", name=name)(x)
    return keras.Model(start, layers.MaxPooling2D(pool, name=f"{name}_pool")(x), name=f"part_{name}")


TEACHER = [block(16, 3, 64, name="a"), block(8, 64, 128, name="b"), block(4, 128, 256, pool=1, name="c")]


def student(number, replacement):
    return [replacement if place == number else part for place, part in enumerate(TEACHER, start=1)]


def test_the_result_is_flat_and_keeps_the_name_of_the_input(vgg):
    parts = partition(vgg())
    whole = assemble([*parts.blocks, parts.head], "joined")
    assert whole.name == "joined"
    assert whole.layers[0].name == "image"
    assert not any(isinstance(layer, keras.Model) for layer in whole.layers)


def test_an_assembled_model_loads_from_its_file(residual, tmp_path, images, run):
    parts = partition(residual)
    whole = assemble([*parts.blocks, parts.head], "saved")
    whole.save(tmp_path / "saved.keras")
    x = images(residual)
    assert np.array_equal(run([keras.models.load_model(tmp_path / "saved.keras")], x), run([residual], x))


def test_seams_that_fit():
    check_seams(TEACHER, student(2, block(8, 64, 128)))


def test_a_block_with_another_output():
    with pytest.raises(ConfigError) as caught:
        check_seams(TEACHER, student(3, block(4, 128, 128, pool=1)))
    assert str(caught.value) == (
        "Block 3 of the student gives (4, 4, 128), the teacher's (4, 4, 256).\n"
        "Expected: the same output shape, so that the blocks can be swapped\n"
        "Fix: let student block 3 end with the teacher's resolution and channels"
    )


def test_a_block_with_another_input():
    with pytest.raises(ConfigError) as caught:
        check_seams(TEACHER, student(2, block(16, 64, 128, pool=4)))
    assert str(caught.value) == (
        "Block 2 of the student takes (16, 16, 64), the teacher's (8, 8, 64).\n"
        "Expected: the same input shape, so that the blocks can be swapped\n"
        "Fix: build student block 2 on keras.Input((8, 8, 64))"
    )


def test_a_block_too_few_and_a_head_of_another_network(vgg):
    with pytest.raises(ConfigError, match=r"^The student has 2 blocks, the teacher 3\."):
        check_seams(TEACHER, TEACHER[:2])
    with pytest.raises(
        ConfigError, match=r"^Block 3 of the student gives \(4, 4, 256\), but the head takes \(1, 1, 32\)\."
    ):
        check_seams(TEACHER, TEACHER, partition(vgg()).head)


def test_parts_that_cannot_be_joined():
    with pytest.raises(
        ConfigError, match=r"^'part_a' gives \(8, 8, 64\), but 'part_c' takes \(4, 4, 128\)\."
    ):
        assemble([TEACHER[0], TEACHER[2]], "gap")
    with pytest.raises(ConfigError, match=r"^Several layers are called a, a_pool\."):
        assemble([TEACHER[0], block(8, 64, 64, name="a")], "twins")
    with pytest.raises(ConfigError, match=r"^There are no parts to assemble\."):
        assemble([], "nothing")
