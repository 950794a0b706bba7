"""Figures of classifiers: which classes are taken for which, and accuracy over what a training cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.drawing import new_figure, save_figure
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.data.batches import Split
    from zoo.models.distillation.classifier import Classifier

BASELINE = "baseline"
# The numbers are those of the report's Figs. 9 and 11.
STYLES = {
    BASELINE: ("baseline: the teacher", "black"),
    "whole": ("(1) whole", "tab:blue"),
    "blockwise": ("(2) blockwise", "tab:red"),
    "scratch": ("(3) scratch", "tab:green"),
    "stepping_stones": ("stepping stones", "tab:purple"),
}
_OTHER_COLOURS = ("tab:orange", "tab:brown", "tab:pink", "tab:olive", "tab:cyan", "tab:grey")
_MARKERS = "oDs^v"
_MOST_NAMED_CLASSES = 20
_MOST_CONFUSIONS = 10


@dataclass(frozen=True)
class Curve:
    """Accuracy on validation after every epoch of the whole network.

    Attributes:
        name: A key of STYLES, or any other.
        epochs: int `[n]`, of the whole network: block-wise, those after joining.
        accuracy: float 0..1, `[n]`, or `[seeds, n]`; NaN after a seed that stopped early.
        multiply_adds: float `[n]`, spent in all until the end of each epoch, all stages and the teacher's passes
            included.
        points: Moments between the stages, e.g. "joined" -> (multiply-adds spent, accuracy, the mean over seeds).
    """

    name: str
    epochs: np.ndarray
    accuracy: np.ndarray
    multiply_adds: np.ndarray
    points: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ConfigError where the arrays do not belong together."""
        count = np.shape(self.accuracy)[-1] if np.ndim(self.accuracy) else 0
        if not count == np.size(self.epochs) == np.size(self.multiply_adds) or not count:
            raise ConfigError(
                f"The curve '{self.name}' has {np.size(self.epochs)} epochs, accuracy of shape "
                f"{np.shape(self.accuracy)} and multiply-adds at {np.size(self.multiply_adds)}.",
                expected="one of each for every epoch, at least one epoch",
                fix="cut them to the same epochs",
            )

    @property
    def seeds(self) -> np.ndarray:
        """Accuracy: float `[seeds, n]`."""
        return np.atleast_2d(np.asarray(self.accuracy, float))


def draw_learning_curves(curves: Sequence[Curve], path: Path) -> Path:
    """Draws accuracy on validation over the epochs and over the multiply-adds spent (report, Figs. 9 and 11).

    Lines are means over seeds, bands reach from the worst seed to the best. The teacher is drawn over its epochs,
    and its last accuracy as a line across: what its own training cost is not compared.

    Args:
        curves: One per strategy; that of the teacher is called `baseline`.
        path: PNG to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_figure((12, 4.6), "Drawing learning curves")
    left, right = figure.subplots(1, 2, sharey=True)
    others = cycle(_OTHER_COLOURS)
    for curve in curves:
        label, colour = STYLES.get(curve.name) or (curve.name.replace("_", " "), next(others))
        mean = np.nanmean(curve.seeds, axis=0)
        if curve.name == BASELINE:
            left.plot(curve.epochs, mean, color=colour, linewidth=0.8)
            for axes in (left, right):
                axes.axhline(mean[-1], color=colour, linestyle="--", linewidth=1, label=label)
            continue
        for axes, places in ((left, curve.epochs), (right, curve.multiply_adds)):
            axes.plot(places, mean, color=colour, label=label)
            if len(curve.seeds) > 1:
                worst, best = np.nanmin(curve.seeds, axis=0), np.nanmax(curve.seeds, axis=0)
                axes.fill_between(places, worst, best, color=colour, alpha=0.2, linewidth=0)
        first = (curve.multiply_adds[0], mean[0])
        before = [point for point in curve.points.values() if point[0] <= first[0]]
        right.plot(*zip(*before, first, strict=True), color=colour, linestyle=":", zorder=1)
        for marker, (name, (spent, accuracy)) in zip(cycle(_MARKERS), curve.points.items(), strict=False):
            style = {"color": colour, "marker": marker, "linestyle": "none", "markerfacecolor": "white"}
            right.plot([spent], [accuracy], label=f"{label}: {name}", **style)
    left.set(xlabel="epochs of the whole network", ylabel="accuracy on validation")
    right.set(xlabel="multiply-adds spent on training")
    from matplotlib.ticker import EngFormatter, MaxNLocator

    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.xaxis.set_major_formatter(EngFormatter())
    for axes in (left, right):
        axes.grid(alpha=0.3)
    right.legend(fontsize="small", loc="best")
    return save_figure(figure, path)


def draw_confusion(model: Classifier, split: Split, path: Path) -> Path:
    """Draws which classes are taken for which, as shares of the pictures of each class.

    With more than 20 classes their names are left out, and the ten largest confusions are listed beside.

    Args:
        model: Trained.
        split: What is predicted; target `label`.
        path: PNG to write.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from zoo.training.predict import predict

    predicted = predict(model, split)["logits"].argmax(axis=1)
    shares = confusion(np.asarray(split.targets["label"]), predicted, len(model.classes))
    named = len(model.classes) <= _MOST_NAMED_CLASSES
    figure = new_figure((7, 6) if named else (11, 6), "Drawing a confusion matrix")
    axes, *beside = figure.subplots(1, 1 if named else 2, squeeze=False)[0]
    drawn = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(drawn, ax=axes, label="share of the pictures of the class", shrink=0.8)
    axes.set(xlabel="predicted", ylabel="true", xticks=[], yticks=[])
    if named:
        places = range(len(model.classes))
        # A "$" in a name is no formula.
        axes.set_xticks(places, model.classes, rotation=90, parse_math=False)
        axes.set_yticks(places, model.classes, parse_math=False)
    for list_axes in beside:
        list_axes.axis("off")
        lines = [f"{share:4.0%}  {true} → {said}" for true, said, share in confusions(shares, model.classes)]
        text = "\n".join(["largest confusions, true → predicted:", "", *lines])
        list_axes.text(0, 0.5, text, va="center", linespacing=1.8, parse_math=False)
    return save_figure(figure, path)


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Returns the share of each class (row) that is taken for each class (column): float `[classes, classes]`.

    Args:
        labels: int `[rows]`.
        predicted: Likewise.
        classes: How many.

    Returns:
        Rows sum to 1; those of a class without pictures are 0.
    """
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predicted), 1)
    shares: np.ndarray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def confusions(
    shares: np.ndarray, names: Sequence[str], most: int = _MOST_CONFUSIONS
) -> list[tuple[str, str, float]]:
    """Returns the largest shares off the diagonal: (true class, what it is taken for, share), largest first."""
    wrong = np.where(np.eye(len(shares), dtype=bool), 0, shares)
    largest = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(largest, wrong.shape), strict=True)
    return [(names[true], names[said], float(wrong[true, said])) for true, said in pairs if wrong[true, said]]
