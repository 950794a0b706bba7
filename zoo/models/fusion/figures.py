"""Which classes are found, and which are taken for each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zoo.drawing import new_figure, save_figure
from zoo.training.predict import predict

if TYPE_CHECKING:
    from zoo.data.batches import Split
    from zoo.models.fusion.classifier import FusionClassifier

_NAMED = 20


def draw_classes(model: FusionClassifier, split: Split, path: Path) -> Path:
    """Draws the accuracy of the least accurate classes with what they are taken for, and the confusion matrix.

    Args:
        model: Trained.
        split: What it is asked about.
        path: Of the PNG.
    """
    label = split.targets["label"]
    said = np.argmax(predict(model, split, progress=False)["scores"], axis=1)
    confusion = np.zeros((len(model.classes), len(model.classes)))
    np.add.at(confusion, (label, said), 1)
    confusion /= np.maximum(confusion.sum(1, keepdims=True), 1)
    asked = np.unique(label)
    worst = asked[np.argsort(confusion[asked, asked], kind="stable")][:_NAMED]

    figure = new_figure((12, 6), "Drawing the classes")
    bars, matrix = figure.subplots(1, 2)
    rows = np.arange(len(worst))
    bars.barh(rows, 100 * confusion[worst, worst], color="tab:blue")
    wrong = confusion - np.diag(np.diag(confusion))
    for row, one in zip(rows, worst, strict=True):
        taken = int(wrong[one].argmax())
        if wrong[one, taken]:
            bars.text(
                101, row, f"{100 * wrong[one, taken]:.0f} % {model.classes[taken]}", va="center", fontsize=7
            )
    bars.set_yticks(rows, [model.classes[one] for one in worst], fontsize=8)
    bars.invert_yaxis()
    bars.set_xlim(0, 140)
    bars.set_xticks(range(0, 101, 20))
    bars.set_xlabel("accuracy, %; at the right what it is most often taken for")
    matrix.imshow(confusion, vmin=0, vmax=1, cmap="magma")
    matrix.set_xlabel("said")
    matrix.set_ylabel("right")
    figure.suptitle(f"{model.name}: accuracy {100 * np.mean(said == label):.1f} %")
    return save_figure(figure, path)
