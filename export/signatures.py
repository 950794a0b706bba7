"""What a served model answers: named signatures, each a function of named tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Input:
    """One input of a signature.

    Attributes:
        dtype: TensorFlow's name of the type, e.g. "string", "uint8".
        shape: Dimension 0 is the batch; None where a size may vary.
    """

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Signature:
    """One entry point of a SavedModel.

    Attributes:
        name: "serving_default" takes the raw thing that a client has.
        inputs: Alias -> type and shape; all share dimension 0, which TF Serving batches on.
        function: Named tensors -> named tensors; TensorFlow code, traced into the graph.
        examples: n -> n rows of real inputs, for the warm-up and the golden answers.
        tracked: What the function uses beside the model, e.g. lookup tables: it becomes part of the SavedModel.
    """

    name: str
    inputs: Mapping[str, Input]
    function: Callable[..., dict[str, Any]]
    examples: Callable[[int], dict[str, np.ndarray]]
    tracked: tuple[Any, ...] = ()

    def answer(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs the function eagerly, that is by Keras and not by an exported graph.

        Args:
            inputs: Alias -> array; strings as object arrays of bytes.
        """
        import tensorflow as tf

        outputs = self.function(**{alias: tf.constant(array) for alias, array in inputs.items()})
        return {alias: tensor.numpy() for alias, tensor in outputs.items()}


def write_saved_model(folder: str, signatures: list[Signature]) -> None:
    """Writes a SavedModel whose graphs are the signatures' functions, with the weights that they use.

    The archive finds the weights of the functions by itself; with `track(model)` every weight would be in the file,
    and in the server's memory, twice (keras issue 23553).

    Args:
        folder: Must not exist.
        signatures: At least `serving_default`.
    """
    import keras
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    for signature in signatures:
        for resource in signature.tracked:
            archive.track(resource)
        specs = [
            tf.TensorSpec(spec.shape, getattr(tf, spec.dtype), name=alias)
            for alias, spec in signature.inputs.items()
        ]
        archive.add_endpoint(signature.name, signature.function, input_signature=specs)
    archive.write_out(folder, verbose=False)
