"""`mizoo card`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    target: Annotated[
        Path, typer.Argument(help="A run, an exported or fetched version, or models/NAME (the highest).")
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="A folder, or a file ending in .md or .html. Default: in the run, or the current folder."
        ),
    ] = None,
) -> None:
    """Writes the model card: Markdown, and one HTML page with figures that loads nothing from elsewhere.

    Example: `mizoo card models/tagging_two_head --to cards`
    """
    from rich.console import Console

    from export.cards.target import find, run_card, version_card, write_card
    from zoo.training.run import Run

    found = find(target)
    made = run_card(found) if isinstance(found, Run) else version_card(found)
    beside = found.folder if isinstance(found, Run) else Path()
    files = _files(beside if to is None else to)
    if not isinstance(found, Run):
        _refuse_inside(found, files[0])
    write_card(made, *files)
    for file in files:
        Console(highlight=False).print(str(file), markup=False, soft_wrap=True)


def _files(to: Path) -> tuple[Path, Path]:
    """The Markdown and the HTML file."""
    from export.cards.target import HTML, MARKDOWN
    from zoo.errors import ConfigError

    if to.is_dir() or not to.suffix:
        return to / MARKDOWN, to / HTML
    if to.suffix not in {".md", ".html"}:
        raise ConfigError(
            f"A card cannot be written to {to}.",
            expected="a folder, or a file ending in .md or .html (the other form stands beside it)",
            fix=f"--to {to.with_suffix('.html')}",
        )
    return to.with_suffix(".md"), to.with_suffix(".html")


def _refuse_inside(version: Path, file: Path) -> None:
    from zoo.errors import ExportError

    if file.resolve().is_relative_to(version.resolve()):
        raise ExportError(
            f"{file} would lie in {version}, and an exported version is never changed.",
            expected="a place outside of it",
            fix="mizoo card ... --to FOLDER",
        )
