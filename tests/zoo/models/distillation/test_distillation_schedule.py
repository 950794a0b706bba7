"""Learning rates by hand, and weight decay against PyTorch's rule."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.both_backends import values_of_both, write_values
from zoo.models.distillation.config import ClassifierConfig
from zoo.models.distillation.schedule import Rates, rate_of, sgd


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(0, 0.05), (149, 0.05), (150, 0.005), (180, 5e-4), (209, 5e-4), (210, 5e-5), (239, 5e-5)],
)
def test_the_steps_of_repdistiller(epoch, rate):
    assert rate_of(ClassifierConfig(), 0.05, epoch / 240) == pytest.approx(rate)


def test_the_steps_of_weiaicunzai():
    config = ClassifierConfig(decay_at=(0.3, 0.6, 0.8), decay_factor=0.2)
    found = [rate_of(config, 0.1, epoch / 200) for epoch in (59, 60, 120, 160)]
    assert found == pytest.approx([0.1, 0.02, 0.004, 8e-4])


def test_the_cosine():
    config = ClassifierConfig(schedule="cosine")
    assert [rate_of(config, 2.0, done) for done in (0, 1 / 3, 0.5, 1)] == pytest.approx([2, 1.5, 1, 0])


def trained_with(rates, **fit):
    """Rates of all steps, and of the epochs as logged: 3 steps an epoch."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(sgd(ClassifierConfig(), 1.0), "mse")
    steps = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(float(model.optimizer.learning_rate))
    )
    x = np.ones((3, 1))
    history = model.fit(x, x, batch_size=1, verbose=0, callbacks=[rates, note], **fit)
    return steps, history.history["learning_rate"]


def test_the_callback_sets_the_rate_of_the_epoch():
    config = ClassifierConfig(schedule="cosine")
    steps, epochs = trained_with(Rates(config, 0.4, 4), initial_epoch=2, epochs=4)
    assert epochs == pytest.approx([0.2, 0.4 * (1 - np.sqrt(0.5)) / 2])
    assert steps == pytest.approx(np.repeat(epochs, 3))


def test_the_rate_rises_with_every_step_of_the_warm_up():
    rates = Rates(ClassifierConfig(), 0.6, 240, warmup_epochs=2)
    steps, _ = trained_with(rates, epochs=3)
    assert steps == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.6, 0.6, 0.6])


def test_a_warm_up_goes_on_after_a_resume():
    rates = Rates(ClassifierConfig(), 0.6, 240, warmup_epochs=2)
    steps, _ = trained_with(rates, initial_epoch=1, epochs=2)
    assert steps == pytest.approx([0.4, 0.5, 0.6])


def test_a_warm_up_ends_at_what_the_schedule_has_by_then():
    config = ClassifierConfig(schedule="cosine")
    steps, _ = trained_with(Rates(config, 0.6, 4, warmup_epochs=2), epochs=2)
    assert steps[-1] == pytest.approx(rate_of(config, 0.6, 1 / 4))


def values():
    """The weight of y = w after each step of gradient 1: what is left of it tells the rates that were applied."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, "linear", use_bias=False)])
    model.compile(keras.optimizers.SGD(1.0), loss=lambda y, said: said)
    model.layers[0].set_weights([np.ones((1, 1))])
    rates = Rates(ClassifierConfig(), 0.06, 240, warmup_epochs=2)
    x = np.ones((3, 1), "float32")
    model.fit(x, x, batch_size=1, epochs=3, verbose=0, callbacks=[rates])
    return {"weight": np.asarray(model.layers[0].get_weights()[0])}


def test_the_steps_are_taken_at_these_rates_on_both_backends(tmp_path):
    wanted = 1 - sum([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.06, 0.06, 0.06])
    for found in values_of_both(__file__, values, tmp_path):
        assert found["weight"].item() == pytest.approx(wanted)


@pytest.mark.parametrize(("momentum", "tolerance"), [(0.0, 1e-3), (0.9, 0.1)], ids=["plain", "momentum"])
def test_weights_decay_as_under_pytorch(momentum, tolerance):
    """With no gradient of the loss PyTorch's step is v = m v + d w, w = w - r v; it starts 1 / (1 - m) steps late."""
    config = ClassifierConfig(momentum=momentum, weight_decay=5e-3)
    weight = keras.Variable(np.ones(1, "float32"))
    optimizer = sgd(config, 0.05)
    optimizer.build([weight])
    expected, speed = 1.0, 0.0
    for _ in range(100):
        optimizer.apply([keras.ops.zeros(1)])
        speed = momentum * speed + 5e-3 * expected
        expected -= 0.05 * speed
    assert 1 - float(weight.numpy()[0]) == pytest.approx(1 - expected, rel=tolerance)


def test_no_weight_decay():
    assert sgd(ClassifierConfig(weight_decay=0.0), 0.1).weight_decay is None


if __name__ == "__main__":
    write_values(values)
