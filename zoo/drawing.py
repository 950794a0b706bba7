"""Figures that need no display, saved whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import MissingExtraError
from zoo.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(size: tuple[float, float], purpose: str) -> Figure:
    """Returns an empty figure.

    Args:
        size: Width and height in inches.
        purpose: What is drawn, for the error, e.g. "Drawing learning curves".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("matplotlib", "zoo", purpose) from error
    return Figure(figsize=size, layout="constrained")


def save_figure(figure: Figure, path: Path) -> Path:
    """Writes a figure as PNG, atomically, and returns the path."""
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=110))
    return path
