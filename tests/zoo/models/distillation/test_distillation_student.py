"""Students that are derived from a teacher, or given in a file."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

import zoo
from zoo.errors import ConfigError
from zoo.models.distillation.student import make_student
from zoo.models.distillation.vgg import BLOCKS
from zoo.training.options import TrainingOptions
from zoo.training.run import Run
from zoo.training.session import train

CLASSES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def deep_file(make_classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("deep") / "deep.keras"
    make_classifier((2, 2, 3, 3, 1)).save(path)
    return str(path)


def student(recipe):
    return make_student(recipe.config, classes=CLASSES, image_size=32, name="distilled")


def convolutions(model):
    names = [layer.name for layer in model.network.layers if isinstance(layer, keras.layers.Conv2D)]
    return tuple(sum(name.startswith(block) for name in names) for block in BLOCKS)


@pytest.mark.parametrize(("drop", "expected"), [(1, (1, 1, 2, 2, 1)), (2, (1, 1, 1, 1, 1))])
def test_blocks_lose_what_they_can_spare(drop, expected, deep_file, student_recipe, make_classifier):
    made = student(student_recipe("distilled", teacher=deep_file, drop=drop))
    assert convolutions(made) == expected
    assert made.cuts == BLOCKS
    assert made.classes == CLASSES
    assert all(layer.trainable for layer in made.network.layers)
    # It scales pixels as its teacher does, and begins with weights of its own.
    image = np.arange(2 * 32 * 32 * 3, dtype=np.uint8).reshape(2, 32, 32, 3)
    teacher = make_classifier((2, 2, 3, 3, 1)).network
    np.testing.assert_array_equal(
        made.network.get_layer("scaling")(image), teacher.get_layer("scaling")(image)
    )
    name = "block_1_conv_1"
    assert not np.array_equal(
        made.network.get_layer(name).get_weights()[0], teacher.get_layer(name).get_weights()[0]
    )


def test_a_student_of_another_precision_than_its_teacher(deep_file, student_recipe):
    """Convolutions compute in bfloat16; the scaling of pixels and the logits keep every bit."""
    with TrainingOptions(precision="mixed_bfloat16").apply():
        made = student(student_recipe("distilled", teacher=deep_file)).network
    names = ("scaling", "block_1_conv_1", "block_5_norm_1", "logits")
    assert [made.get_layer(name).compute_dtype for name in names] == [
        "float32", "bfloat16", "bfloat16", "float32",
    ]  # fmt: skip
    assert all(weight.dtype == "float32" for weight in made.weights)


def test_nothing_to_spare(student_recipe, teacher_file):
    with pytest.raises(ConfigError) as raised:
        student(student_recipe("distilled"))
    assert str(raised.value) == (
        f"None of the 5 blocks of {teacher_file} has a convolution to spare.\n"
        "Expected: a block with two convolutions whose maps have the same shape\n"
        "Fix: cut it into fewer blocks: set at=LAYER,LAYER; where every layer changes the number of channels "
        "(DenseNet), give a student of your own: set student=FILE.keras"
    )


def test_a_block_of_pooling_alone(student_recipe, tmp_path, make_classifier):
    path = tmp_path / "deep.keras"
    make_classifier((2, 2, 1, 1, 1)).save(path)
    recipe = student_recipe("distilled", teacher=str(path), at=("block_1_relu_2", "block_1", "block_2"))
    with pytest.raises(ConfigError) as raised:
        student(recipe)
    assert str(raised.value).startswith(
        "Block 2 of the teacher, which ends with 'block_1', has no convolution."
    )


def test_a_given_student(deep_file, teacher_file, student_recipe, make_classifier):
    made = student(student_recipe("distilled", teacher=deep_file, student=str(teacher_file)))
    assert convolutions(made) == (1, 1, 1, 1, 1)
    image = np.arange(2 * 32 * 32 * 3, dtype=np.uint8).reshape(2, 32, 32, 3)
    # Its weights are those of the file.
    np.testing.assert_allclose(made(image)["logits"], make_classifier()(image)["logits"], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 0.25}, "Block 1 of the student gives (16, 16, 16), the teacher's (16, 16, 8)."),
        ({"pools": 3}, "The student has 4 blocks, the teacher 5."),
    ],
    ids=["width", "blocks"],
)
def test_a_given_student_that_does_not_fit(
    settings, said, deep_file, student_recipe, make_classifier, tmp_path
):
    make_classifier(**settings).save(tmp_path / "student.keras")
    with pytest.raises(ConfigError) as raised:
        student(student_recipe("distilled", teacher=deep_file, student=str(tmp_path / "student.keras")))
    assert str(raised.value).startswith(said)


def test_a_student_with_too_many_classes(deep_file, student_recipe, make_classifier, tmp_path):
    make_classifier(classes=(*CLASSES, "dog")).save(tmp_path / "student.keras")
    recipe = student_recipe("distilled", teacher=deep_file, student=str(tmp_path / "student.keras"))
    with pytest.raises(zoo.ZooError, match="tells 4 classes apart; the data have 3"):
        student(recipe)


def test_a_student_file_that_is_not_there(deep_file, student_recipe, tmp_path):
    recipe = student_recipe("distilled", teacher=deep_file, student=str(tmp_path / "none.keras"))
    with pytest.raises(zoo.ZooError, match=r"The student .*none\.keras does not exist"):
        student(recipe)


def test_a_mobilenet_from_keras_applications(student_recipe, toy_splits, tmp_path):
    """Blocks by resolution, pixels of -1..1, a softmax on top: a student trained block by block, then served."""
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet(
        input_shape=(32, 32, 3), alpha=0.25, weights=None, classes=3, dropout=0.1
    )
    network.save(tmp_path / "mobilenet.keras")
    recipe = student_recipe(
        "distilled", teacher=str(tmp_path / "mobilenet.keras"), scaling="tf", epochs=1, block_epochs=1
    )
    run = Run.create(tmp_path / "runs", recipe, toy_splits, TrainingOptions(), {"data": "toy"}, None)
    model = train(recipe, toy_splits, run, TrainingOptions())
    assert len(model.cuts) == 5
    assert len(model.network.layers) < len(network.layers)
    assert model.network.get_layer("pixel_scaling").mode == "tf"
    assert list(json.loads((run.folder / "stages.json").read_text())) == ["joined", "recalibrated", "tuned"]
    rows = json.loads((run.folder / "metrics.json").read_text())["test"]
    assert list(rows) == ["model", "majority class", "teacher"]
    assert rows["teacher"]["agreement"] == 1.0
    loaded = zoo.load_model(run.folder)
    pixels = toy_splits.test.inputs["image"]
    np.testing.assert_array_equal(
        loaded.predict(pixels, verbose=0)["logits"], model.predict(pixels, verbose=0)["logits"]
    )
