"""Is every code right, does a code say something, and is it said in words? GridMNIST, report Fig. 3 and beyond.

The defaults, and half as long each objective with and without noise on what the recovery network sees, for each seed.
Autoencoder and image encoder are trained once for each seed; every cell is a run folder under --runs: a bench that was
killed goes on.

    python -m ci.bench.captioning --data DIR/mnist --seeds 3

prints the table, and writes ci/bench/results/captioning.json with the codes of the first cell, worst first.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from rich.console import Console
from rich.table import Table

from ci.bench.report import RESULTS, write_report
from zoo.catalog import get_spec
from zoo.config import parse_overrides
from zoo.data.batches import Splits
from zoo.files import write_json
from zoo.losses.objectives import OBJECTIVES
from zoo.recipe import DataOptions, Recipe
from zoo.training.options import TrainingOptions
from zoo.training.run import STAGES_FILE, Run
from zoo.training.session import train

MODEL = "caption_gan_digits"
ABLATION = 150
"""Epochs of the cells that are compared with each other."""
CELLS: dict[str, dict[str, Any]] = {"defaults": {}} | {
    f"{objective}, {'noise' if noise else 'no noise'}": {
        "objective": objective,
        "code_noise": noise,
        "epochs": ABLATION,
    }
    for objective in sorted(OBJECTIVES, key=lambda name: name != "relativistic")
    for noise in (1.0, 0.0)
}
SECONDS = "seconds.json"
COLUMNS = {
    "accuracy_fixed": "32 codes",
    "accuracy_worst": "worst",
    "codes_at_98": ">= 98 %",
    "accuracy_far_worst": "worst far",
    "entropy_random": "H random",
    "entropy_fixed": "H fixed",
    "significant_codes": "p < .01",
    "information": "I, nats",
    "recovery_vector": "R2 vector",
    "recovery_words": "R2 words",
}
_PERCENT = {"accuracy_fixed", "accuracy_worst", "accuracy_far_worst"}


def main() -> None:
    """Trains every cell that is missing, prints the table, writes the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", required=True, help="folder of MNIST's idx files, 'mnist', or 'digits'")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cells", default=",".join(map(str, range(len(CELLS)))), help="numbers, by commas")
    parser.add_argument("--runs", type=Path, default=Path("runs/bench-captioning"))
    parser.add_argument("--set", action="append", default=[], help="key=value of every training")
    given = parser.parse_args()

    common: dict[str, Any] = {"sheet_every": 0} | dict(parse_overrides(given.set))
    splits = _recipe(common).splits(given.data, DataOptions(progress=True))
    names = [list(CELLS)[int(number)] for number in given.cells.split(",")]
    runs: dict[str, list[Run]] = {name: [] for name in names}
    for seed in range(given.seeds):
        start = stages(seed, common, splits, given.runs / splits.name)
        for name in names:
            runs[name].append(cell(name, seed, start, common, splits, given.runs / splits.name))
            found = runs[name][-1].metrics("test")["model"]
            print(f"seed {seed}, {name}: " + ", ".join(f"{k} {found[k]:.4g}" for k in COLUMNS), flush=True)
    rows = [row(name, own) for name, own in runs.items()]
    baselines = runs[names[0]][0].metrics("test")
    rows += [{"cell": name, "seeds": 0} | own for name, own in baselines.items() if name != "model"]
    print_table(rows, splits.name)
    first = runs[names[0]][0].folder / "figures"
    for file in ("frequencies.png", "accuracies.png", "traversal.png"):
        shutil.copyfile(first / file, RESULTS / f"captioning_{file}")
    path = write_report(
        "captioning",
        command=f"python -m ci.bench.captioning --data DIR/mnist --seeds {given.seeds}"
        + "".join(f" --set {one}" for one in given.set),
        data=f"{splits.name}, {len(splits.train)}/{len(splits.validation)}/{len(splits.test)} pictures",
        seeds=list(range(given.seeds)),
        rows=rows,
        extra={
            "codes": (first / "codes.csv").read_text().splitlines(),
            "settings": {key: str(value) for key, value in asdict(_recipe(common).config).items()},
            "stages": runs[names[0]][0].stages,
        },
    )
    print(f"wrote {path.name}")


def stages(seed: int, common: dict[str, Any], splits: Splits, runs: Path) -> Run:
    """Trains what all cells of a seed share, autoencoder and image encoder, and returns the run that holds them."""
    from zoo.models.captioning.stages import Training, train_digit_encoders

    recipe, options = _recipe(common), TrainingOptions(seed=seed)
    run = _known(runs / f"seed{seed}" / "stages", recipe) or Run.create(
        runs / f"seed{seed}" / "stages", recipe, splits, options, {"data": splits.name}, None
    )
    if "encoder" not in run.stages:
        started = time.monotonic()
        with options.apply():
            train_digit_encoders(Training(recipe.build(splits), splits, run, recipe.config, options))
        write_json(run.folder / SECONDS, {"seconds": time.monotonic() - started})
    return run


def cell(name: str, seed: int, start: Run, common: dict[str, Any], splits: Splits, runs: Path) -> Run:
    """Trains, goes on with, or reads the GAN of a cell."""
    recipe, options = _recipe(common | CELLS[name]), TrainingOptions(seed=seed)
    root = runs / f"seed{seed}" / name.replace(", ", "-").replace(" ", "-")
    run = _known(root, recipe)
    if run is None:
        run = Run.create(root, recipe, splits, options, {"data": splits.name}, None)
        for part in ("autoencoder", "encoder"):
            shutil.copytree(start.checkpoint / part, run.checkpoint / part)
            shutil.copyfile(start.folder / f"history_{part}.csv", run.folder / f"history_{part}.csv")
        shutil.copyfile(start.folder / STAGES_FILE, run.folder / STAGES_FILE)
    if not run.finished:
        started = time.monotonic()
        train(recipe, splits, run, options)
        write_json(run.folder / SECONDS, {"seconds": time.monotonic() - started})
    return run


def row(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Mean and range over the seeds."""
    found: dict[str, Any] = {"cell": name, "seeds": len(runs)}
    every = [run.metrics("test")["model"] for run in runs]
    for metric in every[0]:
        values = [own[metric] for own in every]
        found |= {metric: statistics.mean(values), f"{metric}_range": [min(values), max(values)]}
    return found


def print_table(rows: Sequence[dict[str, Any]], data: str) -> None:
    """Prints what was measured on the test split."""
    table = Table("", "seeds", *COLUMNS.values(), title=f"{data}, test split", box=None, header_style="bold")
    for found in rows:
        values = (_shown(found, column) for column in COLUMNS)
        table.add_row(str(found["cell"]), str(found["seeds"]), *values)
    Console(width=180).print(table)


def _shown(found: dict[str, Any], column: str) -> str:
    scale, digits = (100, 1) if column in _PERCENT else (1, 3)
    text = f"{scale * found[column]:.{digits}f}"
    low, high = (scale * value for value in found.get(f"{column}_range", (0, 0)))
    return f"{text} ({low:.{digits}f}..{high:.{digits}f})" if found["seeds"] > 1 else text


def _recipe(settings: dict[str, Any]) -> Recipe:
    return get_spec(MODEL).load().configured(None, settings)


def _known(root: Path, recipe: Recipe) -> Run | None:
    """The run of this very config that was begun before."""
    wanted = json.loads(json.dumps(asdict(recipe.config)))
    found = [Run(folder) for folder in sorted(root.glob(f"{MODEL}/*")) if (folder / "config.json").is_file()]
    return next((run for run in found if run.record["config"] == wanted), None)


if __name__ == "__main__":
    main()
