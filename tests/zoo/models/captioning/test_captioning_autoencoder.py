"""Sentences to codes and back."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from zoo.errors import DataError
from zoo.models.captioning.autoencoder import SentenceAutoencoder
from zoo.models.captioning.tokens import END, FIRST_WORD, PADDING, START

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TOKENS = np.array([[START, FIRST_WORD + i, END, PADDING] for i in range(10)], "int32")
SENTENCES = np.array(
    [[START, 4, 5, 6, END, 0], [START, 4, END, 0, 0, 0], [START, 7, 8, 4, 9, END], [START, 5, 4, END, 0, 0]],
    "int32",
)


def fresh(seed: int = 0, **settings) -> SentenceAutoencoder:
    keras.utils.set_random_seed(seed)
    small = {"vocabulary": WORDS, "sentence_size": 6, "word_size": 8, "units": 16}
    return SentenceAutoencoder(**small | settings)


@pytest.fixture(scope="module")
def trained() -> SentenceAutoencoder:
    model = fresh(units=32, noise=0.1)
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(np.tile(TOKENS, (400, 1)), batch_size=40, shuffle=False, verbose=0)
    model.standardise(model.codes(TOKENS))
    return model


def test_ten_words_come_back_after_a_short_training(trained):
    assert trained.reconstruction_rate(TOKENS) == 1.0
    written, log_prob = trained.decode(trained.encode(TOKENS), 4)
    assert (np.asarray(written) == TOKENS).all()
    assert np.asarray(log_prob).max() <= 0
    assert np.exp(np.asarray(log_prob)).min() > 0.5


def test_an_untrained_one_does_not_reconstruct():
    assert fresh().reconstruction_rate(TOKENS) <= 0.1


def test_codes_are_standardised(trained):
    codes = trained.codes(TOKENS)
    assert codes.mean(axis=0) == pytest.approx(np.zeros(6), abs=1e-4)
    assert codes.std(axis=0) == pytest.approx(np.ones(6), abs=2e-2)


def test_standardising_again_changes_nothing(trained):
    before = trained.codes(TOKENS)
    trained.standardise(before)
    assert trained.codes(TOKENS) == pytest.approx(before, abs=1e-3)
    assert trained.reconstruction_rate(TOKENS) == 1.0


def test_standardising_does_not_change_what_is_written():
    model = fresh()
    before = [np.asarray(x) for x in model.decode(model.encode(SENTENCES), 6)]
    model.standardise(model.codes(SENTENCES))
    again = [np.asarray(x) for x in model.decode(model.encode(SENTENCES), 6)]
    assert (before[0] == again[0]).all()
    assert again[1] == pytest.approx(before[1], abs=1e-3)


@pytest.mark.parametrize("which", ["trained", "fresh"])
def test_log_prob_is_that_of_the_written_sentence(which, trained):
    """Greedy decoding, step by step, against one pass that is given what was written."""
    model = trained if which == "trained" else fresh(3)
    written, log_prob = (np.asarray(x) for x in model.decode(model.encode(TOKENS), 5))
    s = model.encode(TOKENS)
    # The pass reads the very tokens, so that its code is that of TOKENS only where they were reconstructed.
    model_reads = model._read
    model._read = lambda _: s / model.standardize.scale + model.standardize.mean
    logits = np.asarray(model(written), "float64")
    model._read = model_reads
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    said = np.take_along_axis(log_p, written[:, 1:, None], axis=-1)[..., 0]
    counted = written[:, 1:] != PADDING
    assert log_prob == pytest.approx((said * counted).sum(axis=1), abs=1e-4)


def test_only_words_and_the_end_are_written():
    written = np.concatenate(
        [np.asarray(fresh(seed).decode(np.eye(6, dtype="f4"), 9)[0]) for seed in range(4)]
    )
    assert (written[:, 0] == START).all()
    for row in written:
        ends = np.flatnonzero(row == END)
        until = ends[0] if len(ends) else len(row)
        assert (row[1:until] >= FIRST_WORD).all()
        assert (row[until + 1 :] == PADDING).all()


def test_loss_by_hand():
    """Even logits over 14 tokens: ln 14 for each token that is not padding. 4, 2, 5 and 3 of them."""
    model = fresh()
    loss = model.compute_loss(SENTENCES, y_pred=np.zeros((4, 5, 14), "float32"))
    assert float(loss) == pytest.approx(math.log(14) * (4 + 2 + 5 + 3) / 4, rel=1e-6)
    assert float(model.reconstruction.result()) == 0.0


def test_reconstruction_asks_for_every_token():
    model, logits = fresh(), np.zeros((4, 5, 14), "float32")
    np.put_along_axis(logits, SENTENCES[:, 1:, None].astype("int64"), 5.0, axis=-1)
    logits[0, 4] = np.arange(14)  # padding: whatever is said there
    logits[1, 0, START] = 9.0  # start is never written, so that the right word is still the likeliest
    logits[2, 1, 11] = 9.0  # a wrong word
    model.compute_loss(SENTENCES, y_pred=logits)
    assert float(model.reconstruction.result()) == 0.75


def test_padding_is_not_read():
    model = fresh()
    wider = np.pad(SENTENCES, ((0, 0), (0, 3)))
    assert np.asarray(model.encode(wider)) == pytest.approx(np.asarray(model.encode(SENTENCES)), abs=1e-6)


def test_noise_is_of_the_size_of_codes_and_only_in_training():
    model = fresh(noise=0.5)
    still, noisy = np.asarray(model(TOKENS)), np.asarray(model(TOKENS, training=True))
    assert np.asarray(model(TOKENS)) == pytest.approx(still)
    assert np.abs(noisy - still).max() > 1e-5
    same = np.repeat(TOKENS[:1], 5, axis=0)  # codes without any spread: noise in their unit is none
    assert np.asarray(model(same, training=True)) == pytest.approx(np.asarray(model(same)), abs=1e-6)


def test_it_is_saved_with_its_statistics(trained, tmp_path):
    trained.save(tmp_path / "autoencoder.keras")
    loaded = keras.saving.load_model(tmp_path / "autoencoder.keras")
    assert loaded.codes(TOKENS) == pytest.approx(trained.codes(TOKENS), abs=1e-6)
    assert loaded.vocabulary == WORDS
    assert loaded.noise == 0.1
    assert loaded.reconstruction_rate(TOKENS) == 1.0


def test_codes_of_another_length_are_refused():
    with pytest.raises(DataError) as error:
        fresh().decode(np.zeros((2, 5), "float32"), 4)
    assert str(error.value) == (
        "Sentence codes of shape (2, 5) are to be written with 4 tokens.\n"
        "Expected: [batch, 6], and 2 tokens or more\n"
        "Fix: pass what `encode` or the generator returned, and a length that holds start and a word"
    )


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (np.array([[2, 14, 3]], "int32"), "The tokens have the shape (1, 3), 2 .. 14."),
        (np.array([2, 4, 3], "int32"), "The tokens have the shape (3,), 2 .. 4."),
        (np.zeros((0, 3), "int32"), "The tokens have the shape (0, 3)."),
    ],
    ids=["unknown_word", "one_row", "no_rows"],
)
def test_tokens_of_another_vocabulary_are_refused(tokens, text):
    with pytest.raises(DataError) as error:
        fresh().reconstruction_rate(tokens)
    assert str(error.value).startswith(f"{text}\nExpected: [rows, words] with ids 0 .. 13\nFix: ")
