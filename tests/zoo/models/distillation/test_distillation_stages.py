"""Strategies from start to end: what is recorded, what an interruption costs (nothing), what is refused."""

from __future__ import annotations

import csv

import keras
import numpy as np
import pytest

from zoo.errors import ConfigError
from zoo.models.distillation import stages
from zoo.models.distillation.stages import Training
from zoo.training import fit as fitting
from zoo.training.options import TrainingOptions
from zoo.training.run import STAGES_FILE, Run
from zoo.training.session import train

OPTIONS = TrainingOptions(seed=4)
RUN_FILES = ("history_blocks.csv", "history.csv", STAGES_FILE)


def start(recipe, splits, root):
    return Run.create(root, recipe, splits, OPTIONS, {"data": "toy"}, None)


def fit(recipe, splits, run):
    """Builds and trains as `mizoo train` and `mizoo train --resume` do."""
    with OPTIONS.apply():
        model = recipe.build(splits)
        recipe.fit(model, splits, run, OPTIONS)
    return model


def kill(monkeypatch, file, *, begin=None, end=None):
    """Stops the training as epoch `begin` begins, or when epoch `end` has ended, of the fit that logs to `file`."""

    class Killing(fitting.EpochCheckpoint):
        def on_epoch_begin(self, epoch, logs=None):
            if (self.log_file.name, epoch) == (file, begin):
                raise KeyboardInterrupt

        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            if (self.log_file.name, epoch) == (file, end):
                raise KeyboardInterrupt

    monkeypatch.setattr(fitting, "EpochCheckpoint", Killing)


@pytest.fixture(scope="module")
def unbroken(toy_splits, teacher_file, tmp_path_factory):
    """A block-wise run: its folder and weights."""
    from zoo.catalog import get_spec

    settings = SETTINGS | {"teacher": str(teacher_file)}
    recipe = get_spec("vgg15_one_per_block").load().configured(None, settings)
    run = start(recipe, toy_splits, tmp_path_factory.mktemp("unbroken"))
    model = fit(recipe, toy_splits, run)
    return recipe, run, model


SETTINGS = {
    "strategy": "blockwise",
    "width": 0.125,
    "head_width": 8,
    "epochs": 2,
    "block_epochs": 2,
    "batch_size": 12,
    "learning_rate": 0.02,
}


def test_a_blockwise_run_records_its_stages(unbroken):
    _, run, _ = unbroken
    found = run.stages
    assert list(found) == ["joined", "recalibrated", "tuned"]
    assert all(row.keys() == {"loss", "accuracy"} for row in found.values())
    assert found["joined"] != found["recalibrated"] != found["tuned"]
    with (run.folder / "history_blocks.csv").open() as file:
        blocks = list(csv.DictReader(file))
    errors = {f"{part}block_{i}" for part in ("", "val_") for i in range(1, 6)}
    assert blocks[0].keys() == {"epoch", "loss", "val_loss", "learning_rate"} | errors
    assert float(blocks[-1]["loss"]) < float(blocks[0]["loss"])
    with (run.folder / "history.csv").open() as file:
        tuning = list(csv.DictReader(file))
    assert len(blocks) == len(tuning) == 2
    # Joined blocks begin with a tenth of the rate, the blocks apart with Adam's own.
    assert float(tuning[0]["learning_rate"]) == pytest.approx(0.002)
    assert [float(row["learning_rate"]) for row in blocks] == pytest.approx([1e-3, 5e-4])


def test_the_last_stage_is_what_the_model_is(unbroken, toy_splits):
    _, run, model = unbroken
    tuned = run.stages["tuned"]
    assert model.evaluate(toy_splits.validation.once(12), verbose=0, return_dict=True) == pytest.approx(tuned)


@pytest.mark.parametrize(
    ("file", "moment"),
    [
        ("history_blocks.csv", {"end": 0}),
        ("history.csv", {"begin": 0}),
        ("history.csv", {"end": 0}),
    ],
    ids=["in the blocks", "after joining", "in the tuning"],
)
def test_an_interrupted_run_ends_bit_for_bit_as_an_unbroken_one(
    file, moment, unbroken, toy_splits, tmp_path, monkeypatch
):
    recipe, whole, expected = unbroken
    run = start(recipe, toy_splits, tmp_path)
    with monkeypatch.context() as patch:
        kill(patch, file, **moment)
        with pytest.raises(KeyboardInterrupt):
            fit(recipe, toy_splits, run)
    blocks = run.checkpoint / "blocks" / "state.npz"
    written = blocks.stat().st_mtime_ns
    model = fit(recipe, toy_splits, run)
    assert all(np.array_equal(a, b) for a, b in zip(expected.get_weights(), model.get_weights(), strict=True))
    for name in RUN_FILES:
        assert (run.folder / name).read_text() == (whole.folder / name).read_text(), name
    was_over = (file, moment) != ("history_blocks.csv", {"end": 0})
    assert (blocks.stat().st_mtime_ns == written) is was_over, "a stage that has ended is not trained again"


def test_without_recalibration_it_is_not_recorded(student_recipe, toy_splits, tmp_path, monkeypatch):
    recipe = student_recipe(recalibrate=False, epochs=1, block_epochs=1)
    run = start(recipe, toy_splits, tmp_path)
    kill(monkeypatch, "history.csv", begin=0)
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, toy_splits, run)
    assert list(run.stages) == ["joined"]


def training_of(recipe, splits, tmp_path):
    with OPTIONS.apply():
        model = recipe.build(splits)
    return Training(model, splits, start(recipe, splits, tmp_path), recipe.config, OPTIONS)


def test_the_student_takes_over_the_head(student_recipe, toy_splits, tmp_path, make_classifier):
    training = training_of(student_recipe(), toy_splits, tmp_path)
    training.student(training.teacher()[1])
    teacher = make_classifier().network
    for name in ("dense_1", "logits"):
        for ours, theirs in zip(
            training.model.network.get_layer(name).get_weights(),
            teacher.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_start_from_the_teacher_copies_layers_of_the_same_name(
    student_recipe, toy_splits, tmp_path, make_classifier
):
    path = tmp_path / "deep.keras"
    teacher = make_classifier((2, 2, 3, 3, 3))
    teacher.save(path)
    recipe = student_recipe("vgg15_minus_one", strategy="scratch", start="teacher", teacher=str(path))
    training = training_of(recipe, toy_splits, tmp_path)
    training.copy_first_layers()
    own = training.model.network
    assert len(own.layers) < len(teacher.network.layers)
    for layer in own.layers:
        for ours, theirs in zip(
            layer.get_weights(), teacher.network.get_layer(layer.name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("strategy", ["scratch", "whole", "stepping_stones"])
def test_the_other_strategies_train_the_student(strategy, student_recipe, toy_splits, tmp_path):
    recipe = student_recipe(strategy=strategy, epochs=1)
    run = start(recipe, toy_splits, tmp_path)
    with OPTIONS.apply():
        fresh = recipe.build(toy_splits)
    model = fit(recipe, toy_splits, run)
    for v, w in zip(model.trainable_variables, fresh.trainable_variables, strict=True):
        assert not np.array_equal(v.numpy(), w.numpy()), v.path
    assert {p.name for p in run.folder.glob("*.csv")} == {"history.csv"}
    assert not (run.folder / STAGES_FILE).exists()


@pytest.fixture(scope="module")
def deep_file(tmp_path_factory, make_classifier):
    """A teacher with convolutions to spare in blocks 1 and 3."""
    path = tmp_path_factory.mktemp("deep") / "deep.keras"
    make_classifier((2, 1, 2, 1, 1)).save(path)
    return str(path)


@pytest.mark.parametrize("name", ["vgg15_one_per_block", "distilled"])
def test_hints_at_the_middle_block(name, deep_file, student_recipe, toy_splits, tmp_path):
    """Also for a derived student, whose layers were called before, in blocks of their own."""
    losses = []
    for weight in (0.0, 100.0):
        recipe = student_recipe(name, strategy="whole", hint_weight=weight, epochs=1, teacher=deep_file)
        run = start(recipe, toy_splits, tmp_path)
        fit(recipe, toy_splits, run)
        with (run.folder / "history.csv").open() as file:
            losses.append(float(next(csv.DictReader(file))["loss"]))
    assert losses[1] > losses[0] + 1


def test_an_export_teaches_the_whole(student_recipe, toy_splits, tmp_path, make_classifier):
    from export.signatures import write_saved_model
    from zoo.models.distillation.signatures import classifier_signatures

    folder = tmp_path / "exported"
    write_saved_model(
        str(folder), [s for s in classifier_signatures(make_classifier()) if s.name == "tensor"]
    )
    found = []
    for teacher in (folder, None):
        recipe = student_recipe(strategy="whole", epochs=1, **({"teacher": str(teacher)} if teacher else {}))
        found.append(fit(recipe, toy_splits, start(recipe, toy_splits, tmp_path / str(len(found)))))
    # The logits differ by a number per picture, which no softmax sees.
    for exported, own in zip(*(model.get_weights() for model in found), strict=True):
        np.testing.assert_allclose(exported, own, atol=2e-4)


def test_a_saved_model_trains_and_saves_without_a_warning(student_recipe, toy_splits, tmp_path, recwarn):
    recipe = student_recipe(strategy="whole", epochs=1)
    run = start(recipe, toy_splits, tmp_path)
    train(recipe, toy_splits, run, OPTIONS)
    assert run.finished
    recwarn.clear()
    keras.saving.load_model(run.model_file)
    assert not [str(w.message) for w in recwarn if "Skipping variable loading" in str(w.message)]


class TestRefused:
    def refusal(self, recipe, splits, tmp_path):
        training = training_of(recipe, splits, tmp_path)
        with pytest.raises(ConfigError) as raised:
            training.student(training.teacher()[1])
        return str(raised.value)

    def test_another_width(self, student_recipe, toy_splits, tmp_path):
        assert self.refusal(student_recipe(width=0.25), toy_splits, tmp_path) == (
            "Block 1 of the student gives (16, 16, 16), the teacher's (16, 16, 8).\n"
            "Expected: the same output shape, so that the blocks can be swapped\n"
            "Fix: let student block 1 end with the teacher's resolution and channels"
        )

    def test_other_pools(self, student_recipe, toy_splits, tmp_path):
        said = self.refusal(student_recipe(pools=3), toy_splits, tmp_path)
        assert said.startswith("Block 4 of the student gives (4, 4, 64), the teacher's (2, 2, 64).")

    def test_another_head(self, student_recipe, toy_splits, tmp_path):
        assert self.refusal(student_recipe(head_width=10), toy_splits, tmp_path) == (
            "The head of the student has weights [(64, 10), (10,), (10, 3), (3,)], "
            "that of the teacher [(64, 8), (8,), (8, 3), (3,)].\n"
            "Expected: the same head: the student takes over its weights\n"
            "Fix: give both the same width, head_width and pools"
        )

    def test_other_cuts(self, student_recipe, toy_splits, tmp_path):
        said = self.refusal(student_recipe(at="block_1,block_5"), toy_splits, tmp_path)
        assert said.startswith("The student has 5 blocks, the teacher 2.")

    def test_a_cut_that_is_not_there(self, student_recipe, toy_splits, tmp_path):
        training = training_of(student_recipe(at="block_1,blok_5"), toy_splits, tmp_path)
        with pytest.raises(ConfigError, match=r"has no layer 'blok_5' to cut after\. Did you mean 'block_5'"):
            stages.train(training)
