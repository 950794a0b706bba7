"""A classifier without its softmax."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from zoo.errors import ConfigError
from zoo.surgery.logits import to_logits


def classifier(*tail, units=4):
    return keras.Sequential([keras.Input((3,)), layers.Dense(units, name="dense"), *tail], name="net")


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", ["fused", "mobilenet"])
def test_softmax_of_the_logits_is_the_model(name, vgg, request, images, run):
    model = vgg(softmax=True) if name == "fused" else request.getfixturevalue(name)
    x = images(model)
    expected = run([model], x)
    before = [np.array(weight) for weight in model.get_weights()]
    network = to_logits(model)
    logits = run([network], x)
    assert abs(logits.sum(axis=1) - 1).min() > 1e-3
    assert softmax(logits) == pytest.approx(expected, abs=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True))
    assert np.array_equal(run([model], x), expected)


@pytest.mark.parametrize(
    "tail",
    [
        [layers.Softmax()],
        [layers.Activation("softmax")],
        [layers.Activation("softmax"), layers.Reshape((4,))],
    ],
    ids=["Softmax", "Activation", "then Reshape"],
)
def test_a_softmax_layer_is_taken_off(tail):
    model = classifier(*tail)
    x = np.array([[1.0, -2.0, 3.0]], "float32")
    kernel, bias = model.get_layer("dense").get_weights()
    assert np.array(to_logits(model)(x)) == pytest.approx(x @ kernel + bias, abs=1e-6)
    assert to_logits(model).get_layer("dense") is model.get_layer("dense")


def test_the_operation_softmax():
    x = start = keras.Input((3,))
    model = keras.Model(start, keras.ops.softmax(layers.Dense(4)(x)))
    assert abs(np.array(to_logits(model)(np.ones((1, 3)))).sum() - 1) > 1e-6


@pytest.mark.parametrize(
    "tail",
    [[], [layers.Dropout(0.1)], [layers.Activation("log_softmax")]],
    ids=["dense", "dropout", "log_softmax"],
)
def test_logits_are_returned_as_they_are(tail):
    model = classifier(*tail)
    assert to_logits(model) is model


def test_float32_at_the_end_of_mixed_precision():
    x = start = keras.Input((3,))
    x = layers.Dense(4, dtype="mixed_bfloat16")(x)
    model = keras.Model(start, layers.Activation("softmax", dtype="float32")(x))
    assert to_logits(model).output.dtype == "float32"


@pytest.mark.parametrize(
    ("tail", "start"),
    [
        ([layers.Activation("sigmoid", name="top")], "'net' ends in sigmoid (layer 'top')."),
        ([layers.Dense(2, activation="sigmoid", name="top")], "'net' ends in sigmoid (layer 'top')."),
        ([layers.ReLU(name="top")], "'net' ends in relu (layer 'top')."),
        ([layers.Reshape((2, 2))], "'net' gives (None, 2, 2)."),
        ([classifier(layers.Softmax(), units=3)], "The last layer 'net' is a model of its own:"),
    ],
    ids=["sigmoid", "fused sigmoid", "relu", "rank 3", "nested"],
)
def test_no_classification(tail, start):
    with pytest.raises(ConfigError) as caught:
        to_logits(classifier(*tail, units=3 if "model of its own" in start else 4))
    assert str(caught.value).startswith(start)


def test_a_sum_of_logits_is_logits():
    x = start = keras.Input((3,))
    model = keras.Model(
        start, layers.Average()([layers.Dense(4)(x), layers.Dropout(0.1)(layers.Dense(4)(x))])
    )
    assert to_logits(model) is model


@pytest.mark.parametrize("kind", ["softmaxes", "operations"])
def test_branches_that_may_give_probabilities_are_refused(kind):
    x = start = keras.Input((3,))
    if kind == "softmaxes":
        y = layers.Average(name="mean")([layers.Dense(4, activation="softmax")(x) for _ in range(2)])
    else:
        e = keras.ops.exp(layers.Dense(4)(x))
        y = e / keras.ops.sum(e, axis=-1, keepdims=True)
    with pytest.raises(ConfigError, match=r"^Branches meet at the end of the classifier"):
        to_logits(keras.Model(start, y))
