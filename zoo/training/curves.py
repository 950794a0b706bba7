"""Learning curves."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import MissingExtraError
from zoo.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

History = dict[str, list[float]]


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
    figure = curves(read_history(history))
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=110))


def curves(history: History) -> Figure:
    """Draws every loss over the epochs, training and validation in one colour.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "zoo", "Drawing learning curves") from error

    names = [name for name in history if name != "epoch" and not name.startswith("val_")]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for colour, name in enumerate(names):
        axes.plot(history["epoch"], history[name], color=f"C{colour}", label=name)
        if validation := history.get(f"val_{name}"):
            label = f"{name}, validation"
            axes.plot(history["epoch"], validation, color=f"C{colour}", linestyle="--", label=label)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend(fontsize="small")
    return figure
