"""The exact store: one matrix in memory, or in a file that the system maps into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.errors import DataError
from zoo.search.scan import Visit, scan
from zoo.search.store import VectorStore, check_known
from zoo.search.top import Top
from zoo.search.vectors import ROUNDING, check_lengths, check_matrix, check_rows, vector_lengths

_CHECKED_AT_ONCE = 8192


class ExactStore(VectorStore):
    """Vectors in the rows of one matrix, all of which are looked at in each search.

    It takes the memory of its vectors and of its ids. Searches may run side by side; a change may not run beside
    anything else.

    Args:
        dimensions: The numbers that each vector has.
    """

    exact = True

    def __init__(self, dimensions: int) -> None:
        if dimensions < 1:
            raise DataError(f"vectors of {dimensions} numbers", fix="give at least 1 dimension")
        self.dimensions = dimensions
        self._ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._matrix = np.empty((0, dimensions), np.float32)

    @classmethod
    def of(cls, ids: Sequence[str], matrix: np.ndarray) -> ExactStore:
        """Returns a store on a matrix that is there already, without a copy of it.

        The first change of a read-only one copies it into memory. The matrix belongs to the store from now on.

        Args:
            ids: One for each row, different from each other.
            matrix: float32 `[n, d]`, C-contiguous, e.g. a read-only `numpy.memmap`; its rows have length 1 as exactly
                as float32 tells it, as those have that `add` puts into a store.

        Raises:
            DataError: On any other matrix, and on ids that do not fit it.
        """
        if matrix.ndim != 2 or matrix.dtype != np.float32 or not matrix.flags.c_contiguous:
            raise DataError(
                f"a matrix of shape {list(matrix.shape)} of {matrix.dtype}",
                expected="float32 [n, d], C-contiguous",
                fix="numpy.ascontiguousarray(matrix, 'float32')",
            )
        store = cls(matrix.shape[1])
        store._ids = list(ids)
        store._rows = {name: row for row, name in enumerate(store._ids)}
        if len(store._rows) != len(matrix) or len(store._ids) != len(matrix):
            raise DataError(
                f"{len(store._ids)} ids, {len(store._rows)} of them different, for {len(matrix)} rows",
                fix="give each row an id of its own",
            )
        for start in range(0, len(matrix), _CHECKED_AT_ONCE):
            lengths = vector_lengths(matrix[start : start + _CHECKED_AT_ONCE])
            check_lengths(lengths, 10 * ROUNDING, f"vectors from row {start}")
        store._matrix = matrix
        return store

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self) -> Sequence[str]:
        """Returns all ids, in the order of the rows."""
        return tuple(self._ids)

    @property
    def matrix(self) -> np.ndarray:
        """The vectors, float32 `[n, dimensions]` in the order of `ids`: a view, to be read only."""
        view = self._matrix[: len(self)]
        view.flags.writeable = False
        return view

    def add(self, ids: Sequence[str], vectors: Any) -> None:
        """Adds vectors or replaces them; see `VectorStore.add`."""
        names, matrix = check_rows(ids, vectors, self.dimensions)
        new = [name for name in names if name not in self._rows]
        self._make_room(len(self) + len(new))
        for name in new:
            self._rows[name] = len(self._ids)
            self._ids.append(name)
        self._matrix[[self._rows[name] for name in names]] = matrix

    def _make_room(self, rows: int) -> None:
        if rows <= len(self._matrix) and self._matrix.flags.writeable:
            return
        # Pages that no row has been written to take no memory, so that the spare half costs nothing.
        spare = rows if not len(self) else max(rows, 2 * len(self._matrix))
        matrix = np.empty((spare, self.dimensions), np.float32)
        matrix[: len(self)] = self._matrix[: len(self)]
        self._matrix = matrix

    def remove(self, ids: Sequence[str]) -> None:
        """Removes vectors; the last rows move into their places."""
        names = set(ids)
        check_known((name for name in ids if name not in self._rows), len(self))
        self._make_room(len(self))
        for name in names:
            row, last = self._rows.pop(name), self._ids.pop()
            if last != name:
                self._matrix[row] = self._matrix[len(self._ids)]
                self._ids[row], self._rows[last] = last, row

    def vectors(self, ids: Sequence[str]) -> np.ndarray:
        """Returns float32 `[n, dimensions]`, in the order of `ids`."""
        check_known((name for name in ids if name not in self._rows), len(self))
        return self._matrix[np.fromiter((self._rows[name] for name in ids), np.int64)]

    def scan(self, queries: np.ndarray, visit: Visit, start: int = 0, stop: int | None = None) -> None:
        """Shows the products of rows and queries block by block, in one pass; see `zoo.search.scan.scan`.

        Args:
            queries: float32 `[q, dimensions]`.
            visit: As there; the rows are those of the store.
            start: The first row.
            stop: The row after the last; None for all.
        """
        rows = self._matrix[: len(self)][start:stop]
        scan(rows, queries, lambda first, products: visit(start + first, products))

    def products(self, queries: np.ndarray) -> np.ndarray:
        """Returns the inner products of all rows with all queries, float32 `[q, n]`, in one pass over the memory."""
        queries = check_matrix(queries, self.dimensions, "queries")
        products = np.empty((len(queries), len(self)), np.float32)

        def keep(start: int, block: np.ndarray) -> None:
            products[:, start : start + len(block)] = block.T

        self.scan(queries, keep)
        return products

    def nearest(self, queries: np.ndarray, count: int) -> list[list[str]]:
        """Returns the ids of the largest inner products, best first; of equal ones the lower row first."""
        queries = check_matrix(queries, self.dimensions, "queries")
        top = Top(len(queries), count)
        self.scan(queries, lambda start, products: top.offer(0, start + np.arange(len(products)), products))
        return [self.named(top.rows(query)) for query in range(len(queries))]

    def named(self, rows: np.ndarray) -> list[str]:
        """Returns the ids of rows."""
        return [self._ids[row] for row in rows]
