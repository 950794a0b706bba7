"""The figures of `ci.bench.visual_semantic`: recall, edits, and the length of the edit. Numbers only, no pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ci.bench.visual_semantic_edits import HITS
from zoo.files import write_atomically
from zoo.models.visual_semantic.figures import DIRECTIONS, draw_recall

Rows = Sequence[Mapping[str, Any]]
_SHOWN = ("kiros 0.5", "kiros 1", "kiros 2", "direction", "anchored", "nearest", "added word", "chance")


def draw_results(rows: Rows, edit_rows: Rows, path: Path) -> None:
    """Draws recall both ways of every predictor, and what the measures reach in each space."""
    from matplotlib.figure import Figure

    spread = {
        row["predictor"]: {key.removesuffix("_range"): row[key] for key in row if key.endswith("_range")}
        for row in rows
    }
    figure = Figure(figsize=(15, 1.5 + 0.42 * len(rows)), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=(1, 1, 1.3))
    for axes, way in zip(panels, DIRECTIONS, strict=False):
        draw_recall(axes, way, {row["predictor"]: row for row in rows}, spread)
    panels[1].set_yticklabels([])
    panels[1].get_legend().remove()
    _draw_edits(panels[2], edit_rows)
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))


def draw_scale(rows: Rows, path: Path) -> None:
    """Draws, over the factor on the edit, how many wishes are fulfilled and how many hits stay the same."""
    from matplotlib.figure import Figure

    spaces = list(dict.fromkeys(row["space"] for row in rows))
    figure = Figure(figsize=(1 + 2.9 * len(spaces), 5.6), layout="constrained")
    panels = figure.subplots(2, len(spaces), squeeze=False, sharex=True, sharey="row")
    for column, space in enumerate(spaces):
        for line, (key, title) in enumerate(
            (("both", "p@10 of attribute and context, %"), ("same", "first ten as at factor 1, %"))
        ):
            axes = panels[line][column]
            for measure in dict.fromkeys(row["measure"] for row in rows):
                own = [row for row in rows if (row["space"], row["measure"]) == (space, measure)]
                axes.plot(
                    [row["factor"] for row in own], [row[key] for row in own], marker=".", label=measure
                )
            axes.set_xscale("log", base=2)
            # The height is that of the whole line of panels, which share it.
            axes.set_ylim(0, 1.08 * max(row[key] for row in rows))
            if not column:
                axes.set_ylabel(title, fontsize="small")
        panels[0][column].set_title(space)
        panels[1][column].set_xlabel("factor on the edit (kiros: λ)", fontsize="small")
    panels[0][0].legend(fontsize="small")
    write_atomically(path, lambda file: figure.savefig(file, format="png", dpi=100))


def _draw_edits(axes: Any, rows: Rows) -> None:
    spaces = list(dict.fromkeys(row["space"] for row in rows))
    width = 0.8 / len(spaces)
    hit = HITS[-1]
    for index, space in enumerate(spaces):
        own = {row["ranker"]: row for row in rows if row["space"] == space}
        places = np.arange(len(_SHOWN)) + (index - (len(spaces) - 1) / 2) * width
        means = np.array([own[ranker][hit] for ranker in _SHOWN])
        extremes = np.array([own[ranker][f"{hit}_range"] for ranker in _SHOWN]).T
        axes.barh(
            places, means, width, xerr=np.abs(extremes - means), label=space, error_kw={"linewidth": 0.8}
        )
    axes.set(
        title="edited queries",
        xlabel="p@10 of attribute and context, %",
        yticks=range(len(_SHOWN)),
        yticklabels=_SHOWN,
    )
    axes.invert_yaxis()
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
