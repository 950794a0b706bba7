"""Which of the report's orderings hold, split by split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# The claim, and the two cells (table, row, column) of which the first is said to be the better.
_MARGIN = {"SVD-FC - Conv5 at most 0.7 below, I+P": -0.7}
_CLAIMS: tuple[tuple[str, tuple[str, str, str], tuple[str, str, str]], ...] = (
    *(
        (f"SVD-FC > FC, {column}", ("concat", "svd_fc", column), ("concat", "fc", column))
        for column in ("I", "P", "I+P")
    ),
    ("SVD-FC - Conv5 at most 0.7 below, I+P", ("concat", "svd_fc", "I+P"), ("concat", "conv5", "I+P")),
    ("I+P > I, Conv5", ("concat", "conv5", "I+P"), ("concat", "conv5", "I")),
    ("I+P > P, Conv5", ("concat", "conv5", "I+P"), ("concat", "conv5", "P")),
    *(
        (f"MPN-CBP(I+P) > concatenation, {row}", ("mpn_cbp", row, "I+P"), ("concat", row, "I+P"))
        for row in ("conv5", "svd_fc", "fc")
    ),
    *(
        (f"MPN-CBP: SVD-CAM >= Conv5, {column}", ("mpn_cbp", "svd_cam", column), ("mpn_cbp", "conv5", column))
        for column in ("I", "P", "I+P")
    ),
    ("MPN-CBP: SVD-CAM > CAM, I+P", ("mpn_cbp", "svd_cam", "I+P"), ("mpn_cbp", "cam", "I+P")),
    (
        "MPN-CBP: same position > whole picture, I+P",
        ("mpn_cbp", "svd_cam", "I+P"),
        ("mpn_cbp", "svd_fc", "I+P"),
    ),
)


def claims(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns for each claim the mean difference of the two cells, and in how many splits it holds.

    Args:
        rows: Of one task, with `table`, `row`, `column` and `values`.
    """
    known = {(row["table"], row["row"], row["column"]): np.array(row["values"]) for row in rows}
    found = []
    for text, better, worse in _CLAIMS:
        difference = known[better] - known[worse]
        least = _MARGIN.get(text, 0.0)
        held = difference >= least if ">=" in text or least else difference > least
        found.append(
            {
                "claim": text,
                "difference": float(difference.mean()),
                "wins": int(held.sum()),
                "splits": len(difference),
            }
        )
    return found
