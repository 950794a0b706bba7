"""Teachers from runs, files and exports, and every reason for which one is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.signatures import write_saved_model
from zoo.errors import ConfigError, DataError, RunError
from zoo.models.distillation.config import ClassifierConfig
from zoo.models.distillation.signatures import classifier_signatures
from zoo.models.distillation.teacher import (
    answering_classifier,
    frozen,
    load_answering_teacher,
    load_teacher,
    read_network,
)
from zoo.models.distillation.vgg import BLOCKS
from zoo.preprocessing.scaling import PixelScaling

CLASSES = ("ant", "bee", "cat")
PIXELS = np.random.default_rng(3).integers(0, 256, (4, 32, 32, 3), np.uint8)


def config_of(path, **settings):
    return ClassifierConfig(strategy="whole", teacher=str(path), **settings)


def load(path, classes=CLASSES, image_size=32, **settings):
    return load_teacher(config_of(path, **settings), classes=classes, image_size=image_size)


@pytest.fixture(scope="module")
def saved_model(make_classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    model = make_classifier()
    tensor = [one for one in classifier_signatures(model) if one.name in ("tensor", "serving_default")]
    write_saved_model(str(folder), tensor)
    return folder


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Somebody's own CNN on pixels of -1..1, with a softmax on top."""
    image = keras.Input((32, 32, 3))
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="one")(image)
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu", name="two")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="said")(x), name="foreign")
    path = tmp_path_factory.mktemp("foreign") / "foreign.keras"
    model.save(path)
    return path, model


def test_a_file_of_ours_has_its_cuts(teacher_file, make_classifier):
    network, cuts = load(teacher_file)
    assert cuts == BLOCKS
    np.testing.assert_array_equal(network(PIXELS), make_classifier()(PIXELS)["logits"])


def test_a_run_is_its_network(trained):
    done = trained("vgg15")
    network, cuts = load(done.run.folder, classes=done.splits.facts["classes"])
    assert cuts == BLOCKS
    np.testing.assert_array_equal(network(PIXELS), done.model(PIXELS)["logits"])


def test_at_replaces_the_cuts(teacher_file):
    assert load(teacher_file, at=("block_2", "block_4"))[1] == ("block_2", "block_4")


def test_a_foreign_file_gets_scaling_before_it_and_loses_its_softmax(foreign):
    path, model = foreign
    network, cuts = load(path, scaling="tf")
    assert cuts == ()
    assert network.input.dtype == "uint8"
    assert isinstance(network.layers[1], PixelScaling)
    logits = np.asarray(network(PIXELS))
    expected = np.asarray(model(PIXELS / np.float32(127.5) - 1))
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), expected, atol=1e-6)
    np.testing.assert_array_equal(read_network(path, "tf")(PIXELS), logits)


def test_an_export_answers_as_the_network_does(saved_model, make_classifier):
    config = config_of(saved_model)
    teacher = load_answering_teacher(config, classes=CLASSES, image_size=32)
    logits = np.asarray(make_classifier()(PIXELS)["logits"], float)
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(teacher(PIXELS), expected, atol=1e-5)
    assert not any(variable.trainable for variable in teacher.variables)


def test_an_export_stands_in_the_table_as_a_classifier(saved_model, toy_splits, make_classifier):
    said = answering_classifier(config_of(saved_model), toy_splits).predict(PIXELS, verbose=0)["logits"]
    expected = np.asarray(make_classifier()(PIXELS)["logits"])
    np.testing.assert_allclose(said - said[:, :1], expected - expected[:, :1], atol=1e-4)


def test_frozen_gives_every_flag_back(make_classifier):
    inner = make_classifier().network
    image = keras.Input((32, 32, 3), dtype="uint8")
    outer = keras.Model(image, inner(image))
    inner.get_layer("block_2_conv_1").trainable = False
    inner.get_layer("block_3_norm_1").trainable = False
    before = [(layer.name, layer.trainable) for layer in (outer, *inner.layers)]
    count = len(outer.trainable_variables)
    with pytest.raises(KeyboardInterrupt), frozen(outer):
        assert not outer.trainable_variables
        assert not inner.get_layer("logits").trainable
        raise KeyboardInterrupt
    assert [(layer.name, layer.trainable) for layer in (outer, *inner.layers)] == before
    assert len(outer.trainable_variables) == count > 0


class TestRefused:
    def test_scaling_of_a_classifier_of_ours(self, teacher_file):
        with pytest.raises(ConfigError, match=r"scaling is caffe, but .* is a classifier of ours"):
            load(teacher_file, scaling="caffe")

    def test_grey_pictures(self, tmp_path):
        image = keras.Input((32, 32, 1))
        x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3, strides=2)(image))
        path = tmp_path / "grey.keras"
        keras.Model(image, keras.layers.Dense(3)(x)).save(path)
        with pytest.raises(DataError, match=r"takes pictures with 1 channel\(s\); the data have 3"):
            load(path)

    def test_an_export_cannot_be_cut(self, saved_model):
        with pytest.raises(ConfigError) as raised:
            load(saved_model)
        assert str(raised.value) == (
            f"The teacher {saved_model} is a SavedModel: a graph without layers, which cannot be cut.\n"
            "Expected: a run folder or a .keras file; strategy=whole alone takes a SavedModel, without hints or "
            "start=teacher\n"
            "Fix: set teacher=RUN, the run folder that it was exported from"
        )

    def test_other_number_of_classes(self, teacher_file):
        with pytest.raises(DataError) as raised:
            load(teacher_file, classes=("ant", "bee"))
        assert str(raised.value) == (
            f"The teacher {teacher_file} tells 3 classes apart; the data have 2: ant, bee.\n"
            "Expected: a teacher of the data's classes\n"
            "Fix: train one on these data: mizoo train vgg15 --data DIR"
        )

    def test_other_number_of_classes_in_an_export(self, saved_model):
        with pytest.raises(DataError, match="tells 3 classes apart; the data have 2: ant, bee"):
            load_answering_teacher(config_of(saved_model), classes=("ant", "bee"), image_size=32)

    def test_another_order_of_classes_in_an_export(self, saved_model):
        with pytest.raises(DataError, match="has other classes than the data, or in another order") as raised:
            load_answering_teacher(config_of(saved_model), classes=("ant", "cat", "bee"), image_size=32)
        assert "it calls a picture " in str(raised.value)

    @pytest.mark.parametrize(
        ("signature", "text"),
        [("tensor", "answers tags: it is no classifier."), ("other", "cannot be asked for its answers")],
    )
    def test_an_export_of_something_else(self, signature, text, tmp_path):
        module = tf.Module()
        answer = tf.function(
            lambda image: {"tags": tf.reduce_mean(tf.cast(image, tf.float32), axis=(1, 2))},
            input_signature=[tf.TensorSpec((None, None, None, 3), tf.uint8, "image")],
        )
        tf.saved_model.save(module, str(tmp_path), signatures={signature: answer})
        with pytest.raises(ConfigError, match=text):
            load_answering_teacher(config_of(tmp_path), classes=CLASSES, image_size=32)

    def test_other_order_of_classes(self, teacher_file):
        with pytest.raises(DataError) as raised:
            load(teacher_file, classes=("ant", "cat", "bee"))
        assert str(raised.value) == (
            f"The teacher {teacher_file} has other classes than the data, or in another order: "
            "'bee' / 'cat', 'cat' / 'bee'.\n"
            "Expected: the same names in the same order\n"
            "Fix: use the data that the teacher was trained on"
        )

    def test_other_size(self, teacher_file):
        with pytest.raises(DataError) as raised:
            load(teacher_file, image_size=64)
        assert str(raised.value) == (
            f"The teacher {teacher_file} takes pictures of 32 x 32; the data are read at 64 pixels.\n"
            "Fix: set image_size=32"
        )

    def test_a_tagger(self, trained):
        folder = trained("tagging_baseline").run.folder
        with pytest.raises(
            RunError, match="is a run of 'tagging_baseline', which is no classifier"
        ) as raised:
            load(folder)
        assert "mizoo train vgg15 --data DIR" in str(raised.value)

    def test_an_unfinished_run(self, student_recipe, toy_splits, tmp_path):
        from zoo.training.options import TrainingOptions
        from zoo.training.run import Run

        run = Run.create(tmp_path, student_recipe(), toy_splits, TrainingOptions(), {"data": "toy"}, None)
        with pytest.raises(RunError, match=r"has no CARD\.md: its training has not ended"):
            load(run.folder)

    def test_a_folder_that_is_no_run(self, tmp_path):
        with pytest.raises(RunError, match=r"is not a run folder: it has no config\.json"):
            load(tmp_path)

    def test_nothing_there(self, tmp_path):
        with pytest.raises(DataError, match=r"The teacher .*none does not exist"):
            load(tmp_path / "none")

    @pytest.mark.parametrize("name", ["broken.keras", "notes.txt"])
    def test_a_file_that_is_no_model(self, name, tmp_path):
        (tmp_path / name).write_text("not a model")
        text = (
            "is no whole .keras file"
            if name == "broken.keras"
            else "is neither a run folder nor a .keras file"
        )
        with pytest.raises(ConfigError, match=text):
            load(tmp_path / name)

    def test_a_file_with_a_class_of_its_own(self, tmp_path):
        class Own(keras.layers.Layer):
            def call(self, x):
                return x

        image = keras.Input((32, 32, 3))
        keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(Own()(image)))).save(
            tmp_path / "own.keras"
        )
        with pytest.raises(ConfigError, match="cannot be loaded") as raised:
            load(tmp_path / "own.keras")
        assert "without own classes" in str(raised.value)


def test_a_teacher_that_has_gone_is_left_out_with_a_warning(toy_splits, tmp_path, caplog):
    gone = tmp_path / "gone.keras"
    assert answering_classifier(config_of(gone), toy_splits) is None
    assert f"the teacher {gone} is no longer there" in caplog.text


def test_without_a_teacher_there_is_nothing_to_compare_with(toy_splits):
    assert answering_classifier(ClassifierConfig(), toy_splits) is None
