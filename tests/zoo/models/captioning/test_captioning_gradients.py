"""Each player of the trio has exactly its own gradient, and noise changes only Q's input."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.losses.objectives import OBJECTIVES
from zoo.models.captioning.trio import CaptionTrio

FEATURES, SENTENCE, CODE, ROWS = 6, 4, 3, 8
RNG = np.random.default_rng(0)
X = tf.constant(RNG.normal(size=(ROWS, FEATURES)), "float32")
C = tf.constant(RNG.normal(size=(ROWS, CODE)), "float32")
REAL = RNG.normal(size=(ROWS, SENTENCE)).astype("float32")


def values(variables):
    return [variable.value for variable in variables]


def gradients_of(model: CaptionTrio) -> dict[str, list[np.ndarray]]:
    """Those of the one loss, by player."""
    with tf.GradientTape() as tape:
        made = model({"features": X, "code": C}, training=True)
        loss = model.compute_loss(X, {"sentences": REAL}, made)
    players = {"G": model.generator, "D": model.discriminator, "Q": model.recovery}
    found = tape.gradient(loss, {name: values(p.trainable_variables) for name, p in players.items()})
    return {name: [gradient.numpy() for gradient in each] for name, each in found.items()}


def each_alone(model: CaptionTrio, share: tf.Tensor) -> dict[str, list[np.ndarray]]:
    """The same by three tapes: the textbook's alternating form, written without zoo.losses."""
    g, d, q = model.generator, model.discriminator, model.recovery

    def slope(s):  # of D by s in units of half the distance of two sentences, squared; s has four numbers
        with tf.GradientTape() as inner:
            inner.watch(s)
            out = d([s, X])
        return tf.reduce_sum(inner.gradient(out, s) ** 2, axis=-1) * SENTENCE / 2

    fixed, real, softplus = g([X, C]), tf.constant(REAL), tf.nn.softplus
    with tf.GradientTape() as tape:
        r, f = d([real, X])[:, 0], d([fixed, X])[:, 0]
        loss = {
            "vanilla": lambda: softplus(-r) + softplus(f),
            "wgan_gp": lambda: f - r + 10 * (slope(share * real + (1 - share) * fixed) ** 0.5 - 1) ** 2,
            "relativistic": lambda: softplus(f - r) + 0.15 * (slope(real) + slope(fixed)),
        }[model.objective]()
        d_loss = tf.reduce_mean(loss)
    found = {"D": tape.gradient(d_loss, values(d.trainable_variables))}
    with tf.GradientTape() as tape:
        s = g([X, C])
        r, f = d([real, X])[:, 0], d([s, X])[:, 0]
        loss = {"vanilla": softplus(-f), "wgan_gp": -f, "relativistic": softplus(r - f)}[model.objective]
        error = tf.reduce_sum((C - q([s, X])) ** 2, axis=-1)
        g_loss = tf.reduce_mean(loss + 0.5 * error)
    found["G"] = tape.gradient(g_loss, values(g.trainable_variables))
    with tf.GradientTape() as tape:
        q_loss = 0.5 * tf.reduce_mean(tf.reduce_sum((C - q([fixed, X])) ** 2, axis=-1))
    found["Q"] = tape.gradient(q_loss, values(q.trainable_variables))
    return {name: [gradient.numpy() for gradient in each] for name, each in found.items()}


def next_uniform(model: CaptionTrio) -> tf.Tensor:
    """What the model will draw next, without drawing it."""
    state = keras.ops.convert_to_numpy(model.seed_generator.state)
    drawn = keras.random.uniform((ROWS, 1), seed=model.seed_generator)
    model.seed_generator.state.assign(state)
    return drawn


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_player_has_exactly_its_own_gradient(make_trio, objective):
    model = make_trio(objective)
    expected = each_alone(model, next_uniform(model))
    for player, gradients in gradients_of(model).items():
        for found, wanted in zip(gradients, expected[player], strict=True):
            assert found == pytest.approx(wanted, abs=2e-5, rel=1e-4), player
        assert max(np.abs(g).max() for g in gradients) > 1e-3, player


def test_players_that_stand_still_have_no_part_in_the_others_gradients(make_trio):
    """D's weights get nothing from L_G, G's nothing from L_D, and Q's only lambda L_I."""
    here, no_recovery = gradients_of(make_trio("vanilla")), gradients_of(make_trio("vanilla", code_noise=5.0))
    for found, wanted in zip(here["D"], no_recovery["D"], strict=True):
        assert (found == wanted).all()
    model = make_trio("vanilla")
    model.code_weight = 0.0
    assert all((gradient == 0).all() for gradient in gradients_of(model)["Q"])
    # A discriminator that does not look at s tells G nothing, however wrong it is about both.
    kernel = model.discriminator.get_layer("D_hidden_1").kernel
    kernel.assign(np.vstack([np.zeros((SENTENCE, 7)), np.asarray(kernel)[SENTENCE:]]))
    found = gradients_of(model)
    assert all((gradient == 0).all() for gradient in found["G"])
    assert max(np.abs(gradient).max() for gradient in found["D"]) > 1e-3


def test_losses_that_are_shown(make_trio):
    """In numbers: G's and D's of equal logits, and L_I of a Q that always says 0."""
    model = make_trio("vanilla")
    for network in (model.discriminator, model.recovery):
        last = network.layers[-1]
        last.set_weights([np.zeros_like(weight) for weight in last.get_weights()])
    gradients_of(model)
    shown = {metric.name: float(metric.result()) for metric in model.metrics if metric.name in model.means}
    assert shown == {
        "generator_loss": pytest.approx(np.log(2), rel=1e-5),
        "discriminator_loss": pytest.approx(2 * np.log(2), rel=1e-5),
        "discriminator_accuracy": 0.0,  # equal logits are no ranking
        "gradient_penalty": 0.0,
        "recovery_error": pytest.approx((C.numpy() ** 2).sum(axis=1).mean(), rel=1e-5),
    }


def test_noise_changes_only_the_input_of_q(make_trio):
    plain, noisy = make_trio(), make_trio(code_noise=0.7)
    state = keras.ops.convert_to_numpy(noisy.seed_generator.state)
    noise = np.asarray(keras.random.normal((ROWS, SENTENCE), dtype="float32", seed=noisy.seed_generator))
    noisy.seed_generator.state.assign(state)
    for model in (plain, noisy):
        gradients_of(model)
    for key in ("generator_loss", "discriminator_loss", "discriminator_accuracy", "gradient_penalty"):
        assert float(noisy.means[key].result()) == float(plain.means[key].result()), key
    s = plain.generator([X, C])
    for model, read in ((plain, s), (noisy, s + 0.7 * math.sqrt(SENTENCE / 2) * noise)):
        error = ((C - model.recovery([read, X])).numpy() ** 2).sum(axis=1).mean()
        assert float(model.means["recovery_error"].result()) == pytest.approx(error, rel=1e-5)
