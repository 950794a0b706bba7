"""The best rows of several rankings, collected while the rows go by."""

from __future__ import annotations

import threading

import numpy as np


class Top:
    """Keeps the `count` best rows of each ranking; blocks of rows may come in any order and from several threads.

    Of equal scores the lower row is kept, so that neither order nor threads show in the result.

    Args:
        rankings: How many there are.
        count: How many rows of each are wanted, at least 1.
    """

    def __init__(self, rankings: int, count: int) -> None:
        self._count = count
        # Below every score except minus infinity, which is no candidate at all.
        self._floors = np.full(rankings, np.finfo(np.float32).min, np.float32)
        self._scores = [np.empty(0, np.float32)] * rankings
        self._rows = [np.empty(0, np.int64)] * rankings
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether each ranking has all rows that are wanted."""
        return all(len(scores) >= self._count for scores in self._scores)

    def floor(self, ranking: int) -> float:
        """Returns the score below which no row can be among the best any more."""
        return float(self._floors[ranking])

    def offer(self, first: int, rows: np.ndarray, scores: np.ndarray) -> None:
        """Takes what may be among the best of some rows.

        Args:
            first: The ranking of the first column.
            rows: int64 `[rows]`, each offered once.
            scores: float32 `[rows, columns]`; minus infinity where a row is out.
        """
        columns = scores.shape[1]
        # A floor that another thread raises meanwhile only lets in more than needed.
        passed = np.flatnonzero(np.ravel(scores >= self._floors[first : first + columns]))
        if not len(passed):
            return
        places, owners = np.divmod(passed, columns)
        order = np.argsort(owners, kind="stable")
        places, owners = places[order], owners[order]
        found, passed_rows = scores[places, owners], rows[places]
        own, firsts = np.unique(owners, return_index=True)
        with self._lock:
            for column, begin, end in zip(own, firsts, [*firsts[1:], len(owners)], strict=True):
                self._merge(first + int(column), passed_rows[begin:end], found[begin:end])

    def _merge(self, ranking: int, rows: np.ndarray, scores: np.ndarray) -> None:
        scores = np.concatenate([self._scores[ranking], scores])
        rows = np.concatenate([self._rows[ranking], rows])
        if len(scores) >= self._count:
            kept = _best(scores, rows, self._count)
            scores, rows = scores[kept], rows[kept]
            self._floors[ranking] = scores.min()
        self._scores[ranking], self._rows[ranking] = scores, rows

    def rows(self, ranking: int) -> np.ndarray:
        """Returns the rows of a ranking, best first, int64 `[<= count]`."""
        rows = self._rows[ranking]
        return rows[np.lexsort((rows, -self._scores[ranking]))]


def _best(scores: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Returns the positions of the `count` largest scores; of equal ones those of the lowest rows."""
    floor = np.partition(scores, len(scores) - count)[len(scores) - count]
    above = np.flatnonzero(scores > floor)
    tied = np.flatnonzero(scores == floor)
    return np.concatenate([above, tied[np.argsort(rows[tied])][: count - len(above)]])
