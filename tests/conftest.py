"""What all tests share: a cache of their own, one small drawn data set, and every model trained once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# In a test the time goes into compiling steps, not into taking them; the processes that tests start inherit it.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# Files whose tests ask for `trained` models: one worker runs them all, so that every model is trained once.
_WITH_TRAINED_MODELS = (
    "tests/export/test_cards.py",
    "tests/test_cli",
    "tests/test_conformance.py",
    "tests/test_export_index.py",
    "tests/test_served_tagger.py",
    "tests/zoo/models/captioning/test_captions_gan.py",
    "tests/zoo/models/distillation/test_distillation_teacher.py",
    "tests/zoo/search/",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out whole files, as `--dist loadfile`; those with trained models together."""
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            together = nodeid.startswith(_WITH_TRAINED_MODELS)
            return "with trained models" if together else super()._split_scope(nodeid)

    return Together(config, log)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test reads or fills the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MIZOO_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """90 drawn scenes in the layout of Flickr8k: 60 train, 15 validation, 15 test."""
    from zoo.data.shapes import write_shapes

    return write_shapes(tmp_path_factory.mktemp("data") / "shapes", images=90, seed=1)


@pytest.fixture(scope="session")
def word_vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GloVe file with a vector for every tag of the drawn scenes."""
    import numpy as np

    from zoo.data.shapes import TAGS

    rng = np.random.default_rng(0)
    lines = [f"{tag} {' '.join(f'{x:.4f}' for x in rng.normal(size=6))}" for tag in TAGS]
    path = tmp_path_factory.mktemp("vectors") / "glove.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def labelled_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn pictures of six classes in the layout of CIFAR-100: 108 train, 12 validation, 30 test."""
    from zoo.data.labelled_shapes import write_labelled_shapes

    folder = tmp_path_factory.mktemp("labelled") / "shapes"
    return write_labelled_shapes(folder, train=120, test=30, seed=1)


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of `tiny_cnn` for pictures of 32x32, in a file: a backbone with weights stays frozen."""
    from zoo.backbones.build import build_backbone

    path = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    build_backbone("tiny_cnn", image_size=32).get_layer("tiny_cnn").save_weights(path)
    return path


@pytest.fixture(scope="session")
def headed_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of `mobilenet_025` with a classifier of 7 classes, in a file."""
    import keras

    path = tmp_path_factory.mktemp("weights") / "headed.weights.h5"
    keras.utils.set_random_seed(0)
    network = keras.applications.MobileNet((32, 32, 3), alpha=0.25, classes=7, weights=None)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.gamma.assign(
                layer.gamma * 4.0
            )  # less leaves nothing of a picture after 27 layers, more is chaos
    network.save_weights(path)
    return path


@pytest.fixture(scope="session")
def workshop(
    shapes: Path,
    labelled_shapes: Path,
    word_vectors: Path,
    tiny_weights: Path,
    headed_weights: Path,
    tmp_path_factory: pytest.TempPathFactory,
):
    """The `harness.Workshop` of this session."""
    from tests.harness import Workshop

    runs = tmp_path_factory.mktemp("runs")
    return Workshop(shapes, labelled_shapes, word_vectors, tiny_weights, headed_weights, runs)


@pytest.fixture(scope="session")
def trained(workshop):
    """name -> `harness.Trained`; each model is trained once in a session."""
    return workshop.trained


@pytest.fixture
def mizoo(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Runs the command line in this process: mizoo("list") -> (status, standard output, standard error)."""
    from zoo.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["mizoo", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        try:
            main()
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        out, err = capsys.readouterr()
        return status, out, err

    return run
