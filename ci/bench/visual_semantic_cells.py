"""What `ci.bench.visual_semantic` trains, one run folder per cell, so that a bench that was killed goes on."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from zoo.catalog import get_spec
from zoo.data.batches import Splits
from zoo.files import write_json
from zoo.models.visual_semantic.evaluation import Embedded, embed
from zoo.recipe import Recipe
from zoo.training.curves import read_history
from zoo.training.fit import remove_checkpoint
from zoo.training.options import TrainingOptions
from zoo.training.run import Run

PRESET = "cpu"
TIMING = "timing.json"

# label -> (model, settings beside those of the preset)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "vse_bow, sum": ("vse_bow", {"negatives": "sum"}),
    "vse_bow, hardest": ("vse_bow", {"negatives": "hardest"}),
    "vse_lstm, sum": ("vse_lstm", {"negatives": "sum"}),
    "vse_lstm, hardest": ("vse_lstm", {"negatives": "hardest"}),
}
# Of one seed: what the length of the source's vectors would change.
WIDE: dict[str, tuple[str, dict[str, Any]]] = {
    "vse_bow, sum, d = 1024": ("vse_bow", {"negatives": "sum", "dimensions": 1024}),
    "vse_lstm, sum, d = 1024": ("vse_lstm", {"negatives": "sum", "dimensions": 1024}),
}


@dataclass(frozen=True)
class Cell:
    """One training.

    Attributes:
        label: Of the row of the table.
        seed: Of the training.
        test: The test split in the space that was learned.
        validation: Likewise, on which weights of measures may be chosen.
        vocabulary: Words that it knows.
        max_words: Words of a text that it reads.
        epochs: Trained, those of patience included.
        seconds: Of the whole training; None where it was resumed and so not timed.
        cpu_seconds: Of all its threads, which other work on the machine does not change; likewise.
    """

    label: str
    seed: int
    test: Embedded
    validation: Embedded
    vocabulary: tuple[str, ...]
    max_words: int
    epochs: int
    seconds: float | None
    cpu_seconds: float | None


def recipe_of(label: str, common: dict[str, Any]) -> Recipe:
    """The recipe of a row of the table."""
    name, settings = (VARIANTS | WIDE)[label]
    return get_spec(name).load().configured(PRESET, common | settings)


def cell(label: str, seed: int, common: dict[str, Any], splits: Splits, runs: Path) -> Cell:
    """Trains, goes on with, or reads a cell; embeds both splits that are measured on."""
    recipe = recipe_of(label, common)
    root = runs / label.replace(", ", "-").replace(" = ", "") / f"seed{seed}"
    options = TrainingOptions(seed=seed)
    run = _known(root, recipe, splits) or Run.create(
        root, recipe, splits, options, {"data": "flickr8k"}, PRESET
    )
    if not (run.folder / TIMING).is_file():
        _train(recipe, run, splits, options)
    recipe.register()
    model = keras.saving.load_model(run.model_file)
    timing = json.loads((run.folder / TIMING).read_text())
    return Cell(
        label,
        seed,
        embed(model, splits.test),
        embed(model, splits.validation),
        model.vocabulary,
        model.max_words,
        **timing,
    )


def _known(root: Path, recipe: Recipe, splits: Splits) -> Run | None:
    """The newest run of these very settings, on data that told the network the same."""
    wanted = _as_read({"config": dataclasses.asdict(recipe.config), "facts": splits.facts})
    found = (Run.open(file.parent) for file in sorted(root.glob("*/*/config.json"), reverse=True))
    return next((run for run in found if {key: run.record[key] for key in wanted} == wanted), None)


def _as_read(value: Any) -> Any:
    """What JSON makes of it: lists of tuples."""
    return json.loads(json.dumps(value))


def _train(recipe: Recipe, run: Run, splits: Splits, options: TrainingOptions) -> None:
    """Fits, and writes the model and then the timing, by which the cell counts as finished."""
    resumed = run.checkpoint.exists()
    wall, cpu = time.perf_counter(), time.process_time()
    with options.apply():
        model = recipe.build(splits)
        recipe.fit(model, splits, run, options)
    seconds = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    run.save_model(model)
    epochs = len(read_history(run.folder / "history.csv")["epoch"])
    write_json(run.folder / TIMING, {"epochs": epochs, **(dict.fromkeys(seconds) if resumed else seconds)})
    remove_checkpoint(run)
    keras.utils.clear_session()
