"""`mizoo prepare`, `mizoo train` and `mizoo evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli.common import absolute, say

if TYPE_CHECKING:
    from zoo.data.batches import Splits
    from zoo.recipe import Recipe
    from zoo.training.run import Run

Name = Annotated[str, typer.Argument(help="A model of `mizoo list`.", show_default=False)]
Data = Annotated[
    str | None,
    typer.Option(
        help="Folder or file with pictures and captions, or 'shapes' (generated).", show_default=False
    ),
]
Prepared = Annotated[Path | None, typer.Option(help="File that `mizoo prepare` wrote.", show_default=False)]
Preset = Annotated[
    str | None, typer.Option(help="Named settings; 'seed' are the report's.", show_default=False)
]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="key=value; may be repeated. See `mizoo show NAME`.")
]
SkipBad = Annotated[
    bool, typer.Option(help="Leave out unusable pictures (counted and listed) instead of stopping.")
]


def prepare(
    name: Name,
    data: Annotated[str, typer.Option(help="Folder or file with pictures and captions, or 'shapes'.")],
    to: Annotated[Path, typer.Option(help="The file to write, *.npz.")],
    preset: Preset = None,
    settings: Settings = None,
    skip_bad_images: SkipBad = False,
) -> None:
    """Writes the arrays of a data set, for training where tensorflow is not installed.

    Example: `mizoo prepare tagging_two_head --data shapes --to shapes.npz`
    """
    from zoo.data.prepared import write_prepared

    recipe = _recipe(name, preset, settings)
    splits = recipe.splits(data, _data_options(skip_bad_images))
    write_prepared(to, recipe, splits)
    say(f"{to}: {_sizes(splits)}")


def train(
    name: Name,
    data: Data = None,
    prepared: Prepared = None,
    preset: Preset = None,
    settings: Settings = None,
    resume: Annotated[Path | None, typer.Option(help="Run folder of an interrupted training.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs"),
    seed: Annotated[
        int | None, typer.Option(help="Of initial weights, dropout and the order of the data. Default: 0.")
    ] = None,
    precision: Annotated[str | None, typer.Option(help="float32 (default) or mixed_bfloat16.")] = None,
    devices: Annotated[int | None, typer.Option(help="Data-parallel replicas. Default: 1.")] = None,
    skip_bad_images: SkipBad = False,
) -> None:
    """Trains a model and measures it on the test split, beside the trivial predictors that it must beat.

    Example: `mizoo train tagging_two_head --data shapes --set epochs=5`

    Example: `mizoo train tagging_binomial --data flickr8k --set vocabulary=tags.csv
    --set backbone=mobilenet_v2 --set weights=mobilenet_v2.weights.h5`
    """
    from dataclasses import replace

    from zoo.errors import ConfigError
    from zoo.training.options import TrainingOptions
    from zoo.training.run import Run
    from zoo.training.session import train as run_training

    if resume is not None:
        given: dict[str, Any] = {"data": data, "prepared": prepared, "preset": preset, "set": settings}
        given |= {"seed": seed, "precision": precision, "devices": devices}
        if any(value is not None and value != [] for value in given.values()):
            raise ConfigError(
                "--resume was given together with "
                + ", ".join(f"--{name}" for name, value in given.items() if value is not None and value != [])
                + ".",
                fix="leave those out: a run continues with the data and settings it was started with",
            )
        run = Run.open(resume, model=name)
        if run.finished:
            raise ConfigError(f"The run {run.folder} has ended.", fix=f"mizoo evaluate {run.folder}")
        options = replace(run.options, progress=True)
        options.claim_devices()
        recipe, splits = open_run(run, skip_bad_images)
    else:
        options = TrainingOptions(
            seed=seed or 0,
            precision=precision or "float32",
            devices=1 if devices is None else devices,
            progress=True,
        )
        options.claim_devices()
        recipe, splits, source = _open(name, data, prepared, preset, settings, skip_bad_images)
        run = Run.create(runs, recipe, splits, options, source, preset)
    say(f"{splits.name}: {_sizes(splits)}; run {run.folder}")
    run_training(recipe, splits, run, options)
    print_metrics(run.metrics("test"), "test split")
    say(f"\nNext: mizoo export {run.folder} --to models")


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    data: Data = None,
    prepared: Prepared = None,
    skip_bad_images: SkipBad = False,
) -> None:
    """Measures a trained model beside the trivial predictors; by default on the data that it was trained with.

    Example: `mizoo evaluate runs/tagging_two_head/20261120-101112-000000`
    """
    from zoo.errors import ConfigError
    from zoo.training.loading import load_trained
    from zoo.training.run import Run
    from zoo.training.session import measure

    opened = Run.open(run)
    opened.require_finished()
    if data and prepared:
        raise ConfigError("Both --data and --prepared were given.", fix="give one of them")
    source = {"data": data, "prepared": str(prepared) if prepared else None} if data or prepared else None
    recipe, splits = open_run(opened, skip_bad_images, source)
    print_metrics(
        measure(recipe, load_trained(opened), splits, opened, split), f"{split} split of {splits.name}"
    )


def open_run(run: Run, skip_bad_images: bool, source: dict[str, Any] | None = None) -> tuple[Recipe, Splits]:
    """Returns recipe and splits of a run, from the data that it was trained with or from another source."""
    from zoo.data.prepared import read_prepared
    from zoo.training.loading import recipe_of

    own = source is None
    source = source or run.record["data"]
    recipe = recipe_of(run)
    if source.get("prepared"):
        splits, _ = read_prepared(Path(source["prepared"]), recipe.name)
    else:
        skip = skip_bad_images or bool(source.get("skip_bad_images"))
        splits = recipe.splits(source["data"], _data_options(skip))
    recipe.check_facts(run.record["facts"], splits.facts)
    if own:
        run.check_rows(splits)
    return recipe, splits


def print_metrics(rows: dict[str, dict[str, float]], title: str) -> None:
    """Prints metrics, a column per predictor."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title, *rows, box=None, header_style="bold")
    for metric in rows["model"]:
        table.add_row(metric, *(f"{values[metric]:.4f}" for values in rows.values()))
    Console().print(table)


def _open(
    name: str,
    data: str | None,
    prepared: Path | None,
    preset: str | None,
    settings: list[str] | None,
    skip_bad_images: bool,
) -> tuple[Recipe, Splits, dict[str, Any]]:
    """Returns recipe, splits and what to record of their source, from --data or --prepared."""
    from zoo.catalog import get_spec
    from zoo.config import parse_overrides
    from zoo.data.prepared import read_prepared
    from zoo.errors import ConfigError

    if (data is None) == (prepared is None):
        raise ConfigError(
            "Training needs either --data or --prepared."
            if data is None
            else "Both --data and --prepared were given.",
            expected="--data PATH, --data shapes, or --prepared FILE",
            fix=f"mizoo train {name} --data shapes",
        )
    if prepared is None:
        recipe = _recipe(name, preset, settings)
        return (
            recipe,
            recipe.splits(str(data), _data_options(skip_bad_images)),
            {"data": absolute(str(data)), "skip_bad_images": skip_bad_images},
        )
    recipe_type = get_spec(name).load()
    splits, made_with = read_prepared(prepared, name)
    recipe = recipe_type.prepared(made_with, preset, parse_overrides(settings or []))
    return recipe, splits, {"prepared": str(prepared.resolve())}


def _recipe(name: str, preset: str | None, settings: list[str] | None) -> Recipe:
    from zoo.catalog import get_spec
    from zoo.config import parse_overrides

    return get_spec(name).load().configured(preset, parse_overrides(settings or []))


def _data_options(skip_bad_images: bool) -> Any:
    from zoo.recipe import DataOptions

    return DataOptions(skip_bad_images=skip_bad_images, progress=True)


def _sizes(splits: Splits) -> str:
    return ", ".join(f"{len(splits[name])} {name}" for name in ("train", "validation", "test"))
