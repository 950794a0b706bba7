"""What a served classifier answers, in Keras and from the exported graph."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.signatures import write_saved_model
from zoo.data.examples import example_images
from zoo.errors import ExportError
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.signatures import classifier_signatures
from zoo.models.distillation.vgg import BLOCKS, vgg
from zoo.preprocessing.image import decode_batch
from zoo.surgery.assemble import assemble
from zoo.surgery.partition import partition

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")
FILES = np.array([bytes(data) for data in example_images(3)], object)


def make(convolutions=(1, 1, 1, 1, 1), classes=CLASSES):
    keras.utils.set_random_seed(1)
    network = vgg(convolutions, classes=len(classes), width=0.125, head_width=6)
    return Classifier(network, classes=classes, cuts=BLOCKS)


@pytest.fixture(scope="module")
def model():
    return make()


def by_name(model):
    return {signature.name: signature for signature in classifier_signatures(model)}


@pytest.fixture(scope="module")
def signatures(model):
    return by_name(model)


@pytest.fixture(scope="module")
def pixels():
    return decode_batch(tf.constant(FILES), 32).numpy()


def test_the_five_likeliest_classes_best_first(model, signatures, pixels):
    logits = model.predict(pixels, verbose=0)["logits"].astype(float)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answer = signatures["serving_default"].answer({"image_bytes": FILES})
    assert set(answer) == {"probabilities", "labels", "scores"}
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    order = np.argsort(-expected, axis=1)[:, :5]
    assert [[name.decode() for name in row] for row in answer["labels"]] == [
        [CLASSES[column] for column in row] for row in order
    ]
    np.testing.assert_allclose(answer["scores"], np.take_along_axis(expected, order, axis=1), atol=1e-6)


def test_fewer_classes_than_five_are_all_named():
    answer = by_name(make(classes=CLASSES[:3]))["serving_default"].answer({"image_bytes": FILES})
    assert answer["scores"].shape == (3, 3)
    assert {name.decode() for name in answer["labels"][0]} == set(CLASSES[:3])


def test_pixels_are_answered_like_files_and_resized_like_them(signatures, pixels):
    files = signatures["serving_default"].answer({"image_bytes": FILES})
    same = signatures["tensor"].answer({"image": pixels})
    assert set(same) == set(files)
    np.testing.assert_allclose(same["probabilities"], files["probabilities"], atol=1e-6)
    twice = pixels.repeat(2, axis=1).repeat(2, axis=2)
    assert signatures["tensor"].answer({"image": twice})["probabilities"].shape == (3, len(CLASSES))


def test_features_times_the_last_layer_are_the_logits(model, signatures, pixels):
    features = signatures["features"].answer({"image": pixels})["features"]
    assert features.shape == (3, 6)
    assert features.dtype == np.float32
    kernel, bias = model.network.get_layer("logits").get_weights()
    logits = signatures["logits"].answer({"image_bytes": FILES})["logits"]
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-5)


def test_features_of_a_network_that_ends_in_a_convolution():
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(keras.layers.Rescaling(1.0)(image))
    x = keras.layers.Reshape((2,))(keras.layers.Conv2D(2, 1)(x))
    model = Classifier(keras.Model(image, x), classes=("a", "b"))
    pixels = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
    found = by_name(model)
    assert "block_features" not in found  # it names no cuts
    features = found["features"].answer({"image": pixels})["features"]
    np.testing.assert_allclose(features, pixels.mean(axis=(1, 2)), rtol=1e-6)


def test_features_within_a_nested_network(model, signatures, pixels):
    image = keras.Input((32, 32, 3), dtype="uint8")
    outer = keras.Model(image, keras.layers.Activation("linear")(model.network(image)))
    found = by_name(Classifier(outer, classes=CLASSES))["features"].answer({"image": pixels})["features"]
    expected = signatures["features"].answer({"image": pixels})["features"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_blocks_of_a_network_whose_layers_were_first_called_in_other_networks(model, pixels):
    parts = partition(model.network, BLOCKS)
    joined = assemble([*parts.blocks, parts.head], name="joined")
    answer = by_name(Classifier(joined, classes=CLASSES, cuts=BLOCKS))["block_features"].answer(
        {"image_bytes": FILES}
    )
    assert {name: block.shape[1:] for name, block in answer.items()} == {
        "block_1": (16, 16, 8),
        "block_2": (8, 8, 16),
        "block_3": (4, 4, 32),
        "block_4": (2, 2, 64),
        "block_5": (1, 1, 64),
    }
    x = pixels
    for block, served in zip(parts.blocks, answer.values(), strict=True):
        x = block(x, training=False)
        np.testing.assert_allclose(served, x, atol=1e-5)


def test_a_teacher_and_its_student_have_the_same_signatures():
    def interface(model):
        return {
            (s.name, alias, spec.dtype, spec.shape)
            for s in classifier_signatures(model)
            for alias, spec in s.inputs.items()
        }

    assert interface(make((2, 2, 3, 3, 3))) == interface(make())


def test_the_exported_graph_answers_as_keras_does(model, signatures, tmp_path):
    # The conformance tests export all of them.
    signatures = [signatures[name] for name in ("serving_default", "features", "block_features")]
    write_saved_model(str(tmp_path / "1"), signatures)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    assert set(loaded.signatures) == {"serving_default", "features", "block_features"}
    for signature in signatures:
        inputs = signature.examples(2)
        expected = signature.answer(inputs)
        served = loaded.signatures[signature.name](**{name: tf.constant(x) for name, x in inputs.items()})
        assert set(served) == set(expected)
        for name, tensor in served.items():
            if tensor.dtype == tf.string:
                assert tensor.numpy().tolist() == expected[name].tolist()
            else:
                np.testing.assert_allclose(tensor.numpy(), expected[name], atol=1e-5)


def test_a_network_of_open_size_is_refused():
    image = keras.Input((None, None, 3), dtype="uint8")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1.0)(image))
    model = Classifier(keras.Model(image, keras.layers.Dense(2)(x)), classes=("a", "b"), name="open")
    with pytest.raises(ExportError) as caught:
        classifier_signatures(model)
    assert str(caught.value) == (
        "'open' takes pictures of None x None pixels: it is not known to what to resize them.\n"
        "Expected: a network for square pictures of a fixed size\n"
        "Fix: build it on keras.Input((size, size, 3))"
    )
