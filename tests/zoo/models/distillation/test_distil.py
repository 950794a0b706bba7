"""`distil`: a Keras model in, a shallower one out."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.class_folders import write_with_a_bad_picture
from zoo.errors import ConfigError, DataError
from zoo.models.distillation import stages
from zoo.models.distillation.distil import distil
from zoo.surgery.partition import partition
from zoo.surgery.shrink import shrink

SETTINGS = {"epochs": 1, "block_epochs": 1, "batch_size": 32, "scaling": "unit"}


def cnn(per_block, channels=(8, 16), pool=4):
    """A plain CNN with so many convolutions in each of its blocks."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((32, 32, 3))], name="plain")
    for width in channels:
        for _ in range(per_block):
            model.add(layers.Conv2D(width, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(pool))
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


class KilledError(Exception):
    """What ends a training here."""


@pytest.fixture
def started(monkeypatch):
    """`distil` whose training is killed as soon as it begins: -> the configs of the runs in the folder, by time."""

    def killed(training):
        raise KilledError

    monkeypatch.setitem(stages.STRATEGY, "scratch", killed)

    def start(teacher, data, to, *, settings=SETTINGS, **more):
        with pytest.raises(KilledError):
            distil(teacher, data, to, strategy="scratch", settings=settings, **more)
        return [json.loads(file.read_text()) for file in sorted(to.glob("distilled/*/config.json"))]

    return start


def test_blocks_of_ones_own_of_a_teacher_cut_elsewhere(started, labelled_shapes, tmp_path):
    teacher = cnn(1, (8, 8, 16), pool=2)
    at = [layer.name for layer in teacher.layers if isinstance(layer, layers.MaxPooling2D)][1:]
    blocks = [
        block if number else shrink(block) for number, block in enumerate(partition(teacher, at).blocks)
    ]
    settings = SETTINGS | {"at": at}
    (run,) = started(teacher, labelled_shapes, tmp_path, student=blocks, settings=settings)
    assert run["config"]["at"] == at
    assert len(run["config"]["student_at"]) == 2


def test_nested_models_stay_as_they_are(started, labelled_shapes, tmp_path):
    """Taking them apart renames layers; of what is given none."""

    def stages_of(per_block, pool):
        shape = (32, 32, 3)
        for name, channels in (("one", 4), ("two", 8)):
            convolutions = [
                layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"conv_{i}")
                for i in range(per_block)
            ]
            stage = [keras.Input(shape), *convolutions, layers.MaxPooling2D(pool, name="pool")]
            yield keras.Sequential(stage, name=name)
            shape = (shape[0] // pool, shape[1] // pool, channels)

    parts = list(stages_of(2, 4))
    teacher = keras.Sequential([keras.Input((32, 32, 3)), *parts, layers.Flatten(), layers.Dense(6)])
    (run,) = started(teacher, labelled_shapes, tmp_path, student=list(wrapped(stages_of(1, 4))))
    assert [[layer.name for layer in part.layers] for part in parts] == [["conv_0", "conv_1", "pool"]] * 2
    assert run["config"]["student_at"] == ["one_pool", "two_pool"]


def wrapped(stages):
    """Blocks of which each is a model within a model, with layer names of its own."""
    for stage in stages:
        for layer in stage.layers:
            layer.name = f"{stage.name}_{layer.name}"
        yield keras.Sequential([keras.Input(stage.input_shape[1:]), stage], name=f"block_{stage.name}")


def test_another_teacher_in_the_same_folder(started, labelled_shapes, tmp_path):
    """Each run goes on to name its own teacher and student."""
    for number in range(2):
        teacher = cnn(2)
        teacher.layers[-1].bias.assign(np.full(6, float(number)))
        runs = started(teacher, labelled_shapes, tmp_path, student=partition(cnn(1)).blocks)
    named = [run["config"] for run in runs]
    biases = [keras.saving.load_model(one["teacher"]).layers[-1].bias.numpy()[0] for one in named]
    assert biases == [0.0, 1.0]
    assert len({one["student"] for one in named}) == 2


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"epoch": 1}, ConfigError, "There is no setting 'epoch'."),
        (
            {"strategy": "whole"},
            ConfigError,
            "settings has strategy, which distil takes from its own arguments.",
        ),
        ({"teacher": "t"}, ConfigError, "settings has teacher, which distil takes from its own arguments."),
        ({"image_size": 16}, DataError, "takes pictures of 32 x 32; the data are read at 16 pixels."),
        ({"subset": 500}, ConfigError, "subset is 500, but shapes has 108 training pictures"),
    ],
    ids=["unknown", "strategy", "teacher", "size", "subset"],
)
def test_wrong_settings_leave_no_file(settings, error, text, labelled_shapes, tmp_path):
    with pytest.raises(error) as raised:
        distil(cnn(2), labelled_shapes, tmp_path, settings=SETTINGS | settings)
    assert text in str(raised.value)
    assert not files_in(tmp_path)


def test_a_student_named_twice(labelled_shapes, tmp_path):
    settings = SETTINGS | {"student": "s.keras", "student_at": "a,b"}
    with pytest.raises(ConfigError, match="settings has student, student_at"):
        distil(cnn(2), labelled_shapes, tmp_path, student=partition(cnn(1)).blocks, settings=settings)


def test_fewer_pictures_than_the_preset_takes(started, labelled_shapes, tmp_path):
    (run,) = started(cnn(2), labelled_shapes, tmp_path)
    assert run["preset"] == "cpu"
    assert run["config"]["subset"] is None
    assert run["rows"]["train"] == 108


def test_an_unreadable_picture_can_be_skipped(started, tmp_path):
    write_with_a_bad_picture(tmp_path / "data", 6)
    with pytest.raises(DataError, match="cannot be read"):
        distil(cnn(2), tmp_path / "data", tmp_path / "runs", settings=SETTINGS)
    assert not files_in(tmp_path / "runs")
    (run,) = started(cnn(2), tmp_path / "data", tmp_path / "runs", skip_bad_images=True)
    assert run["data"]["skip_bad_images"] is True
    assert sum(run["rows"].values()) == 35
