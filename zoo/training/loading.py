"""Trained models from run folders and `.keras` files."""

from __future__ import annotations

import zipfile
from pathlib import Path

import keras

from zoo.catalog import catalogue, get_spec
from zoo.checks import existing
from zoo.errors import ConfigError, RunError
from zoo.recipe import Recipe
from zoo.training.run import Run


def load(path: Path) -> keras.Model:
    """See `zoo.load_model`."""
    existing(path, "The model")
    if path.is_dir():
        run = Run.open(path)
        return recipe_of(run).servable(load_trained(run), run.record["facts"])
    if path.suffix != ".keras":
        raise RunError(
            f"{path} is neither a run folder nor a .keras file.",
            expected="what `mizoo train` made",
            fix="name the run folder, e.g. runs/<model>/<time>",
        )
    register_all()
    return keras.saving.load_model(path)


def register_all() -> None:
    """Makes the classes of every model of the catalogue known to Keras."""
    for spec in catalogue().values():
        spec.load().register()


def load_uncompiled(path: Path, suffixes: tuple[str, ...] = (".keras",)) -> keras.Model:
    """Returns the model of a file that anybody may have written; whoever knows its classes registers them before.

    Raises:
        ConfigError: The file has another ending, or cannot be loaded.
    """
    if path.suffix not in suffixes:
        raise ConfigError(
            f"{path} is neither a run folder nor a .keras file.",
            expected="what `mizoo train` or `model.save` wrote",
            fix="save the model with model.save('model.keras')",
        )
    if path.suffix == ".keras" and not zipfile.is_zipfile(path):
        raise ConfigError(
            f"{path} is no whole .keras file: it cannot be opened as a zip archive.",
            expected="what `mizoo train` or `model.save` wrote",
            fix="copy or save it again: it may have been cut off",
        )
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError) as error:
        raise ConfigError(
            f"{path} cannot be loaded: {error}",
            expected="a model made of Keras layers alone, saved with model.save",
            fix="save it again with this version of Keras, without own classes",
        ) from error


def recipe_of(run: Run) -> Recipe:
    """Returns the recipe of a run with the settings that it was trained with."""
    return get_spec(run.record["model"]).load().configured(overrides=run.record["config"])


def load_trained(run: Run) -> keras.Model:
    """Returns the network as it was trained: on pictures, or on the features of a frozen backbone."""
    run.require_finished()
    get_spec(run.record["model"]).load().register()
    return keras.saving.load_model(run.model_file)
