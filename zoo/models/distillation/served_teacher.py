"""An exported classifier as a teacher: it is asked for its answers alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.checks import listing
from zoo.errors import ConfigError, DataError

# Pictures that a teacher is asked about to see in what order it has its classes.
_ASKED = 16


class ServedTeacher(keras.Layer):
    """An exported classifier, asked for its probabilities; it has no layers to cut at.

    Their logarithm is the logits up to one number per picture, which no softmax sees.

    Args:
        folder: Of the SavedModel; its signature `tensor` takes uint8 pictures.

    Raises:
        ConfigError: It has no such signature, or the backend cannot run it.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(name="served_teacher")
        if keras.backend.backend() != "tensorflow":
            raise ConfigError(
                f"The teacher {folder} is a SavedModel, which {keras.backend.backend()} cannot run.",
                expected="a run folder or a .keras file under this backend",
                fix="set KERAS_BACKEND=tensorflow, or teacher=RUN, the run folder that it was exported from",
            )
        try:
            self.model = keras.layers.TFSMLayer(str(folder), call_endpoint="tensor")
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"The teacher {folder} cannot be asked for its answers: {error}",
                expected="the export of a classifier, with the signature `tensor`",
                fix="export one with `mizoo export RUN`",
            ) from error
        # Keras copies the weights of a SavedModel into variables that could train. Only here, where all layers are
        # there, does this flag reach them.
        self.trainable = False
        self.built = True

    def call(self, image: Any, training: bool = False) -> Any:
        """Returns the logarithm of the probabilities: float32 `[batch, classes]`."""
        del training
        return keras.ops.log(keras.ops.maximum(self.model(image)["probabilities"], 1e-30))


def open_served(folder: Path, *, classes: Sequence[str], image_size: int) -> ServedTeacher:
    """Opens an exported classifier as the teacher of some data.

    Args:
        folder: Of the SavedModel.
        classes: Of the data.
        image_size: Of the data, in pixels.

    Raises:
        ConfigError: It is no classifier, or the backend cannot run it.
        DataError: It tells other classes apart than the data have, or has them in another order.
    """
    teacher = ServedTeacher(folder)
    side = (image_size, image_size, 3)
    pictures = np.random.default_rng(0).integers(0, 256, (_ASKED, *side), np.uint8)
    answer = {name: np.asarray(value) for name, value in teacher.model(pictures).items()}
    if "probabilities" not in answer:
        raise ConfigError(
            f"The teacher {folder} answers {listing(list(answer))}: it is no classifier.",
            expected="`probabilities` of the data's classes",
            fix="name the export of a classifier, e.g. of vgg15",
        )
    probabilities = answer["probabilities"]
    if probabilities.shape[-1] != len(classes):
        raise other_classes(folder, probabilities.shape[-1], classes)
    for row, said in zip(probabilities, answer.get("labels", ()), strict=False):
        names = [name.decode() for name in said]
        ours = [classes[column] for column in np.argsort(-row, kind="stable")[: len(names)]]
        if names != ours:
            raise DataError(
                f"The teacher {folder} has other classes than the data, or in another order: it calls a picture "
                f"{listing(names)}, where the data's names would be {listing(ours)}.",
                expected="the same names in the same order",
                fix="use the data that the teacher was trained on",
            )
    return teacher


def other_classes(path: Path, found: int, classes: Sequence[str]) -> DataError:
    """The error for a teacher that tells another number of classes apart than the data have."""
    return DataError(
        f"The teacher {path} tells {found} classes apart; the data have {len(classes)}: {listing(classes)}.",
        expected="a teacher of the data's classes",
        fix="train one on these data: mizoo train vgg15 --data DIR",
    )
