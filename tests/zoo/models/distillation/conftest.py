"""A small teacher in a file, and pictures that it can be asked about."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from zoo.catalog import get_spec
from zoo.data.batches import Split, Splits
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.vgg import BLOCKS, vgg

TOY_CLASSES = ("ant", "bee", "cat")
TOY_FACTS = {
    "classes": TOY_CLASSES,
    "image_size": 32,
    "mean": (0.4, 0.5, 0.6),
    "deviation": (0.2, 0.25, 0.3),
}


def _split(rows: int, seed: int) -> Split:
    labels = np.arange(rows, dtype=np.int32) % len(TOY_CLASSES)
    noise = np.random.default_rng(seed).integers(0, 128, (rows, 32, 32, 3))
    images = (noise + 60 * labels[:, None, None, None]).astype(np.uint8)
    return Split({"image": images}, {"label": labels}, tuple(map(str, range(rows))))


@pytest.fixture(scope="session")
def toy_splits() -> Splits:
    """Noise whose brightness tells the class: 24, 9 and 9 pictures."""
    return Splits(_split(24, 0), _split(9, 1), _split(9, 2), facts=TOY_FACTS, name="toy")


def toy_classifier(convolutions=(1, 1, 1, 1, 1), classes=TOY_CLASSES, seed=1, **settings) -> Classifier:
    """A VGG of 8 to 64 channels whose batch-norm statistics are those of no fresh network."""
    keras.utils.set_random_seed(seed)
    small = {"width": 0.125, "head_width": 8, "mean": TOY_FACTS["mean"], "deviation": TOY_FACTS["deviation"]}
    network = vgg(convolutions, classes=len(classes), **(small | settings))
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return Classifier(network, classes=classes, cuts=BLOCKS, name="toy")


@pytest.fixture(scope="session")
def make_classifier():
    """See `toy_classifier`."""
    return toy_classifier


@pytest.fixture(scope="session")
def teacher_file(tmp_path_factory) -> Path:
    """A classifier with one convolution per block."""
    path = tmp_path_factory.mktemp("teacher") / "teacher.keras"
    toy_classifier().save(path)
    return path


@pytest.fixture
def student_recipe(teacher_file):
    """(model, **settings) -> the recipe of a student of `teacher_file`, as small as it."""

    def make(name="vgg15_one_per_block", **settings):
        small = {"epochs": 2, "block_epochs": 2, "batch_size": 12, "learning_rate": 0.02}
        small |= {"strategy": "blockwise", "teacher": str(teacher_file)}
        if name != "distilled":
            small |= {"width": 0.125, "head_width": 8}
        return get_spec(name).load().configured(None, small | settings)

    return make
