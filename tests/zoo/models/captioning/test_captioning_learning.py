"""The trio learns: what is said becomes right, and the code chooses among what is right."""

from __future__ import annotations

import keras
import numpy as np

from tests.zoo.models.captioning.digit_trio import digit_trio
from zoo.data.grid_digits import label_sets
from zoo.models.captioning import networks
from zoo.models.captioning.config import CaptioningConfig
from zoo.models.captioning.data import captions_of
from zoo.models.captioning.optimizer import trio_optimizer
from zoo.models.captioning.trio import CaptionTrio

LABELS, CODE, CODES, BATCH = 10, 3, 16, 128


def test_a_minute_of_training_makes_captions_right_and_codes_different():
    """X is the set of labels itself; of the labels of a set one is said in each step."""
    rng = np.random.default_rng(0)
    sets = np.asarray(label_sets(rng.integers(LABELS, size=(2300, 4))), np.float32)
    shown, unseen = sets[:2048], sets[2048:]
    sentences = digit_trio().autoencoder.codes(captions_of(np.arange(LABELS)))
    said_of = np.array([rng.choice(np.flatnonzero(own)) for own in shown])
    trio = untrained(sentences.shape[1])
    codes = rng.standard_normal((CODES, CODE)).astype(np.float32)
    chance = unseen.mean()

    before = said(trio, unseen, codes, sentences)
    assert share_right(unseen, before) < chance + 0.15
    trio.compile(trio_optimizer(CaptioningConfig()), jit_compile=True)
    trio.fit(shown, {"sentences": sentences[said_of]}, batch_size=BATCH, epochs=45, verbose=0)
    after = said(trio, unseen, codes, sentences)
    assert share_right(unseen, after) > chance + 0.3
    # One label for all codes would be 1, however right.
    assert np.mean([len(set(own)) for own in after.T]) > 2


def untrained(sentence_size: int) -> CaptionTrio:
    """The settings of the default, but for smaller networks."""
    keras.utils.set_random_seed(0)
    config, size = CaptioningConfig(), {"width": 64, "layers": 2}
    return CaptionTrio(
        networks.generator(LABELS, CODE, sentence_size, **size),
        networks.discriminator(sentence_size, LABELS, **size),
        networks.recovery(sentence_size, LABELS, CODE, **size),
        digit_trio().autoencoder,
        objective=config.objective,
        code_weight=config.code_weight,
        code_noise=config.code_noise,
        real_noise=config.real_noise,
        penalty=config.penalty,
    )


def said(trio: CaptionTrio, sets: np.ndarray, codes: np.ndarray, sentences: np.ndarray) -> np.ndarray:
    """The label whose sentence is the nearest, int `[codes, sets]`."""
    rows = []
    for code in codes:
        made = np.asarray(
            trio({"features": sets, "code": np.repeat(code[None], len(sets), axis=0)})["sentence"]
        )
        rows.append(((made[:, None] - sentences[None]) ** 2).sum(axis=-1).argmin(axis=1))
    return np.array(rows)


def share_right(sets: np.ndarray, labels: np.ndarray) -> float:
    """How often the label is one of the set."""
    return float(np.mean([sets[np.arange(len(sets)), own] for own in labels]))
