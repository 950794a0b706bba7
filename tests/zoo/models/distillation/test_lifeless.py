"""A network that has died ends its training with a word of how to do better."""

from __future__ import annotations

import keras
import numpy as np

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


def test_a_dead_network_is_ended_after_three_epochs(caplog):
    assert len(watched(network(dead=True), epochs=6).epoch) == 3
    assert "after epoch 3: the network says the same of every picture" in caplog.text
    assert "warmup_epochs=1" in caplog.text


def test_two_epochs_are_no_proof(caplog):
    assert len(watched(network(dead=True), epochs=2).epoch) == 2
    assert not caplog.text


def test_of_one_picture_nothing_is_said():
    model = network(dead=True)
    watch = EndLifeless(model, PICTURES[:1])
    model.compile("sgd", "mse")
    assert len(model.fit(PICTURES, np.ones((8, 2)), epochs=4, verbose=0, callbacks=[watch]).epoch) == 4


def test_a_living_network_goes_on():
    assert len(watched(network(dead=False), epochs=4).epoch) == 4
