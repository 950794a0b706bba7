"""What an index needs of whatever keeps its vectors: one machine's memory, FAISS, or Milvus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from zoo.errors import DataError


class VectorStore(ABC):
    """Vectors of length 1, each under an id.

    Attributes:
        dimensions: The numbers that each vector has.
        exact: Whether `nearest` leaves out no better vector. Of the stores here only `ExactStore` promises it; all
            others propose candidates, which the index scores again from their vectors.
    """

    dimensions: int
    exact: bool = False

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of vectors."""

    @abstractmethod
    def ids(self) -> Sequence[str]:
        """Returns all ids, in the order of the store."""

    @abstractmethod
    def add(self, ids: Sequence[str], vectors: Any) -> None:
        """Adds vectors; an id that is there already gets the new vector. All or none of them are added.

        Args:
            ids: One for each vector, different from each other.
            vectors: float `[n, dimensions]`, each of length 1 (`zoo.search.vectors.check_rows`).

        Raises:
            DataError: As `zoo.search.vectors.check_rows`.
        """

    @abstractmethod
    def remove(self, ids: Sequence[str]) -> None:
        """Removes vectors; all or none of them.

        Raises:
            DataError: On an id that is not there (`check_known`).
        """

    @abstractmethod
    def vectors(self, ids: Sequence[str]) -> np.ndarray:
        """Returns float32 `[n, dimensions]`, in the order of `ids`.

        Raises:
            DataError: On an id that is not there (`check_known`).
        """

    @abstractmethod
    def nearest(self, queries: np.ndarray, count: int) -> list[list[str]]:
        """Returns the ids of the largest inner products, best first; fewer where the store has fewer.

        Args:
            queries: float `[q, dimensions]`, of any length (`zoo.search.vectors.check_matrix`).
            count: How many ids for each query, at least 1.
        """


def check_known(missing: Iterable[str], size: int) -> None:
    """Raises an error that names ids which a store does not have; does nothing where there are none.

    Args:
        missing: Those ids.
        size: The number of vectors in the store.

    Raises:
        DataError: Naming at most five of them.
    """
    names = list(missing)
    if names:
        shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        raise DataError(f"not in the index of {size} vectors: {shown}", fix="see its ids() for what it has")
