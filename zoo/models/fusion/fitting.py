"""The linear classifier in closed form, frozen into the model."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from zoo.checks import listing
from zoo.errors import DataError
from zoo.files import csv_text, write_text
from zoo.fitting.cross_validation import C_VALUES
from zoo.fitting.linear_classifier import LinearClassifier
from zoo.fitting.linear_svm import fit_linear_svm
from zoo.fitting.logistic import fit_logistic
from zoo.models.fusion.eye import FEATURES

if TYPE_CHECKING:
    from zoo.data.batches import Split, Splits
    from zoo.models.fusion.classifier import FusionClassifier
    from zoo.models.fusion.config import FusionConfig
    from zoo.training.run import Run

log = logging.getLogger(__name__)
_FITS: dict[str, Callable[..., LinearClassifier]] = {"svm": fit_linear_svm, "logistic": fit_logistic}
_BATCH = 256


def fit_classifier(model: FusionClassifier, splits: Splits, run: Run, config: FusionConfig) -> None:
    """Fits on the training features, with C chosen by cross-validation within them.

    A fit takes seconds and is not resumed. `history.csv` has the loss before (epoch 0) and after it.

    Args:
        model: Over features; gets weights and bias.
        splits: Input `features`, target `label`.
        run: Where history is written, and what C was chosen by what accuracy.
        config: Which classifier, which C.

    Raises:
        DataError: C is to be chosen, and a class has one training picture.
    """
    choices = C_VALUES if config.c is None else (config.c,)
    alone = np.flatnonzero(np.bincount(splits.train.targets["label"]) == 1)
    if len(choices) > 1 and len(alone):
        raise DataError(
            f"There is one training picture only of {listing([model.classes[label] for label in alone])}: C cannot be "
            "chosen by holding pictures out.",
            expected="two training pictures of each class, or a fixed C",
            fix="add pictures, leave the class out, or --set c=1",
        )
    before = _losses(model, splits)
    found = _FITS[config.classifier](
        splits.train.arrays()[FEATURES],
        splits.train.targets["label"],
        c=choices,
        folds=config.folds,
        seed=config.split_seed,
    )
    model.set_classifier(found.weights, found.bias)
    model.optimizer.build(model.trainable_variables)  # else the file holds half an optimizer
    history = [before, _losses(model, splits)]
    rows = [[epoch, *(f"{value:.6g}" for value in losses.values())] for epoch, losses in enumerate(history)]
    write_text(run.folder / "history.csv", csv_text([["epoch", *before], *rows]))
    validated = {f"accuracy at C={c:g}": accuracy for c, accuracy in found.cross_validated.items()}
    run.note("classifier", {"C": found.c, "iterations": found.iterations, **validated})
    log.info("C = %g of %s", found.c, choices)


def _losses(model: FusionClassifier, splits: Splits) -> dict[str, float]:
    train, validation = (_evaluated(model, split) for split in (splits.train, splits.validation))
    return train | {f"val_{name}": value for name, value in validation.items()}


def _evaluated(model: FusionClassifier, split: Split) -> dict[str, float]:
    found: dict[str, float] = model.evaluate(split.once(_BATCH), verbose=0, return_dict=True)
    return {name: found[name] for name in ("loss", "accuracy")}
