"""Any TF Hub or local SavedModel as a frozen feature extractor."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
from keras import ops

from zoo.checks import listing
from zoo.errors import ConfigError, WeightsError
from zoo.handles import saved_model_folder

# `serving_default` of TF2, two of TF1 Hub modules, and that of our own exports.
_SIGNATURES = ("serving_default", "image_feature_vector", "default", "tensor")


@keras.saving.register_keras_serializable(package="mizoo")
class HubFeatures(keras.layers.Layer):
    """Calls one signature of a SavedModel; its weights stay as they are.

    `tensorflow_hub.KerasLayer` is Keras 2 only, so this goes through `hub.load`. The SavedModel is tracked,
    so that it is part of the SavedModel that a model around it is exported to. A saved `.keras` file holds
    the handle alone and loads the SavedModel from there again.

    Args:
        handle: TF Hub URL, folder of a SavedModel, or `store:NAME[@VERSION]`.
        image_size: Side of the pictures in pixels.
        output: Which output of the signature; needed only where it has several.

    Raises:
        ConfigError: Not the tensorflow backend, no usable signature or output, or another picture size.
        WeightsError: The handle cannot be loaded.
        StoreError: The store has no such model.
    """

    def __init__(self, handle: str, image_size: int, output: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if keras.backend.backend() != "tensorflow":
            raise ConfigError(
                f"Backbone '{handle}' is a TensorFlow graph; keras runs on {keras.backend.backend()}.",
                fix="KERAS_BACKEND=tensorflow, or extract its features first and train on those",
            )
        self.trainable = False
        self.handle, self.image_size = handle, image_size
        self.folder, self.loaded = _load(handle)
        name, self._function = _signature(handle, self.loaded)
        self.input_name, self.spec = _picture_input(handle, name, self._function)
        probe = self._outputs(_zeros(self.spec, image_size, handle))
        chosen = next(iter(probe)) if output is None and len(probe) == 1 else output
        if chosen is None or chosen not in probe:
            raise ConfigError(
                f"Signature '{name}' of '{handle}' has the outputs {listing(sorted(probe))}.",
                expected="a single output" if output is None else f"'{output}' among them",
                fix="name one of them as layer",
            )
        self.output_name: str = chosen
        self.feature_shape = tuple(probe[chosen].shape[1:])

    def call(self, pixels: Any) -> Any:
        """Maps pictures `[batch, size, size, 3]`, scaled as the SavedModel wants them, to its features."""
        return self._outputs(ops.cast(pixels, self.spec.dtype.name))[self.output_name]

    def compute_output_spec(self, pixels: Any) -> Any:
        """Declares the feature shape that a picture of zeros gave."""
        return keras.KerasTensor((pixels.shape[0], *self.feature_shape), dtype="float32")

    def foreign_digest(self) -> str:
        """Returns the SHA-256 of the files of the SavedModel (part of `backbone_digest`)."""
        digest = hashlib.sha256()
        for path in sorted(p for p in self.folder.rglob("*") if p.is_file() and p.name != "fingerprint.pb"):
            digest.update(path.relative_to(self.folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        own = {"handle": self.handle, "image_size": self.image_size, "output": self.output_name}
        return {**super().get_config(), **own}

    def _outputs(self, pixels: Any) -> dict[str, Any]:
        return self._function(**{self.input_name: pixels})


def hub_scaling(layer: HubFeatures) -> str:
    """Returns the pixel scaling that a SavedModel most likely wants: 0..1, TF Hub's rule, or bytes."""
    return "none" if layer.spec.dtype.is_integer else "unit"


def _load(handle: str) -> tuple[Path, Any]:
    import tensorflow_hub as hub

    folder = saved_model_folder(handle)
    try:
        return folder, hub.load(str(folder))
    except Exception as error:  # whatever tensorflow raises on what is no SavedModel
        raise WeightsError(
            f"'{handle}' cannot be loaded: {error}",
            expected="a SavedModel",
            fix="save the model again with tf.saved_model.save(model, folder, signatures=...)",
        ) from error


def _signature(handle: str, loaded: Any) -> tuple[str, Any]:
    """Returns the first of the known signatures that takes pictures; else the first there is, for the error."""
    known = [name for name in _SIGNATURES if name in loaded.signatures]
    if not known:
        raise ConfigError(
            f"'{handle}' has the signatures {listing(sorted(loaded.signatures)) or 'none'}.",
            expected=f"one of {', '.join(_SIGNATURES)}",
            fix="save the model again with tf.saved_model.save(model, folder, signatures=...)",
        )
    chosen = next((name for name in known if _pictures(loaded.signatures[name])), known[0])
    return chosen, loaded.signatures[chosen]


def _pictures(function: Any) -> dict[str, Any]:
    """The only input of a signature, if it takes pictures: alias -> spec."""
    inputs = function.structured_input_signature[1]
    return {key: spec for key, spec in inputs.items() if len(inputs) == 1 and spec.shape.rank == 4}


def _picture_input(handle: str, name: str, function: Any) -> tuple[str, Any]:
    if not (pictures := _pictures(function)):
        raise ConfigError(
            f"Signature '{name}' of '{handle}' takes {function.structured_input_signature[1]}.",
            expected="one input of shape [batch, height, width, 3]",
            fix="save the feature extractor with such a signature",
        )
    return next(iter(pictures.items()))


def _zeros(spec: Any, size: int, handle: str) -> Any:
    import tensorflow as tf

    if not spec.shape[1:].is_compatible_with([size, size, 3]):
        raise ConfigError(
            f"'{handle}' takes pictures of shape {spec.shape[1:]}, not of {size} x {size} x 3.",
            fix="set image_size to the size that the SavedModel was saved with",
        )
    return tf.zeros([1, size, size, 3], spec.dtype)
