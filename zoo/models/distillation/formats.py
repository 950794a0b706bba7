"""Files of a classifier for other runtimes: TensorFlow Lite and ONNX."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from zoo.errors import ExportError, MissingExtraError
from zoo.files import write_atomically
from zoo.surgery.fold import fold_batch_norm

if TYPE_CHECKING:
    from zoo.models.distillation.classifier import Classifier


def write_tflite(model: Classifier, path: Path) -> Path:
    """Writes a TensorFlow Lite file: `image` uint8 `[1, height, width, 3]`, RGB 0..255 -> `logits` float32.

    Batch normalisation is folded; weights keep their float32.

    Args:
        model: Trained. It is not changed.
        path: File to write; an existing one is replaced.

    Returns:
        The path.

    Raises:
        MissingExtraError: This TensorFlow has no converter.
        ExportError: The backend is not TensorFlow, or the converter refuses the network.
    """
    _require_tensorflow("TensorFlow Lite")
    import tensorflow as tf

    if not hasattr(getattr(tf, "lite", None), "TFLiteConverter"):
        raise MissingExtraError(
            "tensorflow with tf.lite.TFLiteConverter", "zoo", "Writing a TensorFlow Lite file"
        )
    network = fold_batch_norm(model.network)

    @tf.function(input_signature=[tf.TensorSpec((1, *network.input_shape[1:]), tf.uint8, name="image")])
    def answer(image: Any) -> dict[str, Any]:
        return {"logits": network(image, training=False)}

    # Given the Keras model as the owner of the variables, the converter leaves them out and says nothing.
    owner = tf.Module()
    owner.held = [variable.value for variable in network.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([answer.get_concrete_function()], owner)
    try:
        content = converter.convert()
    except Exception as error:  # a ConverterError, or whatever a pass of the compiler raises
        raise _refused("TensorFlow Lite", model, error) from error
    write_atomically(path, lambda file: file.write(content))
    return path


def write_onnx(model: Classifier, path: Path) -> Path:
    """Writes an ONNX file: `image` uint8 `[batch, height, width, 3]`, RGB 0..255 -> `logits` float32.

    Batch normalisation is folded; weights keep their float32.

    Args:
        model: Trained. It is not changed.
        path: File to write; an existing one is replaced.

    Returns:
        The path.

    Raises:
        MissingExtraError: onnx or tf2onnx is not installed.
        ExportError: The backend is not TensorFlow, or the converter refuses the network.
    """
    _require_tensorflow("ONNX")
    for package in ("onnx", "tf2onnx"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "formats", "Writing an ONNX file")
    network = fold_batch_norm(model.network)
    image = keras.Input(network.input_shape[1:], name="image", dtype="uint8")
    named = keras.Model(image, {"logits": network(image)}, name=model.name)
    # Keras exports no model that has not been called.
    named(keras.ops.zeros((1, *network.input_shape[1:]), "uint8"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        try:
            named.export(file, format="onnx", verbose=False)
        except Exception as error:  # tf2onnx raises whatever it stumbles over
            raise _refused("ONNX", model, error) from error
        content = file.read_bytes()
    write_atomically(path, lambda target: target.write(content))
    return path


def _require_tensorflow(what: str) -> None:
    if (backend := keras.backend.backend()) != "tensorflow":
        raise ExportError(
            f"A file for {what} cannot be written by the backend {backend}.",
            expected="the backend tensorflow",
            fix="set KERAS_BACKEND=tensorflow; the weights are the same",
        )


def _refused(what: str, model: Classifier, error: Exception) -> ExportError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ExportError(
        f"The converter to {what} refuses '{model.name}': {reason}",
        expected="a network of operations that the format has",
        fix="serve the SavedModel, or replace the layer that it names",
    )
