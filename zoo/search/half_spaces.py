"""The rows that reach a score lie in a half-space: one product per row leaves out nearly all others.

"direction" and "anchored" take two products of a row X, with the query q and with u = d / |d| of the edit. With
y = |X - q|^2 = 2 - 2 X q, which lies in 0 .. 4, their score is (X - q) u / √y + w X q, and reaches f where

    (X - q) u >= (f - w) √y + (w / 2) y √y.

Each term on the right is concave or convex in y, and so lies above its chord over 0 .. 4 or above a tangent: together
above a line α + β y. What reaches f therefore has X (u + 2 β q) >= α + 2 β + q u, whatever its y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from zoo.search.edit import Edit

_TYPICAL, _MOST = 2.0, 4.0
"""Squared distances of unrelated and of opposite vectors."""


class HalfSpace(NamedTuple):
    """The vectors X with X `normal` >= `least`.

    Attributes:
        normal: float32 `[dimensions]`.
        least: A number.
    """

    normal: np.ndarray
    least: float


def half_space(measure: str, weight: float, floor: float, query: np.ndarray, edit: Edit) -> HalfSpace:
    """Returns a half-space with all vectors whose score is `floor` or more, rounding in float32 allowed for.

    Args:
        measure: One of `zoo.search.measures.MEASURES`.
        weight: Its weight.
        floor: f.
        query: float `[dimensions]`, of length 1.
        edit: What is to change.
    """
    q = query.astype(np.float64)
    if measure == "kiros":
        normal, least = q + weight * edit.direction, floor
    else:
        unit = edit.direction / edit.length
        below = [_below(floor - weight, 0.5), _below(weight / 2, 1.5)]
        alpha, beta = (sum(part) for part in zip(*below, strict=True))
        normal, least = unit + 2 * beta * q, alpha + 2 * beta + q @ unit
    slack = len(normal) * float(np.finfo(np.float32).eps) * float(np.linalg.norm(normal))
    return HalfSpace(normal.astype(np.float32), float(least - slack))


def _below(factor: float, power: float) -> tuple[float, float]:
    """Returns α and β of a line α + β y that is nowhere above factor · y^power in 0 .. 4."""
    if factor * (power - 1) <= 0:  # concave
        return 0.0, factor * _MOST ** (power - 1)
    value, slope = factor * _TYPICAL**power, factor * power * _TYPICAL ** (power - 1)
    return value - slope * _TYPICAL, slope
