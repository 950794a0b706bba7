"""Batch normalisation folded into convolutions: one layer by hand, whole networks by their outputs."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers

from zoo.surgery.fold import fold_batch_norm
from zoo.surgery.logits import to_logits


def norms(model):
    return sum(isinstance(layer, layers.BatchNormalization) for layer in model.layers)


def test_one_dense_layer_by_hand():
    norm = layers.BatchNormalization(epsilon=1.0)
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, name="dense"), norm])
    model.get_layer("dense").set_weights([np.array([[2.0]]), np.array([5.0])])
    norm.set_weights([np.array([x]) for x in (4.0, 0.5, 1.0, 3.0)])  # gamma, beta, mean, variance
    kernel, bias = fold_batch_norm(model).get_layer("dense").get_weights()
    # s = 4 / sqrt(3 + 1) = 2: kernel 2 * 2, bias (5 - 1) * 2 + 0.5
    assert (kernel.item(), bias.item()) == (4.0, 8.5)


@pytest.mark.parametrize("name", ["small vgg", "residual", "mobilenet", "resnet"])
def test_whole_networks_give_the_same(name, vgg, request, images, run):
    # Logits: a saturated softmax would hide an error.
    model = to_logits(vgg() if name == "small vgg" else request.getfixturevalue(name))
    before = [np.array(weight) for weight in model.get_weights()]
    x = images(model)
    expected = run([model], x)
    folded = fold_batch_norm(model)
    assert norms(model) > 0
    assert norms(folded) == 0
    assert run([folded], x) == pytest.approx(expected, abs=float(1e-4 * abs(expected).max()))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert np.array_equal(run([model], x), expected)
    assert {layer.name for layer in folded.layers} < {layer.name for layer in model.layers}


def test_a_depthwise_multiplier_and_no_scale(run):
    x = start = keras.Input((4, 4, 3))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x)
    norm = layers.BatchNormalization(scale=False, center=False)
    model = keras.Model(start, norm(x))
    norm.set_weights([np.linspace(-1, 1, 6), np.linspace(0.5, 3, 6)])
    image = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    assert run([fold_batch_norm(model)], image) == pytest.approx(run([model], image), abs=1e-5)


def not_folded(kind):
    x = start = keras.Input((4, 4, 3))
    conv = layers.Conv2D(3, 3, padding="same", activation="relu" if kind == "activation" else None)
    x = first = conv(x)
    if kind == "pool between":
        x = layers.MaxPooling2D()(x)
    if kind == "called twice":
        x = conv(x)
    x = layers.BatchNormalization(axis=1 if kind == "another axis" else -1)(x)
    if kind == "second consumer":
        x = layers.Add()([x, first])
    return keras.Model(start, x)


@pytest.mark.parametrize(
    "kind", ["activation", "pool between", "called twice", "another axis", "second consumer"]
)
def test_what_cannot_be_folded_stays(kind, run):
    model = not_folded(kind)
    image = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype("float32")
    folded = fold_batch_norm(model)
    assert norms(folded) == 1
    assert np.array_equal(run([folded], image), run([model], image))
