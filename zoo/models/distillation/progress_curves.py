"""From run folders to curves: accuracy over the multiply-adds that were spent."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo.models.distillation.compute import PictureCost
from zoo.models.distillation.figures import BASELINE, Curve
from zoo.training.curves import read_history
from zoo.training.run import Run


def strategy_curve(name: str, strategy: str, runs: Sequence[Path], cost: PictureCost, pictures: int) -> Curve:
    """Returns the accuracy on validation of a strategy, several seeds together.

    Args:
        name: What the curve is called.
        strategy: How the runs were trained.
        runs: Their folders, with history.csv and, block-wise, history_blocks.csv and stages.json.
        cost: Of one picture.
        pictures: Of an epoch.
    """
    accuracy = [np.array(read_history(run / "history.csv")["val_accuracy"]) for run in runs]
    longest = max(map(len, accuracy))
    padded = [np.pad(one, (0, longest - len(one)), constant_values=np.nan) for one in accuracy]
    epochs = np.arange(1, longest + 1)
    if strategy != "blockwise":
        each = getattr(cost, strategy)
        return Curve(name, epochs, np.stack(padded), epochs * each * pictures)
    blocks = cost.blocks * len(read_history(runs[0] / "history_blocks.csv")["epoch"])
    stages = [Run(run).stages for run in runs]
    spent, points = blocks, {}
    for moment in ("joined", "recalibrated"):
        if all(moment in own for own in stages):
            spent += cost.recalibration if moment == "recalibrated" else 0
            points[moment] = (
                float(spent * pictures),
                float(np.mean([own[moment]["accuracy"] for own in stages])),
            )
    return Curve(name, epochs, np.stack(padded), (spent + epochs * cost.whole) * pictures, points)


def baseline_curve(accuracy: float, run: Path | None = None) -> Curve:
    """Returns the teacher: its own training where its run is known, else its accuracy on validation alone."""
    if run is not None and (known := read_history(run / "history.csv").get("val_accuracy")):
        return Curve(BASELINE, np.arange(1, len(known) + 1), np.array(known), np.zeros(len(known)))
    return Curve(BASELINE, np.array([1]), np.array([accuracy]), np.zeros(1))
