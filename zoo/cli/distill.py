"""`mizoo distill`: from a trained CNN to a shallower one, measured and exported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zoo.cli.common import absolute, say
from zoo.cli.training import SkipBad

# Settings of the recipe that have an option of their own.
_SETTINGS = {"teacher", "drop", "at", "student", "scaling"}


def distill(
    context: typer.Context,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Run folder of a classifier, or any Keras CNN in a .keras file.", show_default=False
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder in the CIFAR layout or of class folders, a name such as cifar10, or 'shapes'.",
            show_default=False,
        ),
    ] = None,
    drop: Annotated[int, typer.Option(min=1, help="Convolutions that every block loses.")] = 1,
    at: Annotated[
        str | None,
        typer.Option(
            help="Layers after which to cut, by commas. Default: where the resolution changes.",
            show_default=False,
        ),
    ] = None,
    student: Annotated[
        Path | None,
        typer.Option(
            help="A student of your own, a .keras file whose blocks fit the teacher's.", show_default=False
        ),
    ] = None,
    scaling: Annotated[
        str, typer.Option(help="What a .keras teacher expects of its pixels: none, unit, tf, caffe, torch.")
    ] = "none",
    strategies: Annotated[
        str, typer.Option(help="Of scratch, whole, blockwise, stepping_stones; by commas.")
    ] = "blockwise,whole,scratch",
    epochs: Annotated[
        int, typer.Option(min=1, help="Of the student alone; every strategy gets the compute of so many.")
    ] = 15,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each strategy.")] = 1,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Named settings of `mizoo show distilled`, or none; its subset is a cap. Default: cpu.",
            show_default=False,
        ),
    ] = "cpu",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="key=value; may be repeated. See `mizoo show distilled`; strategy and epochs have their own options.",
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="float32 or mixed_bfloat16.")] = "float32",
    name: Annotated[str, typer.Option(help="What the served student is called.")] = "distilled",
    runs: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs"),
    skip_bad_images: SkipBad = False,
    resume: Annotated[
        Path | None, typer.Option(help="Folder of an interrupted distillation.", show_default=False)
    ] = None,
) -> None:
    """Makes a shallower student of a trained CNN, by several strategies at equal compute, and exports the best.

    Writes `runs/distill/<time>/`: teacher.keras, a run folder per strategy and seed, curves.png, REPORT.md with
    accuracy, multiply-adds, parameters, latency and size, and models/ ready to be served.

    Example: `mizoo distill --teacher runs/vgg15/20261121-101112-000000 --data cifar10 --drop 1`

    Example: `mizoo distill --teacher mobilenet.keras --scaling tf --data pictures --set image_size=64 --preset none`
    """
    import os

    os.environ["KERAS_BACKEND"] = "tensorflow"
    from dataclasses import replace
    from datetime import UTC, datetime

    from export.archive import check_name
    from zoo.config import parse_overrides
    from zoo.errors import ConfigError
    from zoo.models.distillation.comparison import Comparison
    from zoo.models.distillation.report import write_report
    from zoo.models.distillation.request import Request
    from zoo.recipe import DataOptions
    from zoo.training.options import TrainingOptions

    check_name(name)
    options = TrainingOptions(precision=precision, progress=True)
    if resume is not None:
        free = ("--resume", "--name", "--skip-bad-images")
        given = [option for option in _on_the_command_line(context) if option not in free]
        if given:
            raise ConfigError(
                f"--resume was given together with {', '.join(given)}.",
                fix="leave those out: a distillation continues with what it was started with",
            )
        folder, request = resume, Request.read(resume)
        request = replace(request, skip_bad_images=request.skip_bad_images or skip_bad_images)
        reading = DataOptions(skip_bad_images=request.skip_bad_images, progress=True)
    else:
        if teacher is None or data is None:
            raise ConfigError(
                "Distilling needs a teacher and data.",
                expected="--teacher RUN or FILE.keras, and --data FOLDER",
                fix="mizoo train vgg15 --data shapes --preset cpu --set subset=1000, then mizoo distill --teacher RUN",
            )
        chosen: dict[str, Any] = {"teacher": absolute(teacher), "drop": drop, "scaling": scaling}
        chosen |= {"at": at} if at else {}
        chosen |= {"student": str(student)} if student else {}
        overrides = parse_overrides(settings or [])
        _check_named_once(context, overrides)
        request = Request(
            model="distilled",
            preset=None if preset == "none" else preset,
            settings={**chosen, **overrides},
            strategies=tuple(one.strip() for one in strategies.split(",") if one.strip()),
            epochs=epochs,
            seeds=seeds,
            data=absolute(data),
            precision=precision,
            skip_bad_images=skip_bad_images,
        )
        reading = DataOptions(skip_bad_images=skip_bad_images, progress=True)
        request = request.fitted(reading)
        folder = runs / "distill" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    splits = request.recipe().splits(request.data, reading)
    comparison = Comparison(folder, request, splits)
    plan = comparison.plan  # also the check that teacher, data and student fit each other
    say(
        f"{splits.name}: equal compute means "
        + ", ".join(f"{s} {plan.settings(s)}" for s in request.strategies)
    )
    if resume is None:
        folder.mkdir(parents=True)
        request.write(folder)
    say(f"folder {folder}")
    trained = comparison.train(options)
    rows = write_report(comparison, trained, name)
    print_rows(rows, splits.name)
    say(f"\n{folder / 'REPORT.md'}, {folder / 'curves.png'}\nNext: mizoo serve {folder / 'models'}")


def _on_the_command_line(context: typer.Context) -> list[str]:
    """The options that were written out, whether or not they say what is the default."""
    names = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    sources = {option: context.get_parameter_source(str(name)) for name, option in names.items()}
    return [option for option, source in sources.items() if source and source.name == "COMMANDLINE"]


def _check_named_once(context: typer.Context, overrides: dict[str, str]) -> None:
    """Raises ConfigError where --set says otherwise than an option that was written out."""
    from zoo.errors import ConfigError

    for option in _on_the_command_line(context):
        key = option.removeprefix("--")
        if key in _SETTINGS and key in overrides and overrides[key] != str(context.params[key]):
            raise ConfigError(
                f"{option} is {context.params[key]}, and --set {key} is {overrides[key]}.",
                expected="one of the two",
                fix=f"leave --set {key} out",
            )


def print_rows(rows: list[dict[str, Any]], data: str) -> None:
    """Prints the table of a comparison."""
    from rich.console import Console
    from rich.table import Table

    from zoo.models.distillation.report import COLUMNS, shown

    table = Table(*COLUMNS.values(), title=f"{data}, test split", box=None, header_style="bold")
    for row in rows:
        table.add_row(*(shown(row.get(column)) for column in COLUMNS))
    Console().print(table)
