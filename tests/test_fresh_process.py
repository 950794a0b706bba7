"""What a user does next day, in a new process: evaluate and export a run, here of a frozen backbone's head."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.errors import WeightsError

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def frozen_run(shapes, tmp_path_factory) -> Path:
    """A head trained on the cached features of a frozen tiny_cnn, started from a folder of its own."""
    from zoo.backbones import build_backbone
    from zoo.recipe import DataOptions
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run
    from zoo.training.session import train

    folder = tmp_path_factory.mktemp("frozen")
    backbone = build_backbone("tiny_cnn", image_size=32)
    next(layer for layer in backbone.layers if layer.name == "tiny_cnn").save_weights(
        folder / "tiny.weights.h5"
    )
    settings = {"weights": str(folder / "tiny.weights.h5"), "image_size": 32, "hidden": 16, "epochs": 2}
    recipe = zoo.get_spec("tagging_binomial").load().configured(None, settings)
    splits = recipe.splits(shapes, DataOptions())
    assert splits.train.inputs["features"].shape[0] == len(splits.train)
    options = TrainingOptions()
    run = Run.create(folder / "runs", recipe, splits, options, {"data": str(shapes)}, None)
    train(recipe, splits, run, options)
    return run.folder


def mizoo_process(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from zoo.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_evaluate_and_export_in_new_processes(frozen_run, tmp_path):
    done = mizoo_process("evaluate", frozen_run, "--split", "validation", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "per-tag table" in done.stdout
    done = mizoo_process("export", frozen_run, "--to", "models", cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    extra = tmp_path / "models" / "tagging_binomial" / "1" / "assets.extra"
    assert json.loads((extra / "contract.json").read_text())["facts"]["backbone_sha256"]
    assert "tiny_cnn from tiny.weights.h5" in (extra / "CARD.md").read_text()


def test_other_weights_than_the_run_was_trained_with_are_refused(frozen_run):
    from zoo.backbones import build_backbone

    weights = frozen_run.parents[2] / "tiny.weights.h5"
    good = weights.read_bytes()
    other = build_backbone("tiny_cnn", image_size=32)
    try:
        next(layer for layer in other.layers if layer.name == "tiny_cnn").save_weights(weights)
        with pytest.raises(WeightsError, match="with which the head was trained"):
            zoo.load_model(frozen_run)
    finally:
        weights.write_bytes(good)
    assert zoo.load_model(frozen_run).name == "tagging_binomial"
