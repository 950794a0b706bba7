"""A trio of tiny networks."""

from __future__ import annotations

from dataclasses import replace

import keras
import pytest

from zoo.models.captioning import networks
from zoo.models.captioning.autoencoder import SentenceAutoencoder
from zoo.models.captioning.config import CaptioningConfig
from zoo.models.captioning.trio import CaptionTrio

FEATURES, SENTENCE, CODE = 6, 4, 3
SIZE = {"width": 7, "layers": 2}


def tiny_trio(objective: str = "relativistic", seed: int = 0, **settings) -> CaptionTrio:
    """Features of 6, sentences of 4, codes of 3; half the error of recovery counts, and there is no noise."""
    keras.utils.set_random_seed(seed)
    return CaptionTrio(
        networks.generator(FEATURES, CODE, SENTENCE, **SIZE),
        networks.discriminator(SENTENCE, FEATURES, **SIZE),
        networks.recovery(SENTENCE, FEATURES, CODE, **SIZE),
        SentenceAutoencoder(vocabulary=("one", "two"), sentence_size=SENTENCE, word_size=3, units=5),
        objective=objective,
        code_weight=0.5,
        penalty=replace(CaptioningConfig(), objective=objective).penalty,
        **{"code_noise": 0.0, "real_noise": 0.0} | settings,
    )


@pytest.fixture(scope="session")
def make_trio():
    """See `tiny_trio`."""
    return tiny_trio
