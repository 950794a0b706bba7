"""Settings of the caption GAN, and the optimiser made from them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.config import make_config
from zoo.errors import ZooError
from zoo.models.captioning import networks
from zoo.models.captioning.config import DIGITS_PRESETS, CaptioningConfig, DigitsConfig
from zoo.models.captioning.optimizer import EveryNthAdam, trio_optimizer


def test_the_seed_is_the_plain_form():
    config = make_config(DigitsConfig, DIGITS_PRESETS, "seed", {})
    assert (config.objective, config.code_noise, config.n_critic, config.penalty) == ("vanilla", 0.0, 1, 0.0)
    assert (config.code_size, config.train_images, config.test_images, config.grid) == (
        3,
        10_000,
        1_000,
        (2, 2),
    )


def test_the_defaults_are_those_that_the_digits_were_learned_with():
    config = CaptioningConfig()
    assert (config.objective, config.gamma, config.code_weight, config.code_noise) == (
        "relativistic",
        0.3,
        0.03,
        1.0,
    )
    assert config.penalty == pytest.approx(0.15)
    assert CaptioningConfig(objective="wgan_gp").penalty == 10.0


def test_text_of_the_command_line():
    config = make_config(
        DigitsConfig, DIGITS_PRESETS, "cpu", {"grid": "3,2", "generator_betas": "0,0.99", "filters": "8,16"}
    )
    assert (config.grid, config.generator_betas, config.filters) == ((3, 2), (0.0, 0.99), (8, 16))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_critic": 0}, "n_critic is 0."),
        ({"recovery_learning_rate": 0.0}, "recovery_learning_rate is 0.0."),
        ({"code_noise": -1.0}, "code_noise is -1.0."),
        ({"least_reconstruction": 1.1}, "least_reconstruction is 1.1."),
        ({"grid": (2,)}, "grid is (2,).\nExpected: rows and columns, e.g. 2,2\nFix: give grid two numbers"),
        ({"grid": (0, 2)}, "grid is (0, 2)."),
        ({"generator_betas": (0.5,)}, "generator_betas is (0.5,)."),
        ({"discriminator_betas": (0.5, 1.0)}, "discriminator_betas is 1.0."),
        ({"filters": ()}, "filters is ()."),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_settings_that_nothing_can_be_trained_with(settings, text):
    with pytest.raises(ZooError) as error:
        DigitsConfig(**settings)
    assert str(error.value).startswith(text)


def test_every_nth_adam_is_adam_on_every_nth_gradient():
    gradients = np.random.default_rng(0).normal(size=(9, 2)).astype("float32")
    sparse, plain = keras.Variable(np.ones(2)), keras.Variable(np.ones(2))
    every, adam = EveryNthAdam(0.1, 0.5, 0.9, every=3), keras.optimizers.Adam(0.1, 0.5, 0.9)
    for number, gradient in enumerate(gradients, 1):
        before = np.asarray(sparse)
        every.apply([keras.ops.convert_to_tensor(gradient)], [sparse])
        if number % 3:
            assert (np.asarray(sparse) == before).all()
        else:
            adam.apply([keras.ops.convert_to_tensor(gradient)], [plain])
            assert np.asarray(sparse) == pytest.approx(np.asarray(plain), abs=1e-6)
    assert np.abs(np.asarray(plain) - 1).min() > 0.01


def test_each_player_has_settings_of_its_own():
    size = {"width": 4, "layers": 1}
    players = {
        "generator": networks.generator(2, 3, 5, **size),
        "discriminator": networks.discriminator(5, 2, **size),
        "recovery": networks.recovery(5, 2, 3, **size),
    }
    config = CaptioningConfig(
        generator_learning_rate=0.1,
        discriminator_learning_rate=0.2,
        recovery_learning_rate=0.3,
        discriminator_betas=(0.6, 0.7),
        n_critic=1,
    )
    weights = [v for network in players.values() for v in network.trainable_variables]
    start = {name: network.get_weights() for name, network in players.items()}
    optimizer = trio_optimizer(config)
    optimizer.apply([keras.ops.ones_like(weight) for weight in weights], weights)
    for name, rate in (("generator", 0.1), ("discriminator", 0.2), ("recovery", 0.3)):
        for before, after in zip(start[name], players[name].get_weights(), strict=True):
            assert after == pytest.approx(before - rate, abs=1e-5), name  # Adam's first step is its rate
    betas = {inner.name: (inner.beta_1, inner.beta_2) for inner in optimizer.optimizers}
    assert betas == {"generator": (0.5, 0.9), "discriminator": (0.6, 0.7), "recovery": (0.5, 0.9)}
