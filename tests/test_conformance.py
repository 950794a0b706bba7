"""Catalogue x harness: what every model must do, whatever its method."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.harness import CASES, FUSED, PROGRESS, SIGNATURES, inputs_of, largest_difference, pictures_of
from zoo.catalog import get_spec
from zoo.data.prepared import read_prepared
from zoo.errors import ConfigError, RunError
from zoo.training.options import TrainingOptions
from zoo.training.run import Run

pytestmark = pytest.mark.parametrize("name", list(CASES))


def test_fit_lowers_the_loss(name, trained):
    with (trained(name).run.folder / "history.csv").open() as file:
        losses = [float(row[PROGRESS.get(name, "loss")]) for row in csv.DictReader(file)]
    assert losses[-1] < losses[0]


def test_run_folder_is_complete(name, trained):
    run = trained(name).run
    written = ("config.json", "environment.json", "history.csv", "metrics.json", "model.keras", "CARD.md")
    for file in (*written, "card.html"):
        assert (run.folder / file).is_file(), file
    assert (run.folder / "figures" / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not run.checkpoint.exists()
    assert name in (run.folder / "CARD.md").read_text()


def test_metrics_stand_beside_trivial_predictors(name, trained):
    rows = json.loads((trained(name).run.folder / "metrics.json").read_text())["test"]
    assert next(iter(rows)) == "model"
    assert len(rows) >= 2
    for row in rows.values():
        assert row.keys() == rows["model"].keys()
        assert all(math.isfinite(value) for value in row.values())


def test_loaded_model_answers_as_the_trained_one(name, trained):
    done = trained(name)
    inputs = inputs_of(done.splits.test)
    said = done.model.predict(inputs, verbose=0)
    for again in (zoo.load_model(done.run.folder), zoo.load_model(done.run.model_file)):
        if name in FUSED and again.eye is not None:  # behind its networks it takes pictures alone
            assert largest_difference(said, again.predict(pictures_of(done, again), verbose=0)) <= 1e-5
        else:
            assert largest_difference(said, again.predict(inputs, verbose=0)) == 0


@pytest.fixture(scope="session")
def loaded_apart(trained) -> dict[str, str]:
    """name -> class of the model that its file becomes in a process that has not trained it."""
    files = [str(trained(model).run.model_file) for model in CASES]
    code = "import sys, zoo\nfor path in sys.argv[1:]: print(type(zoo.load_model(path)).__name__)"
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(CASES, done.stdout.split(), strict=True))


def test_its_file_loads_in_a_new_process(name, trained, loaded_apart):
    assert loaded_apart[name] == type(trained(name).model).__name__


def test_config_round_trip(name, trained):
    model = trained(name).model
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
    assert again.get_config() == model.get_config()
    assert [v.shape for v in again.weights] == [v.shape for v in model.weights]


def test_arrays_and_files_give_the_same_answers(name, trained):
    done = trained(name)
    from_files = done.model.predict(done.splits.test.once(4), verbose=0)
    from_arrays = done.model.predict(inputs_of(done.splits.test), batch_size=4, verbose=0)
    assert largest_difference(from_files, from_arrays) <= 1e-6


def test_every_variable_trains(name, trained):
    """A weight that never moves is a branch that the loss does not reach."""
    done = trained(name)
    with TrainingOptions(seed=3).apply():  # the very weights that the training started from
        fresh = done.recipe.build(done.splits)
    moved = {
        v.path: not np.array_equal(np.asarray(v), np.asarray(w))
        for v, w in zip(done.model.trainable_variables, fresh.trainable_variables, strict=True)
    }
    assert all(moved.values()), [path for path, has_moved in moved.items() if not has_moved]


def test_unknown_setting_names_the_nearest(name):
    recipe = get_spec(name).load()
    first = dataclasses.fields(recipe.Config)[0].name
    with pytest.raises(ConfigError, match=f"Did you mean '{first}'"):
        recipe.configured(None, {first[:-1]: 1})


def test_run_of_another_model_is_refused(name, trained):
    other = next(other for other in CASES if other != name)
    with pytest.raises(RunError, match=f"is a run of '{name}', not of '{other}'"):
        Run.open(trained(name).run.folder, model=other)


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory) -> tuple[Path, list[dict]]:
    """Every model exported into one folder, and the checks of one verifying process over all of them."""
    from export.archive import verify_apart, write_version

    models_dir = tmp_path_factory.mktemp("models")
    for model in CASES:
        done = trained(model)
        servable = zoo.load_model(done.run.folder)
        signatures = done.recipe.signatures(servable)
        write_version(models_dir / model / "1", signatures, name=model, contract={})
    return models_dir, verify_apart(models_dir)


def test_keras_saved_model_server_and_client_agree(name, exported):
    checks = [check for check in exported[1] if check["model"] == name]
    asked = {(check["way"], check["signature"]) for check in checks}
    assert asked == {(way, s) for way in ("SavedModel", "server and client") for s in SIGNATURES[name]}
    assert all(check["passed"] and check["largest_difference"] <= 1e-5 for check in checks), checks


@pytest.fixture(scope="session")
def under_jax(workshop, tmp_path_factory) -> Path:
    """Every model trained from prepared arrays by one jax process in which tensorflow cannot be imported."""
    from zoo.data.prepared import write_prepared

    folder = tmp_path_factory.mktemp("jax")
    for model in CASES:
        write_prepared(folder / f"{model}.npz", workshop.recipe(model), workshop.splits(model))
    script = Path(__file__).parent / "train_under_jax.py"
    done = subprocess.run(
        [sys.executable, script, folder, *CASES], capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_weights_trained_under_jax_answer_the_same_under_tensorflow(name, under_jax):
    model = zoo.load_model(under_jax / f"{name}.keras")
    with np.load(under_jax / f"{name}-answers.npz") as answers:
        said = {key: answers[key] for key in answers.files}
    splits, _ = read_prepared(under_jax / f"{name}.npz", name)
    assert largest_difference(said, model.predict(inputs_of(splits.test), verbose=0)) <= 1e-5
