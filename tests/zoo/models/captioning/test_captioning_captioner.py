"""The plain LSTM captioner, its writer, and the ways it writes; on both backends."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from tests.both_backends import values_of_both, write_values
from zoo.errors import ConfigError, DataError
from zoo.models.captioning.captioner import LstmCaptioner
from zoo.models.captioning.decoding import Beam, Greedy, Sampled
from zoo.models.captioning.sentence_writer import SentenceWriter, sentence_losses
from zoo.models.captioning.tokens import END, FIRST_WORD, PADDING, START, UNKNOWN

WORDS = ("red", "blue", "dog", "cat")
RED, BLUE, DOG, CAT = range(FIRST_WORD, FIRST_WORD + 4)
# Two kinds of pictures: one with two captions, one with a single caption that is there twice.
CAPTIONS = np.array(
    [[[START, RED, DOG, END], [START, DOG, END, PADDING]], [[START, BLUE, CAT, END]] * 2], "int32"
)
PICTURES = np.array([[2.0, 0, 0, -2, 1], [-2.0, 1, 0, 2, 0]], "float32")
WAYS = {"greedy": Greedy(), "sampled": Sampled(range(6), 1.5), "beam": Beam(5)}


def fresh(seed: int = 0, scale: float = 1.0, **settings) -> LstmCaptioner:
    keras.utils.set_random_seed(seed)
    small = {"condition_size": 4, "word_size": 5, "units": 8, "dropout": 0.0, "max_words": 3}
    model = LstmCaptioner(vocabulary=WORDS, feature_size=5, **small | settings)
    # The same weights on every backend, and words that are not all as likely.
    rng = np.random.default_rng(seed)
    model.set_weights([scale * rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def features(rows: int = 6) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, 5)).astype("float32")


def log_p_by_hand(model: LstmCaptioner, tokens: np.ndarray, x: np.ndarray) -> np.ndarray:
    """-log p in one pass that is given the sentences, from logits to nats in numpy."""
    logits = np.asarray(model.writer(tokens, model(x)["condition"]), "float64")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    said = np.take_along_axis(log_p, tokens[:, 1:, None].astype(int), axis=-1)[..., 0]
    return (said * (tokens[:, 1:] != PADDING)).sum(axis=1)


@pytest.fixture(scope="module")
def trained() -> LstmCaptioner:
    keras.utils.set_random_seed(0)
    model = LstmCaptioner(
        vocabulary=WORDS, feature_size=5, condition_size=4, word_size=5, units=16, dropout=0.0, max_words=2
    )
    model.compile(keras.optimizers.Adam(2e-2))
    model.fit(
        {"features": np.tile(PICTURES, (800, 1))},
        {"tokens": np.tile(CAPTIONS, (800, 1, 1))},
        batch_size=32,
        verbose=0,
    )
    return model


# === Learning ===


def test_it_learns_both_captions_of_a_picture(trained):
    """All of the mass, and about half of it for each of two captions that are drawn as often."""
    p = np.exp(log_p_by_hand(trained, CAPTIONS.reshape(4, 4), np.repeat(PICTURES, 2, axis=0)))
    assert p[:2].sum() == pytest.approx(1, abs=0.05)
    assert p[:2] == pytest.approx([0.5, 0.5], abs=0.2)
    assert p[2:] == pytest.approx([1, 1], abs=0.05)
    assert trained.write(PICTURES, Beam(3))["tokens"][1].tolist() == [START, BLUE, CAT, END]


def test_samples_follow_the_captions(trained):
    """Of 400 about half begin with "red"; a low temperature takes the likelier half."""
    x = np.tile(PICTURES[:1], (400, 1))
    begins = trained.write(x, Sampled(range(400)))["tokens"][:, 1]
    p_red = float(np.exp(log_p_by_hand(trained, CAPTIONS[0, :1], PICTURES[:1])[0]))
    assert (begins == RED).mean() == pytest.approx(p_red, abs=0.08)
    cold = trained.write(x, Sampled(range(400), temperature=0.005))["tokens"]
    assert (cold == trained.write(x, Greedy())["tokens"]).mean() > 0.95


def test_the_loss_is_nats_per_caption_and_in_evaluation_over_all_of_them(trained):
    nats = -log_p_by_hand(trained, CAPTIONS.reshape(4, 4), np.repeat(PICTURES, 2, axis=0))
    found = trained.evaluate(PICTURES, {"tokens": CAPTIONS}, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(nats.mean(), rel=1e-4)
    assert found["nats_per_word"] == pytest.approx(nats.sum() / (3 + 2 + 3 + 3), rel=1e-4)
    one = {"tokens": keras.ops.array(CAPTIONS[:, 0])}
    loss = trained.compute_loss(PICTURES, one, trained(PICTURES), training=False)
    assert float(loss) == pytest.approx(nats[[0, 2]].mean(), rel=1e-4)


def test_in_training_one_caption_is_drawn_and_sample_weights_count():
    model = fresh()
    nats = -log_p_by_hand(model, CAPTIONS[0], np.repeat(PICTURES[:1], 2, axis=0))
    y_pred = model(PICTURES[:1])
    found = [
        float(model.compute_loss(PICTURES[:1], {"tokens": keras.ops.array(CAPTIONS[:1])}, y_pred))
        for _ in range(12)
    ]
    near = np.abs(np.subtract.outer(found, nats)) < 1e-4
    assert near.any(axis=1).all() and near.any(axis=0).all()
    weighted = model.compute_loss(
        PICTURES[:1],
        {"tokens": keras.ops.array(CAPTIONS[:1, 0])},
        y_pred,
        sample_weight=keras.ops.array([3.0]),
    )
    assert float(weighted) == pytest.approx(3 * nats[0], rel=1e-4)


def test_dropout_is_of_training_alone():
    model = fresh(dropout=0.5)
    condition = model(features())["condition"]
    tokens = np.tile(CAPTIONS[0, :1], (6, 1))
    calm, again, dropped = (
        np.asarray(model.writer(tokens, condition, training=t)) for t in (False, False, True)
    )
    assert (calm == again).all()
    assert (calm != dropped).any()


# === Writing ===


@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_log_prob_is_that_of_what_was_written(how, scale):
    model, x = fresh(2, scale), features()
    written = model.write(x, how)
    assert written["tokens"].dtype == np.int32 and written["tokens"].shape == (6, 5)
    assert written["log_prob"] == pytest.approx(
        log_p_by_hand(model, written["tokens"], x), rel=1e-4, abs=1e-4
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("how", WAYS.values(), ids=WAYS)
def test_only_words_then_an_end_then_padding(how, seed):
    """Weights by chance: padding, start and the unknown word are often the likeliest, and are not written."""
    tokens = fresh(seed, 2.0).write(features(), how)["tokens"]
    assert (tokens[:, 0] == START).all()
    for row in tokens[:, 1:].tolist():
        said = list(itertools.takewhile(lambda token: token >= FIRST_WORD, row))
        rest = row[len(said) :]
        assert rest in ([], [END] + [PADDING] * (len(rest) - 1))


def test_the_tokens_never_written_would_have_been():
    """What the test above rests on."""
    likeliest = []
    for seed in range(4):
        model = fresh(seed, 2.0)
        start = np.full((6, 2), START, "int32")
        logits = model.writer(start, model(features())["condition"])
        likeliest += np.argmax(np.asarray(logits)[:, 0], axis=-1).tolist()
    assert {PADDING, UNKNOWN, START} & set(likeliest)


def test_a_wide_beam_finds_the_likeliest_of_all_sentences():
    """Four words and three places: 4 + 16 sentences that end, the empty one, and 64 that find no room."""
    model, x = fresh(3), features(3)
    every = [
        [START, *words, END, *[PADDING] * (3 - len(words))]
        for n in range(4)
        for words in itertools.product(range(FIRST_WORD, FIRST_WORD + 4), repeat=n)
    ]
    # `length` has room for the end of three words; with a place less they stop without one.
    sentences = np.array(every, "int32")
    log_p = np.stack(
        [log_p_by_hand(model, sentences, np.repeat(x[i : i + 1], len(sentences), axis=0)) for i in range(3)]
    )
    found = model.write(x, Beam(100))
    assert (found["tokens"] == sentences[log_p.argmax(axis=1)]).all()
    assert found["log_prob"] == pytest.approx(log_p.max(axis=1), rel=1e-4)
    greedy = model.write(x, Greedy())["log_prob"]
    assert (found["log_prob"] >= greedy - 1e-5).all()


def test_a_beam_of_one_is_greedy():
    model = fresh(4)
    one, greedy = (model.write(features(), how) for how in (Beam(1), Greedy()))
    assert (one["tokens"] == greedy["tokens"]).all()
    assert one["log_prob"] == pytest.approx(greedy["log_prob"], rel=1e-5)


def test_a_seed_writes_the_same_whatever_is_beside_it(monkeypatch):
    model, x = fresh(scale=0.5), features()
    seeds = np.array([11, 12, 13, 14, 15, 11])
    every = model.write(x, Sampled(seeds))["tokens"]
    alone = [model.write(x[i : i + 1], Sampled(seeds[i : i + 1]))["tokens"][0] for i in range(6)]
    assert (every == np.array(alone)).all()
    monkeypatch.setattr("zoo.models.captioning.captioner._ROWS_AT_ONCE", 4)
    assert (model.write(x, Sampled(seeds))["tokens"] == every).all()
    others = model.write(x, Sampled(seeds + 100))["tokens"]
    assert (others != every).any()


# === Saving ===


def test_it_loads_again_and_writes_the_same(tmp_path):
    model = fresh(5, dropout=0.25)
    model.save(tmp_path / "captioner.keras")
    again = keras.saving.load_model(tmp_path / "captioner.keras")
    assert again.get_config() == model.get_config()
    assert again.vocabulary == WORDS and again.length == 5
    for how in WAYS.values():
        assert (again.write(features(), how)["tokens"] == model.write(features(), how)["tokens"]).all()


def test_the_writer_is_a_layer_with_its_own_config():
    writer = SentenceWriter(
        tokens=6, condition_size=3, word_size=2, units=4, dropout=0.1, dtype="mixed_bfloat16"
    )
    config = writer.get_config()
    again = SentenceWriter.from_config(config)
    assert again.get_config() == config
    assert again.lstm.compute_dtype == "bfloat16"
    logits = again(np.array([[START, 5, END]]), np.ones((1, 3), "float32"))
    assert logits.shape == (1, 2, 6) and keras.backend.standardize_dtype(logits.dtype) == "float32"
    tokens, log_prob = Beam(2).write(again, np.ones((1, 3), "float32"), 4)
    assert tuple(tokens.shape) == (1, 4) and np.isfinite(np.asarray(log_prob)).all()


def test_sentence_losses_leave_padding_out():
    """Logits of 0: log 6 for each token that is counted, the end included."""
    losses, counted = sentence_losses(
        np.zeros((2, 3, 6), "float32"), np.array([[START, 4, END, 0], [START, 4, 5, END]])
    )
    assert np.asarray(counted).tolist() == [2, 3]
    assert np.asarray(losses) == pytest.approx(np.log(6) * np.array([2, 3]), rel=1e-6)


# === Wrong use ===


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda: fresh().write(np.zeros((2, 3), "float32"), Greedy()),
            "The inputs have the shape (2, 3).\nExpected: features [batch, 5]\n"
            "Fix: pass features of the backbone that the captioner was trained with",
        ),
        (
            lambda: fresh()({"image": np.zeros((2, 5), "float32")}),
            "The inputs are image.\nExpected: features [batch, 5]\n"
            "Fix: pass features of the backbone that the captioner was trained with",
        ),
        (
            lambda: fresh().write(np.zeros((0, 5), "float32"), Greedy()),
            "There are no features to write captions from.\nExpected: at least one row\nFix: pass some",
        ),
        (
            lambda: fresh().compute_loss(PICTURES, {"labels": PICTURES}, {"condition": PICTURES}),
            "The targets have the shapes {'labels': (2, 5)}.\n"
            'Expected: tokens [batch, captions, words], or [batch, words]\nFix: pass e.g. {"tokens": tokens}',
        ),
        (
            lambda: fresh().write(features(), Sampled([1, 2])),
            "There are 2 seeds for 6 rows.\nExpected: one for each\nFix: pass e.g. range(rows)",
        ),
        (
            lambda: Sampled([-1, 2]),
            "The seeds have the shape (2,) and the type int64, from -1.\n"
            "Expected: [rows], whole numbers from 0\nFix: pass e.g. range(rows)",
        ),
    ],
    ids=["length", "name", "no rows", "no captions", "seeds", "negative seed"],
)
def test_wrong_data(wrong, text):
    with pytest.raises(DataError) as error:
        wrong()
    assert str(error.value) == text


def test_wrong_settings():
    with pytest.raises(ConfigError) as error:
        Sampled([1], temperature=0.0)
    assert str(error.value) == (
        "temperature is 0.0.\nExpected: a number above 0\nFix: take `Greedy()` for the likeliest words"
    )
    with pytest.raises(ConfigError) as error:
        Beam(0)
    assert str(error.value) == "width is 0.\nExpected: 1 or more\nFix: set width to e.g. 5"


# === The other backend ===


def values() -> dict[str, np.ndarray]:
    """Everything that is compared; the same code runs here and under jax."""
    model, found = fresh(6), {}
    for name, how in WAYS.items():
        written = model.write(features(), how)
        found |= {f"{name}/tokens": written["tokens"], f"{name}/log_prob": written["log_prob"]}
    targets = np.tile(CAPTIONS, (3, 1, 1))
    y = {"tokens": keras.ops.convert_to_tensor(targets)}
    found["loss"] = model.compute_loss(features(), y, model(features()), training=False)
    found["loss/nats_per_word"] = model.nats_per_word.result()
    # The captions of a picture are the same, so that it does not matter which is drawn.
    model.compile(keras.optimizers.SGD(0.1))
    alike = {"tokens": np.repeat(targets[:, :1], 2, axis=1)}
    model.fit(features(), alike, batch_size=6, epochs=3, shuffle=False, verbose=0)
    found |= {f"fit/{i}": weight for i, weight in enumerate(model.get_weights())}
    return {name: np.asarray(value, "float64") for name, value in found.items()}


def test_jax_without_tensorflow_says_the_same(tmp_path):
    here, there = values_of_both(__file__, values, tmp_path)
    assert there.keys() == here.keys()
    for name, value in here.items():
        assert there[name] == pytest.approx(value, abs=2e-5, rel=2e-5), name


if __name__ == "__main__":
    write_values(values)
