"""The best rows of an exact store by each measure, in one pass over its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo.search.edit import Edit
from zoo.search.exact import ExactStore
from zoo.search.half_spaces import half_space
from zoo.search.measures import rank
from zoo.search.scan import products_of_few
from zoo.search.top import Top

NEAR = 1e-3
"""Below this squared distance float32 products tell it to no better than a part in a thousand."""
FIRST, FIRST_PER_WANTED = 8192, 128
"""Rows whose best tell what the best of all must reach: so many at least, and so many for each row wanted."""
SAMPLE = 4096
"""Rows from everywhere, which tell how many reach it."""
WORTH = 1 / 16
"""The largest share of rows for which it is faster to look for them and at them alone."""


def best_of_all_rows(
    store: ExactStore, queries: np.ndarray, edits: Sequence[Edit], weights: Mapping[str, float], count: int
) -> list[list[str]]:
    """Returns what `zoo.search.candidates.candidates` returns: here none of the best `count` is left out."""
    best = _Best(store, queries, edits, weights, count)
    first, seen = max(FIRST, FIRST_PER_WANTED * count), 0
    # With half-spaces every row is multiplied once for each measure, without them twice for each query.
    if len(queries) == 1 and len(weights) <= 2 and len(store) > 4 * first:
        store.scan(best.vectors, best.see, stop=first)
        seen = len(store) if best.see_promising(first) else first
    store.scan(best.vectors, best.see, seen)
    return best.ids()


class _Best:
    """Scores rows and keeps the best.

    Attributes:
        vectors: What rows are multiplied with for it, float32 `[2 · queries, dimensions]`: the queries, then the edits.
    """

    def __init__(
        self,
        store: ExactStore,
        queries: np.ndarray,
        edits: Sequence[Edit],
        weights: Mapping[str, float],
        count: int,
    ) -> None:
        directions = np.stack([edit.direction for edit in edits])
        lengths = np.linalg.norm(directions, axis=1)
        self._store, self._queries, self._edits, self._weights = store, queries, edits, weights
        self._starts = np.einsum("nd,nd->n", queries, directions).astype(np.float32)
        self._units = directions / lengths[:, None]
        self._lengths = lengths.astype(np.float32)
        self._top = Top(len(weights) * len(queries), count)
        self.vectors = np.concatenate([queries, directions.astype(np.float32)])

    def see(self, start: int, products: np.ndarray) -> None:
        """Scores the rows from `start` on."""
        self._score(start + np.arange(len(products)), products)

    def see_promising(self, start: int) -> bool:
        """Scores the rows from `start` on that can be among the best of the one query; none if they are too many."""
        if not self._top.full:
            return False
        matrix = self._store.matrix
        halves = [
            half_space(measure, weight, self._top.floor(place), self._queries[0], self._edits[0])
            for place, (measure, weight) in enumerate(self._weights.items())
        ]
        normals = np.stack([half.normal for half in halves])
        least = np.array([half.least for half in halves], np.float32)

        def promising(products: np.ndarray) -> np.ndarray:
            reached = np.flatnonzero(np.ravel(products >= least))
            return np.unique(reached // len(least))

        def see_some(first: int, products: np.ndarray) -> None:
            rows = first + promising(products)
            if len(rows):
                self._score(rows, products_of_few(matrix[rows], self.vectors))

        # Not one product, which the threads of BLAS would share: they go on spinning, and take a core from the scan.
        sample = np.ascontiguousarray(matrix[:: max(len(matrix) // SAMPLE, 1)])
        if len(promising(products_of_few(sample, normals))) > WORTH * len(sample):
            return False
        self._store.scan(normals, see_some, start)
        return True

    def _score(self, rows: np.ndarray, products: np.ndarray) -> None:
        """Takes rows and their products with `vectors`, float32 `[rows, 2 · queries]`."""
        count = len(self._queries)
        keep, shift = products[:, :count], products[:, count:]
        squared = np.maximum(2.0 - 2.0 * keep, 0.0)
        along = (shift - self._starts) / self._lengths
        near = np.flatnonzero(np.ravel(squared < NEAR))
        if len(near):
            places, owners = np.divmod(near, count)
            step = self._store.matrix[rows[places]].astype(np.float64) - self._queries[owners]
            squared[places, owners] = np.einsum("nd,nd->n", step, step)
            along[places, owners] = np.einsum("nd,nd->n", step, self._units[owners])
        for place, (measure, weight) in enumerate(self._weights.items()):
            scores = rank(measure, keep, shift, squared, along, weight, np)
            self._top.offer(place * count, rows, scores)

    def ids(self) -> list[list[str]]:
        """Returns, for each query, the ids of the best rows by any measure."""
        count, measures = len(self._queries), range(len(self._weights))
        found = [[self._top.rows(place * count + query) for place in measures] for query in range(count)]
        return [self._store.named(np.unique(np.concatenate(rows))) for rows in found]
