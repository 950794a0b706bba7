"""A tiny trio over the words of the ten digits, whose autoencoder gives them back: what it says are words."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
from keras import ops

from zoo.data.batches import Split, Splits
from zoo.data.grid_digits import label_sets
from zoo.models.captioning import networks
from zoo.models.captioning.autoencoder import SentenceAutoencoder
from zoo.models.captioning.data import WORDS, captions_of
from zoo.models.captioning.tokens import FIRST_WORD
from zoo.models.captioning.trio import CaptionTrio
from zoo.models.captioning.writer import CaptionWriter

FEATURES, SENTENCE, CODE, ROWS, SIDE = 6, 4, 3, 12, 8
_PARTS = 3


@cache
def digit_trio() -> CaptionTrio:
    """The players are not trained; picture and code both change what is said."""
    keras.utils.set_random_seed(3)
    autoencoder = _autoencoder()
    size = {"width": 8, "layers": 1}
    trio = CaptionTrio(
        networks.generator(FEATURES, CODE, SENTENCE, **size),
        networks.discriminator(SENTENCE, FEATURES, **size),
        networks.recovery(SENTENCE, FEATURES, CODE, **size),
        autoencoder,
        image_encoder=networks.image_encoder(SIDE, FEATURES, filters=(2,)),
    )
    kernel = trio.generator.layers[-1].kernel
    kernel.assign(3 * kernel)
    return trio


def _autoencoder() -> SentenceAutoencoder:
    """Its last layer is solved for noisy codes of the ten sentences, which takes no time; the others stay as drawn."""
    tokens = captions_of(np.arange(10))
    repeated = np.tile(tokens, (50, 1))
    size = FIRST_WORD + len(WORDS)
    autoencoder = SentenceAutoencoder(
        vocabulary=WORDS, sentence_size=SENTENCE, word_size=8, units=_PARTS * size, noise=0.3
    )
    last = autoencoder.writer.next_word
    states = []
    for part in np.split(np.eye(_PARTS * size, dtype=np.float32), _PARTS, axis=1):
        last.kernel.assign(
            part
        )  # so that the states themselves come out, as many at a time as there are tokens
        autoencoder.seed_generator = keras.random.SeedGenerator(0)
        states.append(ops.convert_to_numpy(autoencoder(repeated, training=True)).reshape(-1, size))
    wanted = 20 * np.eye(size)[repeated[:, 1:].ravel()]
    last.kernel.assign(np.linalg.lstsq(np.concatenate(states, axis=1), wanted, rcond=1e-3)[0])
    autoencoder.standardise(autoencoder.codes(tokens))
    return autoencoder


@cache
def digit_writer() -> CaptionWriter:
    """Of `digit_trio`."""
    return CaptionWriter(digit_trio())


def digit_splits(*, pictures: bool) -> Splits:
    """Twelve rows in each split: noise with sets of labels that have nothing to do with it."""
    return Splits(*(_split(seed, pictures) for seed in range(3)), {"words": WORDS}, "noise")


def _split(seed: int, pictures: bool) -> Split:
    rng = np.random.default_rng(seed)
    inputs = {"features": rng.standard_normal((ROWS, FEATURES)).astype(np.float32)}
    if pictures:
        inputs = {"image": rng.integers(256, size=(ROWS, SIDE, SIDE, 1), dtype=np.uint8)}
    sets = label_sets(rng.integers(10, size=(ROWS, 4)))
    return Split(inputs, {"labels": sets}, tuple(map(str, range(ROWS))))
