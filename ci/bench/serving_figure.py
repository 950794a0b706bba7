"""The figure of `ci.bench.serving`: what each server keeps of the in-process rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ci.bench.serving_rows import CONCURRENCIES, GOALS


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draws a panel per model: bars of ratios by concurrency, with their extremes, and the goals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = [row for row in rows if not row["server"].endswith("no model")]  # a ceiling far above the others
    models = list(dict.fromkeys(row["model"] for row in rows))
    servers = list(dict.fromkeys(row["server"] for row in rows))
    width = 0.8 / len(servers)
    figure, panels = pyplot.subplots(
        1, len(models), figsize=(6.5 * len(models), 4.2), sharey=True, squeeze=False
    )
    for panel, model in zip(panels[0], models, strict=True):
        for index, server in enumerate(servers):
            found = [row for row in rows if (row["model"], row["server"]) == (model, server)]
            places = [
                CONCURRENCIES.index(row["concurrency"]) + (index - len(servers) / 2 + 0.5) * width
                for row in found
            ]
            heights = [row["ratio"] for row in found]
            low = [row["ratio"] - row["ratio min"] for row in found]
            high = [row["ratio max"] - row["ratio"] for row in found]
            panel.bar(places, heights, width, yerr=(low, high), label=server, error_kw={"linewidth": 0.8})
        if model == "tiny_cnn":
            for place, concurrency in enumerate(CONCURRENCIES):
                panel.hlines(GOALS[concurrency], place - 0.45, place + 0.45, "black", "dashed", linewidth=0.8)
        panel.axhline(1.0, color="grey", linewidth=0.6)
        panel.set_xticks(range(len(CONCURRENCIES)), [f"{c} callers" for c in CONCURRENCIES])
        panel.set_title(model)
    panels[0][0].set_ylabel("requests/s, ratio to the in-process call")
    panels[0][-1].legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
