"""What is to change in a picture: words added and words removed, as one direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import DataError
from zoo.search.vectors import check_matrix, check_unit

SMALLEST = 1e-6


@dataclass(frozen=True)
class Edit:
    """The direction d of a change: the mean of the vectors added minus the mean of those removed.

    Means of unit vectors, so that its length does not grow with the number of words: the measure of Kiros et al.
    depends on that length.

    Attributes:
        direction: d, float64 `[dimensions]`.
    """

    direction: np.ndarray

    @property
    def length(self) -> float:
        """|d|."""
        return float(np.linalg.norm(self.direction))

    @classmethod
    def of(
        cls, add: Sequence[Any], remove: Sequence[Any], dimensions: int, mean_text: np.ndarray | None = None
    ) -> Edit:
        """Returns the edit of text vectors.

        All texts lie on one side of all pictures (the modality gap). That common offset cancels between what is added
        and what is removed; where only one of them is given, the mean text stands for the other.

        Args:
            add: Vectors of length 1, each float `[dimensions]`.
            remove: Likewise.
            dimensions: The numbers that each vector has.
            mean_text: The mean vector of many texts, float `[dimensions]`; needed where one side is empty.

        Raises:
            DataError: On vectors of another size or length, where nothing or the same is added and removed, and where
                one side is empty and there is no mean text.
        """
        if not len(add) and not len(remove):
            raise DataError(
                "nothing is added and nothing removed",
                fix="give a vector to add or to remove, or search with nearest()",
            )
        added = _mean(add, dimensions, "add", mean_text)
        removed = _mean(remove, dimensions, "remove", mean_text)
        edit = cls(added - removed)
        if edit.length < SMALLEST:
            raise DataError(
                f"the same is added and removed: the vectors differ by {edit.length:.1g}",
                expected=f"a difference of at least {SMALLEST:g}",
                fix="add something else than is removed",
            )
        return edit


def _mean(vectors: Sequence[Any], dimensions: int, side: str, mean_text: np.ndarray | None) -> np.ndarray:
    if len(vectors):
        what = f"vectors to {side}"
        rows = [check_unit(np.asarray(vector)[None], dimensions, what) for vector in vectors]
        return np.concatenate(rows).mean(axis=0, dtype=np.float64)
    if mean_text is None:
        raise DataError(
            f"nothing to {side}, and no mean text to stand for it",
            fix=f"give something to {side}, or make the index with mean_text",
        )
    return check_matrix(np.asarray(mean_text)[None], dimensions, "mean_text")[0].astype(np.float64)
