"""`distil`: a Keras model in, a shallower one out."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from zoo.errors import ConfigError
from zoo.models.distillation.distil import distil
from zoo.surgery.partition import partition

SETTINGS = {"epochs": 1, "block_epochs": 1, "batch_size": 32, "scaling": "unit"}


def cnn(per_block, channels=(8, 16)):
    """A plain CNN with so many convolutions in each of two blocks."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((32, 32, 3))], name="plain")
    for width in channels:
        for _ in range(per_block):
            model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(4))
    model.add(layers.Flatten())
    model.add(layers.Dense(6, activation="softmax"))
    return model


def test_a_derived_student(labelled_shapes, tmp_path):
    teacher = cnn(2)
    before = teacher.get_weights()
    student = distil(teacher, labelled_shapes, tmp_path, preset=None, settings=SETTINGS)
    convolutions = [layer for layer in student.network.layers if isinstance(layer, layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [8, 16]
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(layer.trainable for layer in teacher.layers)
    (run,) = (tmp_path / "distilled").iterdir()
    picture = np.zeros((1, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(
        zoo.load_model(run).predict(picture, verbose=0)["logits"],
        student.predict(picture, verbose=0)["logits"],
    )


def test_blocks_of_ones_own(labelled_shapes, tmp_path):
    given = partition(cnn(1)).blocks
    student = distil(
        cnn(2), labelled_shapes, tmp_path, student=given, strategy="whole", preset=None, settings=SETTINGS
    )
    kernels = [layer for layer in student.network.layers if isinstance(layer, layers.Conv2D)]
    assert len(kernels) == 2
    assert student.network.output_shape == (None, 6)


def test_blocks_that_do_not_fit(labelled_shapes, tmp_path):
    with pytest.raises(
        ConfigError, match=r"Block 1 of the student gives \(8, 8, 4\), the teacher's \(8, 8, 8\)"
    ):
        distil(
            cnn(2), labelled_shapes, tmp_path, student=partition(cnn(1, (4, 16))).blocks, settings=SETTINGS
        )
