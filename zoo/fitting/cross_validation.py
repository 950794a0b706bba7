"""The choice of C by stratified cross-validation inside the training part."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from zoo.checks import listing
from zoo.errors import ConfigError, DataError
from zoo.fitting.linear_classifier import Targets

_LOG = logging.getLogger(__name__)

C_VALUES = (0.01, 0.1, 1.0, 10.0)

# Of a fold: training rows, held-out rows, ascending Cs -> scores [held-out rows, K] for one C after the other.
HeldOut = Callable[[np.ndarray, np.ndarray, Sequence[float]], Iterable[np.ndarray]]


def choose_c(
    targets: Targets, c: Sequence[float], *, folds: int, seed: int, held_out: HeldOut
) -> tuple[float, dict[float, float]]:
    """Chooses the C whose scores of held-out rows are best; of equally good ones the smallest.

    The scores of all folds are pooled before they are judged, so that a class with fewer rows than folds counts
    like any other.

    Args:
        targets: Of the training part.
        c: The choices; a single one is taken without cross-validation.
        folds: Parts that are held out in turn. More than a class has rows are reduced to that, with a warning.
        seed: Of the folds.
        held_out: Fits on rows and scores others.

    Returns:
        The C, and the quality for each C (empty where there is only one).

    Raises:
        ConfigError: No C, one that is not positive, or fewer than two folds.
        DataError: A class has one row only, which cannot be both trained on and held out.
    """
    values = sorted({float(value) for value in c})
    if not values or values[0] <= 0 or not np.isfinite(values).all():
        raise ConfigError(
            f"The choices of C are {listing(values) or 'none'}.", expected="positive numbers", fix="set c=1"
        )
    if len(values) == 1:
        return values[0], {}
    parts = stratified_folds(targets, folds, seed)
    pooled = np.empty((len(values), *targets.positive.shape))
    for fold in range(parts.max() + 1):
        train, test = np.flatnonzero(parts != fold), np.flatnonzero(parts == fold)
        for number, scores in enumerate(held_out(train, test, values)):
            pooled[number, test] = scores
    quality = {value: targets.quality(scores) for value, scores in zip(values, pooled, strict=True)}
    return max(values, key=lambda value: (quality[value], -value)), quality


def stratified_folds(targets: Targets, folds: int, seed: int) -> np.ndarray:
    """Deals the rows out to folds so that each has its share of every class.

    Rows with one label are dealt out class by class: sizes of folds, and of a class in the folds, differ by 1 at
    most. Rows with several are dealt out by iterative stratification (Sechidis et al. 2011, ECML PKDD, algorithm
    1): the rarest class first, each row to the fold that lacks most of it.

    Args:
        targets: Of the rows.
        folds: At least 2.
        seed: Of the lots.

    Returns:
        Fold of each row, int64 `[rows]`, 0..folds-1; a function of the arguments.

    Raises:
        ConfigError: Fewer than two folds.
        DataError: Fewer rows than folds, or (single label) a class with one row only.
    """
    positive = targets.positive
    if folds < 2 or folds > len(positive):
        raise ConfigError(
            f"{folds} folds are asked for.",
            expected=f"2..{len(positive)} for {len(positive)} rows",
            fix="set folds=5",
        )
    rng = np.random.default_rng(seed)
    if targets.multi_label:
        return _iterative(positive, folds, rng)
    sizes = positive.sum(axis=0)
    if sizes.min() == 1:
        raise DataError(
            f"Class {listing(np.flatnonzero(sizes == 1).tolist())} has one row only, which cannot be held out.",
            expected="at least two rows in each class",
            fix="add pictures, leave the class out, or give a single C",
        )
    if sizes.min() < folds:
        _LOG.warning(
            "Class %d has %d rows: %d folds instead of %d.", sizes.argmin(), sizes.min(), sizes.min(), folds
        )
        folds = int(sizes.min())
    order = rng.permutation(len(positive))
    order = order[np.argsort(positive.argmax(axis=1)[order], kind="stable")]
    parts = np.empty(len(order), np.int64)
    parts[order] = np.arange(len(order)) % folds
    return parts


def _iterative(positive: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    room = np.full(folds, len(positive) / folds)
    lacking = np.tile(positive.sum(axis=0) / folds, (folds, 1))
    parts = np.full(len(positive), -1, np.int64)
    while (parts < 0).any():
        left = positive[parts < 0].sum(axis=0)
        rarest = np.where(left > 0, left, left.max() + 1).argmin()
        rows = np.flatnonzero((parts < 0) & (positive[:, rarest] | ~left.any()))
        for row in rng.permutation(rows):
            need = lacking[:, rarest] if left.any() else room
            fold = np.lexsort((rng.random(folds), -room, -need))[0]
            parts[row] = fold
            room[fold] -= 1
            lacking[fold] -= positive[row]
    return parts
