"""Comparisons that go on: with the same teacher, student and data, or not at all."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from keras import layers

from zoo.data.batches import Splits
from zoo.errors import DataError
from zoo.models.distillation import stages
from zoo.models.distillation.comparison import Comparison, best_run
from zoo.models.distillation.request import Request
from zoo.recipe import DataOptions
from zoo.training.options import TrainingOptions
from zoo.training.run import Run


def small_cnn(per_block, seed=0):
    """Two blocks of so many convolutions."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((32, 32, 3))], name="own")
    for channels in (8, 16):
        for _ in range(per_block):
            model.add(layers.Conv2D(channels, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(4, name=f"pool_{channels}"))
    model.add(layers.Flatten())
    model.add(layers.Dense(6))
    return model


class KilledError(Exception):
    """What ends a training here."""


def killed(training):
    raise KilledError


@pytest.fixture
def compared(labelled_shapes, tmp_path, monkeypatch):
    """(**settings) -> a comparison, as `mizoo distill` starts or resumes it in one folder; a new one each time."""
    monkeypatch.setitem(stages.STRATEGY, "scratch", killed)
    small_cnn(2).save(tmp_path / "teacher.keras")
    small_cnn(1).save(tmp_path / "student.keras")
    folder = tmp_path / "comparison"

    def start(**settings):
        if not folder.exists():
            folder.mkdir()
            settings = {
                "teacher": str(tmp_path / "teacher.keras"),
                "batch_size": 64,
                "scaling": "tf",
            } | settings
            Request("distilled", None, settings, ("scratch",), 1, 1, str(labelled_shapes)).write(folder)
        request = Request.read(folder)
        return Comparison(folder, request, request.recipe().splits(request.data, DataOptions()))

    return start


PICTURES = np.arange(2 * 32 * 32 * 3, dtype=np.uint8).reshape(2, 32, 32, 3)


def interrupted(comparison):
    """The record of the one training, which is killed when it begins."""
    with pytest.raises(KilledError):
        comparison.train(TrainingOptions())
    (file,) = comparison.folder.glob("scratch/*/*/*/config.json")
    return Run(file.parent).record


def test_a_teacher_and_a_student_that_are_replaced_before_a_resume(compared, tmp_path):
    first = compared(student=str(tmp_path / "student.keras"))
    record = interrupted(first)
    assert record["config"]["teacher"] == str(first.folder / "teacher.keras")
    assert record["config"]["student"] == str(first.folder / "student.keras")
    (tmp_path / "student.keras").unlink()
    small_cnn(2, seed=1).save(tmp_path / "teacher.keras")
    again = compared()
    for name in ("teacher", "student"):
        np.testing.assert_allclose(
            getattr(again, name)(PICTURES)["logits"], getattr(first, name)(PICTURES)["logits"], atol=1e-5
        )
    assert again.plan == first.plan
    assert again.recipe().config == first.recipe().config
    assert interrupted(again) == record


def test_a_teacher_that_has_gone_before_a_resume(compared, tmp_path):
    first = compared(at="pool_8")
    record = interrupted(first)
    (tmp_path / "teacher.keras").unlink()
    again = compared()
    assert again.teacher.cuts == first.teacher.cuts
    assert interrupted(again) == record


def rows_of(split, rows):
    return type(split)(
        {key: value[rows] for key, value in split.inputs.items()},
        {key: value[rows] for key, value in split.targets.items()},
        split.ids[rows],
    )


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        (lambda s: Splits(s.train, s.validation, rows_of(s.test, slice(7)), s.facts, s.name), "have changed"),
        (
            lambda s: Splits(s.train, s.validation, s.test, {**s.facts, "mean": (0.1, 0.2, 0.3)}, s.name),
            "The data give another 'mean'",
        ),
    ],
    ids=["rows", "facts"],
)
def test_data_that_change_before_a_resume(compared, changed, text):
    first = compared()
    interrupted(first)
    with pytest.raises(DataError, match=text):
        Comparison(first.folder, first.request, changed(first.splits)).train(TrainingOptions())


@pytest.mark.parametrize(("patience", "best"), [(None, "second"), (1, "first")])
def test_the_best_run_is_judged_by_the_epoch_whose_weights_it_kept(patience, best, tmp_path):
    """With patience the first keeps its second epoch, and the second its first."""
    curves = {
        "first": [(1.0, 0.5), (0.8, 0.7), (0.9, 0.4)],
        "second": [(0.8, 0.6), (0.9, 0.6), (1.0, 0.65)],
    }
    runs = {}
    for name, epochs in curves.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"config": {"patience": patience}}))
        rows = [f"{number},{loss},{accuracy}" for number, (loss, accuracy) in enumerate(epochs, start=1)]
        (folder / "history.csv").write_text("\n".join(["epoch,val_loss,val_accuracy", *rows]) + "\n")
        runs[name] = [Run(folder)]
    assert best_run(runs) == (best, runs[best][0])
