"""What `ci.bench.distillation` trains: one run folder per cell, so that a bench that was killed goes on."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.catalog import get_spec
from zoo.data.batches import Splits
from zoo.files import write_json
from zoo.models.distillation.compute import PictureCost, Plan, picture_cost, plan
from zoo.models.distillation.evaluation import measure
from zoo.models.distillation.vgg import BLOCKS, vgg
from zoo.recipe import Recipe
from zoo.surgery.macs import multiply_adds
from zoo.surgery.partition import partition
from zoo.training.curves import History, read_history
from zoo.training.fit import remove_checkpoint
from zoo.training.options import TrainingOptions
from zoo.training.predict import predict
from zoo.training.run import Run

PRESET = "cpu"
TEACHER = "vgg15"
STUDENTS = ("vgg15_minus_one", "vgg15_one_per_block")
RESULT = "cell.json"
THINNER = "thinner"
TENTH = "blockwise, fine-tuned at a tenth of the rate"

# label -> settings beside the epochs, which follow from the compute; THINNER is a teacher with fewer channels.
STRATEGIES: dict[str, dict[str, Any]] = {
    "scratch": {"strategy": "scratch"},
    "whole": {"strategy": "whole"},
    "blockwise": {"strategy": "blockwise"},
    TENTH: {"strategy": "blockwise", "fine_tune_rate": 0.1},
}
# What else a user would try first: trivial ones, and what might help the blocks.
OTHERS: dict[str, dict[str, Any]] = {
    THINNER: {"strategy": "scratch"},
    "copied layers, whole": {"strategy": "whole", "start": "teacher"},
    "copied layers, blockwise": {"strategy": "blockwise", "start": "teacher"},
    "blockwise, features after relu and pool": {"strategy": "blockwise", "feature": "output"},
    "blockwise, errors not divided by the variance": {"strategy": "blockwise", "relative_error": False},
    "blockwise, last block to its map": {"strategy": "blockwise", "last_block": "feature"},
    "hints": {"strategy": "whole", "hint_weight": 100.0},
    "stepping stones": {"strategy": "stepping_stones"},
}


@dataclass(frozen=True)
class Cell:
    """One training that has ended.

    Attributes:
        student: Of the catalogue; `vgg15` for the teacher itself.
        label: Of STRATEGIES or OTHERS; "teacher".
        seed: Of the training.
        run: Its folder.
        result: What RESULT holds: test metrics, multiply-adds per picture, seconds.
    """

    student: str
    label: str
    seed: int
    run: Path
    result: dict[str, Any]

    @property
    def history(self) -> History:
        """Logs of the epochs of the whole network."""
        return read_history(self.run / "history.csv")

    @property
    def stages(self) -> dict[str, dict[str, float]]:
        """Accuracy on validation after joining, re-calibration and fine-tuning."""
        return Run(self.run).stages


def teacher_cell(seed: int, common: dict[str, Any], splits: Splits, runs: Path) -> Cell:
    """Trains, goes on with, or reads the teacher of a seed."""
    recipe = get_spec(TEACHER).load().configured(PRESET, common)
    return _cell(TEACHER, "teacher", recipe, splits, runs, TrainingOptions(seed=seed))


def student_cell(
    student: str,
    label: str,
    teacher: Cell,
    common: dict[str, Any],
    splits: Splits,
    runs: Path,
    precision: str = "float32",
) -> Cell:
    """Trains, goes on with, or reads a student of a teacher."""
    settings = (STRATEGIES | OTHERS)[label]
    own = common | settings | planned(student, common, splits).settings(settings["strategy"])
    name = student
    if label == THINNER:
        name, own = TEACHER, own | thinner(student, common, splits)
    else:
        own |= {"teacher": str(teacher.run / "model.keras")}
    recipe = get_spec(name).load().configured(PRESET, own)
    options = TrainingOptions(seed=teacher.seed, precision=precision)
    return _cell(student, label, recipe, splits, runs, options, teacher.run)


def planned(student: str, common: dict[str, Any], splits: Splits) -> Plan:
    """Epochs of every strategy for the compute of the student alone."""
    return plan(cost_of(student, common, splits), _recipe(student, common).config.epochs)


def cost_of(student: str, common: dict[str, Any], splits: Splits) -> PictureCost:
    """Multiply-adds of one picture, by strategy."""
    networks = (_network(name, common, splits) for name in (TEACHER, student))
    return picture_cost(*(partition(network, BLOCKS).parts for network in networks))


def thinner(student: str, common: dict[str, Any], splits: Splits) -> dict[str, float]:
    """The width at which the teacher has the student's multiply-adds, searched by halving."""
    wanted = multiply_adds(_network(student, common, splits))
    low, high = 0.0, _recipe(TEACHER, common).config.width
    for _ in range(12):
        middle = (low + high) / 2
        more = multiply_adds(_network(TEACHER, common | {"width": middle}, splits)) > wanted
        low, high = (low, middle) if more else (middle, high)
    return {"width": low}


def _recipe(name: str, common: dict[str, Any]) -> Recipe:
    return get_spec(name).load().configured(PRESET, common)


def _network(name: str, common: dict[str, Any], splits: Splits) -> keras.Model:
    recipe = _recipe(name, common)
    config = recipe.config
    return vgg(
        recipe.convolutions,
        classes=len(splits.facts["classes"]),
        image_size=splits.facts["image_size"],
        width=config.width,
        batch_norm=config.batch_norm,
        pools=config.pools,
        head_width=config.head_width,
    )


def _cell(
    student: str,
    label: str,
    recipe: Recipe,
    splits: Splits,
    runs: Path,
    options: TrainingOptions,
    teacher: Path | None = None,
) -> Cell:
    folder = label.replace(", ", "-").replace(" ", "-")
    if options.precision != "float32":
        folder += f"-{options.precision}"
    root = runs / f"seed{options.seed}" / student / folder
    run = _known(root, recipe) or Run.create(root, recipe, splits, options, {"data": splits.name}, PRESET)
    if not (run.folder / RESULT).is_file():
        _train(recipe, run, splits, options, teacher)
    return Cell(student, label, options.seed, run.folder, json.loads((run.folder / RESULT).read_text()))


def _known(root: Path, recipe: Recipe) -> Run | None:
    """The newest run of these very settings; one from before a setting was there may have been trained otherwise."""
    wanted = json.loads(json.dumps(dataclasses.asdict(recipe.config)))
    found = (Run.open(file.parent) for file in sorted(root.glob("*/*/config.json"), reverse=True))
    return next((run for run in found if run.record["config"] == wanted), None)


def _train(recipe: Recipe, run: Run, splits: Splits, options: TrainingOptions, teacher: Path | None) -> None:
    """Fits, measures on the test split, and writes the result last: by it the cell counts as finished."""
    resumed = run.checkpoint.exists()
    wall, cpu = time.perf_counter(), time.process_time()
    with options.apply():
        model = recipe.build(splits)
        recipe.fit(model, splits, run, options)
    seconds = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    run.save_model(model)
    labels, logits = np.asarray(splits.test.targets["label"]), predict(model, splits.test)["logits"]
    np.save(run.folder / "test_logits.npy", logits)
    wanted = np.load(teacher / "test_logits.npy") if teacher else None
    result = {
        **measure(logits, labels, wanted),
        "multiply_adds": multiply_adds(model.network),
        "parameters": model.network.count_params(),
        **(dict.fromkeys(seconds) if resumed else seconds),
    }
    write_json(run.folder / RESULT, result)
    remove_checkpoint(run)
    keras.utils.clear_session()
