"""Figure of singular values: how much of a head its first directions hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from zoo.drawing import new_figure, save_figure
from zoo.fitting.class_vectors import CumulativeContribution

# The report's finding: half the dimensions hold so much or more in every head that it examined.
CLAIM = 0.8

_READINGS = {"sums": "singular values", "squares": "squared singular values"}


def draw_spectrum(contributions: Mapping[str, CumulativeContribution], path: Path) -> Path:
    """Draws the cumulative contribution of the singular values of heads, in both readings of the word.

    A point marks half the dimensions, its share stands in the legend; lines stand at half the dimensions and at 80 %.

    Args:
        contributions: Name of the head -> `cumulative_contribution` of its singular values.
        path: PNG to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure((11, 4.6), "Drawing singular values")
    for axes, (reading, title) in zip(figure.subplots(1, 2, sharey=True), _READINGS.items(), strict=True):
        for name, contribution in contributions.items():
            shares = 100 * np.concatenate([[0.0], getattr(contribution, reading)])
            places = np.linspace(0, 100, len(shares))
            half = contribution.half
            label = f"{name}: {shares[half]:.1f} % in {half} of {len(shares) - 1}"
            (line,) = axes.plot(places, shares, linewidth=1.4)
            axes.plot(places[half], shares[half], "o", color=line.get_color(), label=label)
        axes.axvline(50, color="grey", linestyle=":", linewidth=1)
        axes.axhline(100 * CLAIM, color="grey", linestyle="--", linewidth=1, label=f"{CLAIM:.0%} line")
        axes.set(
            xlabel="share of the dimensions, %", title=f"sum of the {title}", xlim=(0, 100), ylim=(0, 101)
        )
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="lower right")
    figure.axes[0].set_ylabel("cumulative contribution, %")
    return save_figure(figure, path)
