"""TensorFlow Lite and ONNX files, run by their own runtimes against Keras."""

from __future__ import annotations

import importlib.util
import sys

import keras
import numpy as np
import pytest

from zoo.errors import ExportError, MissingExtraError
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.formats import write_onnx, write_tflite
from zoo.models.distillation.vgg import vgg

CLASSES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(4)
    network = vgg((1, 1, 1, 1, 1), classes=len(CLASSES), width=0.125, head_width=8)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return Classifier(network, classes=CLASSES)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def expected(model, pixels):
    return model.predict(pixels, verbose=0)["logits"]


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
def test_a_tensorflow_lite_file_answers_as_keras_does(model, pixels, expected, tmp_path):
    import tensorflow as tf

    path = write_tflite(model, tmp_path / "new" / "model.tflite")
    assert path == tmp_path / "new" / "model.tflite"
    assert [file.name for file in path.parent.iterdir()] == ["model.tflite"]
    runner = tf.lite.Interpreter(str(path)).get_signature_runner()
    assert runner.get_input_details()["image"]["dtype"] is np.uint8
    found = np.concatenate([runner(image=pixels[row : row + 1])["logits"] for row in range(len(pixels))])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_an_onnx_file_answers_as_keras_does(model, pixels, expected, tmp_path):
    for package in ("onnx", "tf2onnx"):
        pytest.importorskip(package, reason=f"{package} writes ONNX files and is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime runs ONNX files and is not installed")
    path = write_onnx(model, tmp_path / "model.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    session = runtime.InferenceSession(str(path))
    assert [(value.name, value.type) for value in session.get_inputs()] == [("image", "tensor(uint8)")]
    (found,) = session.run(["logits"], {"image": pixels})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_without_the_libraries_of_onnx(model, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    with pytest.raises(MissingExtraError) as caught:
        write_onnx(model, tmp_path / "model.onnx")
    assert str(caught.value) == (
        "Writing an ONNX file needs onnx, which is not installed.\nFix: pip install 'mizoo[formats]'"
    )
    assert not list(tmp_path.iterdir())


def test_a_tensorflow_without_the_converter(model, tmp_path, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(tf, "lite", None)
    with pytest.raises(MissingExtraError, match=r"Lite file needs tensorflow with tf\.lite\."):
        write_tflite(model, tmp_path / "model.tflite")


def test_a_network_that_the_converter_refuses(tmp_path):
    import tensorflow as tf

    class Digamma(keras.layers.Layer):
        def call(self, x):
            return tf.math.digamma(x)

    image = keras.Input((4, 4, 3), dtype="uint8")
    network = keras.Model(image, Digamma()(keras.layers.Rescaling(1 / 255)(image)))
    with pytest.raises(ExportError, match="The converter to TensorFlow Lite refuses 'odd': "):
        write_tflite(Classifier(network, classes=CLASSES, name="odd"), tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("write", [write_tflite, write_onnx], ids=["tflite", "onnx"])
def test_another_backend(write, model, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["keras"].backend, "backend", lambda: "jax")
    with pytest.raises(ExportError, match="cannot be written by the backend jax"):
        write(model, tmp_path / "model")
