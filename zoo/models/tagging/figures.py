"""Figures of a tagger: does what it says happen as often as it says?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.drawing import new_figure, save_figure
from zoo.metrics.calibration import Reliability, reliability
from zoo.models.tagging.evaluation import answers

if TYPE_CHECKING:
    import keras

    from zoo.data.batches import Split


def draw_reliability(model: keras.Model, split: Split, path: Path) -> Path:
    """Draws reliability curves of P(present) and of importance on true tags, with their data as bars."""
    said, mentions = answers(model, split), split.targets["mentions"]
    true = mentions > 0
    curves = {
        "tag is mentioned": reliability(true, said.probability),
        "importance of true tags": reliability((mentions / split.targets["captions"])[true], said.mean[true]),
    }
    figure = new_figure((9, 4.2), "Drawing reliability")
    for axes, (title, curve) in zip(figure.subplots(1, 2), curves.items(), strict=True):
        _draw(axes, title, curve)
    return save_figure(figure, path)


def _draw(axes: Any, title: str, curve: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", linewidth=1)
    axes.plot(curve.predicted, curve.observed, marker="o", color="tab:blue")
    axes.set(
        title=f"{title} (error {curve.error:.3f})",
        xlabel="predicted",
        ylabel="observed",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    counts = axes.twinx()
    counts.bar(curve.predicted, curve.count, width=0.03, color="tab:orange", alpha=0.35)
    counts.set_yscale("log")
    counts.set_ylabel("predictions")
