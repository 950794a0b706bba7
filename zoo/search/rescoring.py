"""The measures of a few vectors in float64, from the vectors themselves.

2 - 2 X q in float32 has an error of about 2e-7: all its digits are wrong for vectors that are a thousandth apart, and
so are direction and distance from there. The difference X - q keeps them.
"""

from __future__ import annotations

import numpy as np

from zoo.search.edit import Edit
from zoo.search.measures import Scored, rank


def rescored(vectors: np.ndarray, query: np.ndarray, edit: Edit, measure: str, weight: float) -> Scored:
    """Returns what `zoo.search.measures.score` returns, each float64 `[n]`.

    Args:
        vectors: float32 `[n, dimensions]`, of length 1.
        query: float32 `[dimensions]`, of length 1.
        edit: What is to change.
        measure: One of `zoo.search.measures.MEASURES`.
        weight: Its weight.
    """
    query, step, squared = _steps(vectors, query)
    along = np.einsum("nd,d->n", step, edit.direction) / edit.length
    keep = 1.0 - squared / 2.0
    shift = along * edit.length + query @ edit.direction
    off = np.sqrt(np.maximum(squared - along**2, 0.0))
    return Scored(rank(measure, keep, shift, squared, along, weight, np), along, off, keep)


def rescored_plain(vectors: np.ndarray, query: np.ndarray) -> tuple[list[float], list[float]]:
    """Returns the cosines of vectors with a query, and their distances from it.

    Args:
        vectors: float32 `[n, dimensions]`, of length 1.
        query: float32 `[dimensions]`, of length 1.
    """
    _, _, squared = _steps(vectors, query)
    return (1.0 - squared / 2.0).tolist(), np.sqrt(squared).tolist()


def _steps(vectors: np.ndarray, query: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    query, step = _unit(query), _unit(vectors)
    step -= query
    return query, step, np.einsum("nd,nd->n", step, step)


def _unit(vectors: np.ndarray) -> np.ndarray:
    doubles = vectors.astype(np.float64)
    return doubles / np.linalg.norm(doubles, axis=-1, keepdims=True)
