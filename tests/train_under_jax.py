"""Run by `test_conformance` as a process of its own: trains prepared arrays under jax, tensorflow blocked."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_find = PathFinder.find_spec


def _find_without_tensorflow(name, path=None, target=None):
    return None if name.partition(".")[0] == "tensorflow" else _find(name, path, target)


# As where it is not installed. A None in `sys.modules` is not the same: Keras' Rescaling looks for the name there.
PathFinder.find_spec = _find_without_tensorflow
os.environ["KERAS_BACKEND"] = "jax"
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np  # noqa: E402

from tests.harness import inputs_of  # noqa: E402
from zoo.catalog import get_spec  # noqa: E402
from zoo.data.prepared import read_prepared  # noqa: E402
from zoo.training.options import TrainingOptions  # noqa: E402
from zoo.training.run import Run  # noqa: E402
from zoo.training.session import train  # noqa: E402


def main(folder: Path, names: list[str]) -> None:
    for name in names:
        splits, made_with = read_prepared(folder / f"{name}.npz", name)
        short = {"epochs": 1} if "epochs" in made_with else {}  # what is fitted in closed form has none
        recipe = get_spec(name).load().prepared(made_with, None, short)
        options = TrainingOptions(seed=5)
        run = Run.create(folder / "runs", recipe, splits, options, {"prepared": name}, None)
        model = train(recipe, splits, run, options)
        model.save(folder / f"{name}.keras")
        np.savez(folder / f"{name}-answers.npz", **model.predict(inputs_of(splits.test), verbose=0))
    assert "tensorflow" not in sys.modules


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
