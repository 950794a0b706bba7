"""The trio: what it takes and refuses, draws and saves, and how it is trained and continued."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ConfigError, DataError
from zoo.models.captioning import networks
from zoo.models.captioning.autoencoder import SentenceAutoencoder
from zoo.models.captioning.config import CaptioningConfig
from zoo.models.captioning.optimizer import trio_optimizer
from zoo.models.captioning.trio import CaptionTrio
from zoo.training.checkpoint import load_state, save_state

FEATURES, SENTENCE, CODE, ROWS = 6, 4, 3, 8
RNG = np.random.default_rng(0)
X = tf.constant(RNG.normal(size=(ROWS, FEATURES)), "float32")
C = tf.constant(RNG.normal(size=(ROWS, CODE)), "float32")
REAL = RNG.normal(size=(ROWS, SENTENCE)).astype("float32")


def test_in_training_codes_are_drawn_anew_and_are_standard_normal(make_trio):
    model = make_trio()
    assert (np.asarray(model(np.zeros((5, FEATURES), "float32"))["code"]) == 0).all()  # the likeliest
    many = np.asarray(model(np.zeros((4000, FEATURES), "float32"), training=True)["code"])
    assert many.shape == (4000, CODE)
    assert many.mean(axis=0) == pytest.approx(np.zeros(CODE), abs=0.08)
    assert np.cov(many.T) == pytest.approx(np.eye(CODE), abs=0.1)
    again = np.asarray(model(np.zeros((4000, FEATURES), "float32"), training=True)["code"])
    assert np.abs(again - many).max() > 1
    given = model({"features": X, "code": C})
    assert (np.asarray(given["code"]) == C.numpy()).all()
    assert np.asarray(given["sentence"]) == pytest.approx(np.asarray(model.generator([X, C])))


def test_one_caption_of_each_picture_is_drawn_each_as_likely(make_trio):
    model = make_trio()
    captions = np.arange(4, dtype="float32")[None, :, None] * np.ones((4000, 1, SENTENCE), "float32")
    drawn = np.asarray(model._drawn_sentence({"sentences": captions}))
    assert (drawn == drawn[:, :1]).all()  # whole captions
    assert np.bincount(drawn[:, 0].astype(int), minlength=4) / 4000 == pytest.approx(
        np.full(4, 0.25), abs=0.03
    )


def test_tokens_are_encoded_by_the_frozen_autoencoder(make_trio):
    model, tokens = make_trio(), np.array([[2, 4, 3], [2, 5, 3]], "int32")

    model.autoencoder.standardise(model.autoencoder.codes(tokens))
    drawn = np.asarray(model._drawn_sentence({"tokens": tokens}))
    assert drawn == pytest.approx(model.autoencoder.codes(tokens), abs=1e-6)
    assert len(model.trainable_variables) == 18  # three weights and three biases of each player


def compiled(make_trio, n_critic: int = 1, **settings) -> CaptionTrio:
    model = make_trio(code_noise=1.0, real_noise=0.1, **settings)
    model.compile(trio_optimizer(CaptioningConfig(n_critic=n_critic)))
    return model


def steps(model: CaptionTrio, number: int) -> None:
    data = tf.data.Dataset.from_tensors((X, {"sentences": REAL[:, None]})).repeat()
    model.fit(data, steps_per_epoch=number, shuffle=False, verbose=0)


def test_the_generator_moves_on_every_nth_step(make_trio):
    model, players = compiled(make_trio, n_critic=3), ("generator", "discriminator", "recovery")
    before = {name: getattr(model, name).get_weights() for name in players}
    steps(model, 2)
    moved = {
        name: any(
            (a != b).any() for a, b in zip(before[name], getattr(model, name).get_weights(), strict=True)
        )
        for name in players
    }
    assert moved == {"generator": False, "discriminator": True, "recovery": True}
    steps(model, 1)
    assert (model.generator.get_weights()[0] != before["generator"][0]).any()


def test_a_checkpoint_continues_as_if_nothing_had_happened(make_trio, tmp_path):
    unbroken = compiled(make_trio)
    steps(unbroken, 2)
    save_state(tmp_path / "state.npz", unbroken, [{}])
    steps(unbroken, 2)
    resumed = compiled(make_trio, seed=1)
    load_state(tmp_path / "state.npz", resumed)
    steps(resumed, 2)
    for there, here in zip(unbroken.get_weights(), resumed.get_weights(), strict=True):
        assert (there == here).all()


def test_it_is_saved_with_its_optimiser(make_trio, tmp_path):
    encoder = networks.image_encoder(8, FEATURES, filters=(2,))
    model = compiled(make_trio, n_critic=2, image_encoder=encoder)
    steps(model, 3)
    model.save(tmp_path / "trio.keras")
    loaded = keras.saving.load_model(tmp_path / "trio.keras")
    pictures = RNG.integers(0, 256, (ROWS, 8, 8, 1)).astype("uint8")
    for name, x in (("features", X), ("image", pictures)):
        said = [np.asarray(m({name: x, "code": C})["sentence"]) for m in (model, loaded)]
        assert said[0] == pytest.approx(said[1], abs=1e-6)
    for setting in ("objective", "code_weight", "code_noise", "real_noise", "penalty", "name"):
        assert getattr(loaded, setting) == getattr(model, setting), setting
    assert [v.path for v in loaded.trainable_variables] == [v.path for v in model.trainable_variables]
    stored = [np.asarray(v) for v in model.optimizer.variables]
    assert len(stored) > 36
    for before, after in zip(stored, loaded.optimizer.variables, strict=True):
        assert (before == np.asarray(after)).all()
    assert loaded.optimizer.optimizers[0].every == 2
    assert len(loaded.trainable_variables) == 18


def test_pictures_and_features_train_alike(make_trio):
    encoder = networks.image_encoder(8, FEATURES, filters=(2,))
    model, pictures = make_trio(image_encoder=encoder), RNG.integers(0, 256, (ROWS, 8, 8, 1)).astype("uint8")
    features = np.asarray(encoder(pictures))
    here = np.asarray(model.condition(pictures))
    assert here == pytest.approx(features)
    assert np.asarray(model.condition({"image": pictures})) == pytest.approx(features)
    assert np.asarray(model.condition({"features": features})) == pytest.approx(features)
    assert np.asarray(model.condition(features)) == pytest.approx(features)


def test_pictures_go_through_the_backbone_and_its_features_do_not(make_trio):
    backbone = networks.image_encoder(8, 5, filters=(2,))
    encoder = networks.word_encoder(5, FEATURES, width=4)
    model = make_trio(image_encoder=encoder).behind(backbone)
    assert model.picture_encoder is backbone and make_trio(image_encoder=encoder).picture_encoder is None
    pictures = RNG.integers(0, 256, (ROWS, 8, 8, 1)).astype("uint8")
    pooled = np.asarray(backbone(pictures))
    wanted = np.asarray(encoder(pooled))
    for inputs in (pictures, {"image": pictures}, pooled, {"pooled": pooled}, {"features": wanted}):
        assert np.asarray(model.condition(inputs)) == pytest.approx(wanted)
    with pytest.raises(
        DataError, match=r"Expected: features \[batch, 6\], or what is encoded: \[batch, 8, 8, 1\], or"
    ):
        model({"pooled": np.zeros((2, 9), "float32")})


def test_encoders_that_do_not_lead_to_x_are_refused(make_trio):
    with pytest.raises(ConfigError, match=r"'word_encoder' makes features \(7,\) of a picture"):
        make_trio(image_encoder=networks.word_encoder(5, FEATURES + 1, width=4))
    with pytest.raises(
        ConfigError, match=r"'word_encoder' makes 6 numbers of 6 numbers: what goes in cannot be told"
    ):
        make_trio(image_encoder=networks.word_encoder(FEATURES, FEATURES, width=4))


@pytest.mark.parametrize("shape", [(ROWS, 4), (CODE,)], ids=["four_numbers", "one_row"])
def test_a_code_of_another_length_is_refused(make_trio, shape):
    with pytest.raises(DataError) as error:
        make_trio()({"features": X, "code": np.zeros(shape, "float32")})
    assert str(error.value) == (
        f"The code has the shape {shape}.\nExpected: [batch, 3]\nFix: pass 3 numbers for each picture"
    )


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"code": C}, "The inputs are code."),
        (np.zeros((2, 7), "float32"), "The inputs have the shape (2, 7)."),
        (np.zeros((2, 8, 8, 1), "uint8"), "The inputs have the shape (2, 8, 8, 1)."),
    ],
    ids=["code_alone", "other_features", "pictures"],
)
def test_inputs_that_are_no_features_are_refused(make_trio, inputs, text):
    with pytest.raises(DataError) as error:
        make_trio()(inputs)
    assert str(error.value) == (
        f'{text}\nExpected: features [batch, 6]; this model has no image encoder\nFix: pass e.g. {{"features": X, '
        '"code": c}'
    )


@pytest.mark.parametrize(
    "targets",
    [{"labels": (ROWS, 10)}, {"sentences": (ROWS, 5)}, {"tokens": (ROWS,)}],
    ids=["labels_alone", "codes_of_another_length", "no_rows_of_words"],
)
def test_targets_without_captions_are_refused(make_trio, targets):
    """In `fit`, where Keras does not hide it."""
    model = compiled(make_trio)
    given = {key: np.zeros(shape, "int32") for key, shape in targets.items()}
    with pytest.raises(DataError) as error:
        model.fit(X, given, batch_size=ROWS, verbose=0)
    assert str(error.value).startswith("The targets have the shapes {")
    assert error.value.expected == (
        "tokens [batch, captions, words], or sentences [batch, captions, 4]; of one caption each, without the "
        "second axis"
    )


def test_networks_that_do_not_fit_are_refused(make_trio):
    model = make_trio()
    with pytest.raises(ConfigError) as error:
        CaptionTrio(
            model.generator,
            model.discriminator,
            model.recovery,
            SentenceAutoencoder(vocabulary=("one",), sentence_size=5, word_size=3, units=5),
        )
    assert str(error.value) == (
        "The generator goes from sizes [6, 3] to 4.\n"
        "Expected: from [6, 3] to 5, as the other networks have it\n"
        "Fix: make all networks from one config"
    )


def test_the_same_networks_behind_a_backbone(make_trio):
    model, encoder = make_trio(), networks.image_encoder(8, FEATURES, filters=(2,))
    behind = model.behind(encoder)
    assert behind.generator is model.generator and behind.backbone is encoder
    assert behind.get_config().keys() == model.get_config().keys()
    pictures = RNG.integers(0, 256, (ROWS, 8, 8, 1)).astype("uint8")
    said = behind({"image": pictures, "code": C})["sentence"]
    assert np.asarray(said) == pytest.approx(
        np.asarray(model({"features": encoder(pictures), "code": C})["sentence"])
    )


def test_noise_and_slopes_are_measured_by_the_distance_of_sentences(make_trio):
    model = make_trio(code_noise=1.0)
    assert model.reach == pytest.approx(2**0.5)  # of sentences with 4 numbers of variance 1
    pairs = RNG.normal(size=(2, 20_000, SENTENCE))
    assert np.sqrt(np.square(pairs[0] - pairs[1]).sum(axis=-1).mean()) / 2 == pytest.approx(
        model.reach, rel=0.02
    )
    noise = np.asarray(model._noisy(np.zeros((20_000, SENTENCE), "float32"), 0.5))
    assert noise.std() == pytest.approx(0.5 * model.reach, rel=0.02)
