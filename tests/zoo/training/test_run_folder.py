"""The run folder: what is recorded, and which folders are refused."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

import zoo
from zoo.data.batches import Split, Splits
from zoo.errors import DataError, RunError
from zoo.training.loading import load_trained, recipe_of
from zoo.training.options import TrainingOptions
from zoo.training.run import Run
from zoo.training.session import train


def split_of(rows):
    return Split(
        {"features": np.zeros((rows, 3), "float32")},
        {"mentions": np.zeros((rows, 2), "float32"), "captions": np.full((rows, 1), 5, "float32")},
        tuple(map(str, range(rows))),
    )


@pytest.fixture
def recipe():
    return zoo.get_spec("tagging_two_head").load().configured(overrides={"hidden": 4, "epochs": 2})


@pytest.fixture
def run(tmp_path, recipe):
    facts = {"tags": ("dog", "man"), "feature_size": 3, "backbone_sha256": None, "vectors": np.zeros((2, 2))}
    splits = Splits(split_of(4), split_of(2), split_of(3), facts, "toy")
    options = TrainingOptions(seed=7, precision="float32", devices=1)
    return Run.create(tmp_path / "runs", recipe, splits, options, {"data": "toy.json"}, "seed")


def test_what_is_recorded(run, recipe):
    record = run.record
    assert record["model"] == "tagging_two_head"
    assert record["preset"] == "seed"
    assert record["data"] == {"name": "toy", "data": "toy.json"}
    assert record["rows"] == {"train": 4, "validation": 2, "test": 3}
    # Arrays are in the weights.
    assert record["facts"] == {"tags": ["dog", "man"], "feature_size": 3, "backbone_sha256": None}
    assert recipe_of(run).config == recipe.config
    assert run.environment["seed"] == 7
    assert run.environment["backend"] == keras.backend.backend()
    assert run.environment["versions"]["keras"] == keras.__version__
    assert run.options == TrainingOptions(seed=7)


def test_the_id_is_model_and_time(run, tmp_path):
    assert run.id == f"tagging_two_head/{run.folder.name}"
    assert run.folder.parent == tmp_path / "runs" / "tagging_two_head"
    assert run.record["started"].replace("-", "")[:8] == run.folder.name[:8]


def test_stages_are_noted_one_after_the_other(run):
    assert run.stages == {}
    run.note("first", {"accuracy": np.float32(0.5)})
    run.note("second", {"error": 2})
    run.note("first", {"accuracy": 0.75})
    assert run.stages == {"first": {"accuracy": 0.75}, "second": {"error": 2.0}}
    assert Run(run.folder).stages == run.stages


def test_two_runs_have_two_folders(run, recipe, tmp_path):
    splits = Splits(split_of(4), split_of(2), split_of(3), {}, "toy")
    other = Run.create(tmp_path / "runs", recipe, splits, TrainingOptions(), {}, None)
    assert other.folder != run.folder


def test_opened_again(run):
    assert Run.open(str(run.folder), model="tagging_two_head").record == run.record


def test_a_run_of_another_model(run):
    with pytest.raises(
        RunError, match=r"is a run of 'tagging_two_head', not of 'tagging_binomial'(?s:.*)Fix: name a"
    ):
        Run.open(run.folder, model="tagging_binomial")


def test_a_folder_that_is_no_run(run, tmp_path):
    with pytest.raises(RunError, match=r"is not a run folder: it has no config\.json"):
        Run.open(tmp_path)
    with pytest.raises(DataError, match=r"The run folder .*nothing does not exist"):
        Run.open(tmp_path / "nothing")


def test_a_run_of_another_schema(run):
    (run.folder / "config.json").write_text(json.dumps({"schema": 99, "model": "tagging_two_head"}))
    with pytest.raises(RunError, match=r"was written with schema 99\.\nExpected: schema 1"):
        Run.open(run.folder)


def test_an_unfinished_run_cannot_be_loaded(run):
    assert not run.finished
    with pytest.raises(RunError, match=r"has no CARD\.md(?s:.*)mizoo train tagging_two_head --resume"):
        zoo.load_model(run.folder)


def test_the_model_is_written_whole_and_loaded_again(run, recipe):
    model = recipe.network(tags=("dog", "man"), feature_size=3)
    run.save_model(model)
    assert {path.name for path in run.folder.iterdir()} == {"config.json", "environment.json", "model.keras"}
    assert not run.finished, "a training that dies before its card is written is measured again by --resume"
    (run.folder / "CARD.md").write_text("written last")
    assert run.finished
    features = np.ones((1, 3), "float32")
    left, right = (m(features)["importance"] for m in (model, load_trained(run)))
    assert np.array_equal(left, right)


def test_load_model_takes_runs_and_keras_files_only(tmp_path):
    (tmp_path / "model.h5").write_bytes(b"x")
    with pytest.raises(RunError, match=r"neither a run folder nor a \.keras file"):
        zoo.load_model(tmp_path / "model.h5")
    with pytest.raises(DataError, match=r"The model .* does not exist"):
        zoo.load_model(tmp_path / "none.keras")


def test_a_network_that_cannot_be_built_leaves_no_folder(run, recipe, monkeypatch):
    def build(splits):
        raise DataError("no such network", fix="another one")

    monkeypatch.setattr(recipe, "build", build)
    with pytest.raises(DataError, match="no such network"):
        train(recipe, Splits(split_of(4), split_of(2), split_of(3), {}, "toy"), run, TrainingOptions())
    assert not run.folder.exists()


def test_a_run_that_has_trained_keeps_its_folder_when_it_cannot_be_built_again(run):
    run.checkpoint.mkdir()
    run.discard_unstarted()
    assert run.folder.is_dir()


def test_data_that_lost_rows_are_refused(run):
    run.check_rows(Splits(split_of(4), split_of(2), split_of(3), {}, "toy"))
    with pytest.raises(DataError, match=r"have changed: \{'train': 3, 'validation': 2, 'test': 3\} pictures"):
        run.check_rows(Splits(split_of(3), split_of(2), split_of(3), {}, "toy"))
