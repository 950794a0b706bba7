"""The report's Fig. 1 for `ci.bench.fusion`: a layer of one network beside a layer of the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.drawing import new_figure, save_figure
from zoo.models.fusion.layer_names import STAGES


def draw_heat_maps(maps: Mapping[str, Sequence[Sequence[float]]], path: Path) -> Path:
    """Draws for each task the metric of every pair of stages on the test pictures; the best in bold, as an oracle.

    Args:
        maps: Task -> `[stage of the first network][stage of the second]`, in percent.
        path: Of the PNG.
    """
    figure = new_figure((5 * len(maps), 4.5), "Drawing pairs of layers")
    for axes, (task, values) in zip(
        figure.subplots(1, len(maps), squeeze=False)[0], maps.items(), strict=True
    ):
        image = axes.imshow(values, cmap="viridis")
        best = max((value, i, k) for i, row in enumerate(values) for k, value in enumerate(row))
        for i, row in enumerate(values):
            for k, value in enumerate(row):
                weight = "bold" if (value, i, k) == best else "normal"
                axes.text(k, i, f"{value:.1f}", ha="center", va="center", color="white", weight=weight)
        axes.set_xticks(range(len(STAGES)), STAGES)
        axes.set_yticks(range(len(STAGES)), STAGES)
        axes.set_xlabel("second network (P)")
        axes.set_ylabel("first network (I)")
        axes.set_title(f"{task}, test")
        figure.colorbar(image, ax=axes, shrink=0.8)
    return save_figure(figure, path)
