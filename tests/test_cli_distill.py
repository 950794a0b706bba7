"""`mizoo distill` as a user meets it: teacher in, table, figure and served models out; and wrong use."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.class_folders import write_with_a_bad_picture
from zoo.models.distillation import stages
from zoo.models.distillation.comparison import Comparison
from zoo.models.distillation.request import Request
from zoo.recipe import DataOptions
from zoo.training.options import TrainingOptions

TINY = ("--set", "batch_size=16", "--set", "weight_decay=0", "--preset", "none")


@pytest.fixture(scope="module")
def teacher(trained):
    return trained("vgg15").run.folder


def small_cnn():
    """Two blocks of two convolutions, as anybody would write them."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((32, 32, 3))], name="own")
    for channels in (8, 16):
        for _ in range(2):
            model.add(layers.Conv2D(channels, 3, padding="same", use_bias=False))
            model.add(layers.BatchNormalization())
            model.add(layers.ReLU())
        model.add(layers.MaxPooling2D(4))
    model.add(layers.Flatten())
    model.add(layers.Dense(6, activation="softmax"))
    return model


def test_a_keras_file_becomes_a_table_a_figure_and_served_models(mizoo, labelled_shapes, tmp_path):
    file = tmp_path / "own.keras"
    original = small_cnn()
    original.save(file)
    status, out, err = mizoo(
        "distill", "--teacher", file, "--scaling", "tf", "--data", labelled_shapes, "--runs", tmp_path / "runs",
        "--name", "small", "--epochs", 8, "--strategies", "blockwise", *TINY,
    )  # fmt: skip
    assert status == 0, err
    (folder,) = (tmp_path / "runs" / "distill").iterdir()
    assert "equal compute means blockwise {'block_epochs': " in out
    report = json.loads((folder / "report.json").read_text())
    rows = {row["model"]: row for row in report["rows"]}
    variants = ["blockwise, float16", "blockwise, int8"]
    assert list(rows) == ["teacher", "blockwise", "majority class", *variants]
    assert rows["teacher"]["agreement"] == 100
    assert rows["blockwise"]["million_multiply_adds"] < 0.9 * rows["teacher"]["million_multiply_adds"]
    assert all(
        rows[name][f"ms_{batch}"] > 0 for name in ("teacher", "blockwise", *variants) for batch in (1, 32)
    )
    sizes = [rows[name]["saved_model_mib"] for name in ("teacher", "blockwise", "blockwise, float16")]
    assert sizes == sorted(sizes, reverse=True)
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "| teacher |" in (folder / "REPORT.md").read_text()
    served = {path.name for path in (folder / "models").iterdir()}
    assert served == {"small", "small_teacher", "small_float16", "small_int8"}
    contract = json.loads((folder / "models/small_teacher/1/assets.extra/contract.json").read_text())
    assert contract["config"] == {"teacher": str(file)}
    assert (folder / "files" / "small.tflite").stat().st_size > 10_000

    kept = zoo.load_model(folder / "teacher.keras").network.get_weights()
    for before, after in zip(original.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(before, after)


def test_an_interrupted_comparison_goes_on(teacher, labelled_shapes, tmp_path, monkeypatch):
    """Killed in the second training: the first is not repeated, the second goes on in its folder."""
    settings = {"teacher": str(teacher), "batch_size": 16, "weight_decay": 0.0}
    request = Request("distilled", None, settings, ("scratch",), epochs=4, seeds=2, data=str(labelled_shapes))
    folder = tmp_path / "comparison"
    folder.mkdir()
    request.write(folder)
    assert Request.read(folder) == request
    comparison = Comparison(folder, request, request.recipe().splits(labelled_shapes, DataOptions()))

    def killed_in_the_second(training):
        if training.options.seed == 1:
            raise KeyboardInterrupt
        stages.scratch(training)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setitem(stages.STRATEGY, "scratch", killed_in_the_second)
        comparison.train(TrainingOptions())
    (first,) = folder.glob("scratch/*/*/*/history.csv")
    (begun,) = (folder / "scratch" / "seed1" / "distilled").iterdir()
    written = first.stat().st_mtime_ns
    runs = comparison.train(TrainingOptions())
    assert first.stat().st_mtime_ns == written
    assert [run.folder for run in runs["scratch"]] == [first.parent, begun]
    assert all(run.finished for run in runs["scratch"])


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "Distilling needs a teacher and data."),
        (["--teacher", "TEACHER", "--data", "DATA", "--strategies", "wole"], "Did you mean 'whole'?"),
        (["--teacher", "TEACHER", "--data", "DATA", "--strategies", ","], "No strategy was named."),
        (
            ["--teacher", "TEACHER", "--data", "DATA", "--at", "block_9"],
            "has no layer 'block_9' to cut after.",
        ),
        (
            ["--teacher", "TEACHER", "--data", "DATA", "--epochs", "1"],
            "is too little for blockwise",
        ),
        (
            ["--teacher", "TEACHER", "--data", "DATA", "--strategies", "scratch,whole,scratch"],
            "The strategy scratch is named twice.",
        ),
        (
            ["--teacher", "TEACHER", "--data", "DATA", "--set", "epochs=3", "--set", "strategy=whole"],
            "leave it out, and say it with --strategies and --epochs",
        ),
        (
            ["--teacher", "TEACHER", "--data", "DATA", "--drop", "1", "--set", "drop=2"],
            "--drop is 1, and --set drop is 2.",
        ),
        (
            ["--teacher", "TEACHER", "--data", "DATA", "--drop", "2", "--student", "own.keras"],
            "drop is 2, and student is own.keras: a given student loses no convolutions.",
        ),
        (
            ["--teacher", "TEACHER", "--data", "DATA", "--name", "my model"],
            "'my model' cannot be the name of a served model.",
        ),
        (["--teacher", "TEACHER", "--data", "cifar11"], "cifar11"),
        (["--teacher", "nowhere", "--data", "DATA"], "The teacher nowhere does not exist."),
        (["--resume", "DATA"], "is no comparison: it has no distill.json of schema 1."),
        (
            ["--resume", "DATA", "--teacher", "TEACHER"],
            "--resume was given together with --teacher.",
        ),
        (
            ["--resume", "DATA", "--epochs", "15", "--set", "subset=9"],
            "--resume was given together with --epochs, --set.",
        ),
    ],
    ids=[
        "nothing",
        "strategy",
        "no-strategy",
        "cut",
        "epochs",
        "strategy-twice",
        "planned",
        "drop-twice",
        "drop-of-a-given-student",
        "name",
        "data",
        "teacher",
        "resume",
        "resume-teacher",
        "resume-settings",
    ],
)
def test_wrong_use(mizoo, teacher, labelled_shapes, tmp_path, arguments, text):
    known = {"TEACHER": teacher, "DATA": labelled_shapes}
    fresh = () if "--resume" in arguments else ("--preset", "none", "--runs", tmp_path / "runs")
    status, _, err = mizoo("distill", *(known.get(a, a) for a in arguments), *fresh)
    assert (status, text in err) == (2, True), err
    assert not (tmp_path / "runs").exists()


def test_an_unreadable_picture_can_be_skipped(mizoo, tmp_path):
    """With the option the data are read, and what comes next is looked at."""
    write_with_a_bad_picture(tmp_path / "data", 5)
    small_cnn().save(tmp_path / "own.keras")
    arguments = (
        "distill",
        "--teacher",
        tmp_path / "own.keras",
        "--data",
        tmp_path / "data",
        "--at",
        "block_9",
    )
    status, _, err = mizoo(*arguments)
    assert (status, "--skip-bad-images" in err) == (2, True), err
    status, _, err = mizoo(*arguments, "--skip-bad-images")
    assert (status, "has no layer 'block_9' to cut after." in err) == (2, True), err
