"""The measures of an edited query, from two products per row: written once for numpy and for the exported graph.

Rows X and the query picture q have length 1, d = q_add - q_remove. With keep = X q and shift = X d, every measure and
every explanation follows; nothing else of X is needed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from zoo.errors import ConfigError, nearest

DUPLICATE = 1e-6
"""Rows whose squared distance to the query is less have no direction from it, and are left out."""
DEFAULT_WEIGHT = {"kiros": 1.0, "direction": 0.0, "anchored": 0.3}
MEASURES = tuple(DEFAULT_WEIGHT)


class Scored(NamedTuple):
    """What is known of rows, each an array of the shape of the products.

    Attributes:
        score: Larger is better; minus infinity for the query itself and its duplicates.
        along: How far the row lies from the query in the direction that was asked for.
        off: How far it lies from the query in all other directions.
        keep: Its cosine with the query.
    """

    score: Any
    along: Any
    off: Any
    keep: Any


def check_weight(measure: str, weight: float | None) -> float:
    """Returns the weight that a measure is to use; its default for None.

    Raises:
        ConfigError: On an unknown measure, a weight that is not finite, and a weight for "direction".
    """
    if measure not in DEFAULT_WEIGHT:
        raise ConfigError(
            f"there is no measure {measure!r}.{nearest(measure, MEASURES)}",
            expected=", ".join(MEASURES),
            fix="name one of them",
        )
    if weight is None:
        return DEFAULT_WEIGHT[measure]
    if measure == "direction":
        raise ConfigError(
            f"weight {weight} for the measure 'direction', which has none",
            fix="leave the weight out, or take 'anchored'",
        )
    if not math.isfinite(weight):
        raise ConfigError(f"weight {weight} for the measure {measure!r}", fix="give a finite number")
    return float(weight)


def score(measure: str, keep: Any, shift: Any, start: Any, length: Any, weight: Any, xp: Any) -> Scored:
    """Scores rows from their products.

    Args:
        measure: One of `MEASURES`.
        keep: X q, `[..., rows]`.
        shift: X d, likewise.
        start: q d, broadcastable to `keep`.
        length: |d|, likewise; more than 0.
        weight: As in `rank`.
        xp: numpy or keras.ops.
    """
    squared = xp.maximum(2.0 - 2.0 * keep, 0.0)
    along = (shift - start) / length
    off = xp.sqrt(xp.maximum(squared - along * along, 0.0))
    return Scored(rank(measure, keep, shift, squared, along, weight, xp), along, off, keep)


def rank(measure: str, keep: Any, shift: Any, squared: Any, along: Any, weight: Any, xp: Any) -> Any:
    """Returns the scores alone, for callers who know the distances better than the products tell them.

    kiros: X q + weight X d, at weight 1 the ranking of cos(X, q - q_remove + q_add) (Kiros et al. 2014, section 4.3).
    direction: cos(X - q, d), the report's (part 2, Fig. 4): the direction of the change counts, not its length.
    anchored: direction + weight X q, ours: the direction, without leaving what the picture shows.

    Args:
        measure: One of `MEASURES`.
        keep: X q, `[..., rows]`.
        shift: X d, likewise.
        squared: |X - q|^2, likewise.
        along: (X - q) d / |d|, likewise.
        weight: As above; "direction" looks at none (`check_weight` refuses one that a user gives).
        xp: numpy or keras.ops.
    """
    if measure == "kiros":
        ranked = keep + weight * shift
    else:
        ranked = along / xp.sqrt(xp.maximum(squared, DUPLICATE))
        if measure == "anchored":
            ranked = ranked + weight * keep
    # keras.ops has no inf of its own.
    return xp.where(squared < DUPLICATE, -math.inf, ranked)
