"""Learning curves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.drawing import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

History = dict[str, list[float]]
_VALIDATION = "val_"


def read_history(path: Path) -> History:
    """Returns column -> value per epoch of a history.csv (`epoch`, `loss`, `val_loss`, ...); empty without a file."""
    if not path.is_file():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}


def draw_curves(history: Path, path: Path) -> None:
    """Draws every loss of a history.csv over the epochs into a PNG file.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    save_figure(curves(read_history(history)), path)


def curves(history: History) -> Figure:
    """Draws every loss over the epochs, training and validation in one colour.

    What was logged on validation alone, e.g. recall, stands in a second panel: it has another scale.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    names = [name for name in history if name != "epoch" and not name.startswith(_VALIDATION)]
    watched = [
        name
        for name in history
        if name.startswith(_VALIDATION) and name.removeprefix(_VALIDATION) not in names
    ]
    panels = 2 if watched else 1
    figure = new_figure((7 * panels, 4), "Drawing learning curves")
    losses, *others = figure.subplots(1, panels, squeeze=False)[0]
    for colour, name in enumerate(names):
        losses.plot(history["epoch"], history[name], color=f"C{colour}", label=name)
        if validation := history.get(_VALIDATION + name):
            label = f"{name}, validation"
            losses.plot(history["epoch"], validation, color=f"C{colour}", linestyle="--", label=label)
    losses.set(xlabel="epoch", ylabel="loss")
    for axes in others:
        for name in watched:
            axes.plot(history["epoch"], history[name], label=name.removeprefix(_VALIDATION).replace("_", " "))
        axes.set(xlabel="epoch", ylabel="on validation")
    for axes in (losses, *others):
        axes.legend(fontsize="small")
    return figure
