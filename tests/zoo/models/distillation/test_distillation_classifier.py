"""The classifier's loss and accuracy by hand, and what it says of itself."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.models.distillation.classifier import Classifier


@pytest.fixture
def linear():
    """A picture of one pixel: red counts for the first class, green for the second."""
    image = keras.Input((1, 1, 3), dtype="uint8")
    pixel = keras.layers.Flatten()(keras.layers.Rescaling(1.0)(image))
    logits = keras.layers.Dense(2, use_bias=False, name="logits")(pixel)
    model = Classifier(keras.Model(image, logits), classes=("red", "green"), cuts=())
    model.network.get_layer("logits").set_weights([np.array([[1.0, 0], [0, 1], [0, 0]])])
    model.compile("sgd")
    return model


PIXELS = np.array([[0, 0, 9], [2, 0, 0], [0, 2, 0]], np.uint8)[:, None, None]


def test_loss_and_accuracy_by_hand(linear):
    found = linear.evaluate(PIXELS, {"label": np.array([0, 0, 0], np.int32)}, verbose=0, return_dict=True)
    # Softmax of the first class: 1/2, e^2 / (e^2 + 1), 1 / (e^2 + 1); of equal logits the first is the largest.
    expected = (math.log(2) + math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 3
    assert found == {"loss": pytest.approx(expected, abs=1e-5), "accuracy": pytest.approx(2 / 3)}


def test_an_epoch_counts_pictures_not_batches(linear):
    """Batches of 2 and 1: the mean of their means would be 0.5, not 2/3."""
    found = linear.evaluate(
        PIXELS, {"label": np.array([0, 0, 0], np.int32)}, batch_size=2, verbose=0, return_dict=True
    )
    assert found["accuracy"] == pytest.approx(2 / 3)


def test_output_and_config(linear):
    assert {name: tuple(tensor.shape) for name, tensor in linear.output.items()} == {"logits": (None, 2)}
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(linear))
    assert (again.classes, again.cuts) == (("red", "green"), ())
    assert again.get_config() == linear.get_config()


def test_labels_in_a_column_are_refused(linear):
    with pytest.raises(
        ZooError, match=r"label has shape \(3, 1\), but a column of the logits has shape \(3,\)"
    ):
        linear.compute_loss(y={"label": np.zeros((3, 1), np.int32)}, y_pred=linear(PIXELS))
