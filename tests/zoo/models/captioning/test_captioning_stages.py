"""Autoencoder, encoder, GAN: what is recorded, what an interruption costs (nothing), what is refused."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.harness import CASES
from zoo.catalog import get_spec
from zoo.errors import RunError
from zoo.models.captioning.callbacks import SaidWords
from zoo.recipe import DataOptions
from zoo.training import fit as fitting
from zoo.training.options import TrainingOptions
from zoo.training.run import Run

NAME = "caption_gan_digits"
OPTIONS = TrainingOptions(seed=4)
HISTORIES = ("history_autoencoder.csv", "history_encoder.csv", "history.csv")


def recipe_of(**settings):
    return get_spec(NAME).load().configured(None, CASES[NAME] | {"epochs": 2} | settings)


@pytest.fixture(scope="module")
def splits():
    return recipe_of().splits("digits", DataOptions())


def start(recipe, splits, root):
    return Run.create(root, recipe, splits, OPTIONS, {"data": "digits"}, None)


def fit(recipe, splits, run):
    """Builds and trains as `mizoo train` and `mizoo train --resume` do."""
    with OPTIONS.apply():
        model = recipe.build(splits)
        recipe.fit(model, splits, run, OPTIONS)
    return model


@pytest.fixture(scope="module")
def unbroken(splits, tmp_path_factory):
    run = start(recipe_of(), splits, tmp_path_factory.mktemp("unbroken"))
    return run, fit(recipe_of(), splits, run)


def test_every_stage_is_recorded(unbroken):
    run, model = unbroken
    assert run.stages.keys() == {"autoencoder", "encoder"}
    assert 0 <= run.stages["autoencoder"]["reconstruction"] <= 1
    assert 0 <= run.stages["encoder"]["exact_sets"] <= 1
    for file, epochs in zip(HISTORIES, (2, 2, 2), strict=True):
        with (run.folder / file).open() as text:
            assert len(list(csv.DictReader(text))) == epochs, file
    with (run.folder / "history.csv").open() as text:
        last = list(csv.DictReader(text))[-1]
    assert {"recovery_error", "discriminator_accuracy", *SaidWords.SHOWN} <= last.keys()
    assert "val_loss" not in last  # what players lose to each other says nothing
    assert not model.autoencoder.trainable and not model.image_encoder.trainable
    assert (run.folder / "figures" / "samples_epoch_0002.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("file", "epoch"),
    [("history_autoencoder.csv", 1), ("history_encoder.csv", 1), ("history.csv", 0), ("history.csv", 1)],
    ids=["autoencoder", "encoder", "between", "gan"],
)
def test_an_interruption_costs_nothing(unbroken, splits, tmp_path, monkeypatch, file, epoch):
    class Killing(fitting.EpochCheckpoint):
        def on_epoch_begin(self, number, logs=None):
            if (self.log_file.name, number) == (file, epoch):
                raise KeyboardInterrupt

    run = start(recipe_of(), splits, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "EpochCheckpoint", Killing)
        with pytest.raises(KeyboardInterrupt):
            fit(recipe_of(), splits, run)
    resumed = fit(recipe_of(), splits, run)
    for there, here in zip(unbroken[1].weights, resumed.weights, strict=True):
        assert np.array_equal(np.asarray(there), np.asarray(here)), there.path
    for name in HISTORIES:
        assert (run.folder / name).read_text() == (unbroken[0].folder / name).read_text(), name


def test_an_autoencoder_that_does_not_reconstruct_stops_the_training(splits, tmp_path):
    recipe = recipe_of(least_reconstruction=1.0, autoencoder_epochs=1)
    run = start(recipe, splits, tmp_path)
    with pytest.raises(
        RunError, match=r"gives back \d+\.\d % of the validation captions word for word: the GAN is not"
    ):
        fit(recipe, splits, run)
    assert not (run.folder / "history_encoder.csv").exists()
    assert not (run.folder / "history.csv").exists()
    assert run.stages["autoencoder"]["reconstruction"] < 1
