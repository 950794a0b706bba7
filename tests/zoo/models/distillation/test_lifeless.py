"""A network that has died ends its training with a word of how to do better."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.errors import TrainingError
from zoo.models.distillation.lifeless import EndLifeless

PICTURES = np.random.default_rng(0).random((8, 4), np.float32)


def network(dead: bool) -> keras.Model:
    layers = [keras.Input((4,)), keras.layers.Dense(3), keras.layers.ReLU(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    if dead:
        model.layers[0].set_weights([np.zeros((4, 3)), -np.ones(3)])
    return model


def watched(model: keras.Model, epochs: int):
    model.compile("sgd", "mse")
    watch = EndLifeless(model, PICTURES)
    return model.fit(PICTURES, np.ones((8, 2)), epochs=epochs, verbose=0, callbacks=[watch])


def test_a_dead_network_is_ended_after_its_second_epoch():
    with pytest.raises(TrainingError, match=r"After epoch 2 .* a layer of it is dead[\s\S]*warmup_epochs=3"):
        watched(network(dead=True), epochs=5)


def test_one_epoch_is_no_proof():
    watched(network(dead=True), epochs=1)


def test_a_living_network_goes_on():
    assert len(watched(network(dead=False), epochs=3).epoch) == 3
