"""Which vectors may be among the best of an edited query; the index scores them again, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo.search.edit import Edit
from zoo.search.exact import ExactStore
from zoo.search.measures import rank
from zoo.search.store import VectorStore
from zoo.search.top import Top

NEAR = 1e-3
"""Below this squared distance float32 products tell it to no better than a part in a thousand."""
FAMILY = (0.2, 0.8)
"""The weights of q beside d / |d| in the queries that stand for "direction" and "anchored" in an approximate store.

Measured on 50,000 vectors, the ten best of both measures among the candidates: things with properties (those of
`ci/bench/search.py`) 0.99 and 1.00, random directions in 32 and 512 dimensions 1.00; with d alone 0.19 and 0.07 on the
first, with one weight at best 0.90 on the worst of these, with four no more than with these two.
"""


def candidates(
    store: VectorStore,
    queries: np.ndarray,
    edits: Sequence[Edit],
    weights: Mapping[str, float],
    count: int,
) -> list[list[str]]:
    """Returns, for each query, ids among which are the best by each measure.

    Args:
        store: Any store; an exact one leaves out none of the best `count` of each measure.
        queries: float32 `[n, dimensions]`, of length 1.
        edits: One for each query.
        weights: The measures that are wanted, with their weights.
        count: How many ids for each measure.
    """
    if isinstance(store, ExactStore):
        return _of_all_rows(store, queries, edits, weights, count)
    return _of_nearest(store, queries, edits, weights, count)


def _of_all_rows(
    store: ExactStore, queries: np.ndarray, edits: Sequence[Edit], weights: Mapping[str, float], count: int
) -> list[list[str]]:
    directions = np.stack([edit.direction for edit in edits])
    starts = np.einsum("nd,nd->n", queries, directions).astype(np.float32)
    lengths = np.linalg.norm(directions, axis=1)
    units = directions / lengths[:, None]
    lengths = lengths.astype(np.float32)
    top = Top(len(weights) * len(queries), count)
    matrix = store.matrix

    def visit(start: int, products: np.ndarray) -> None:
        keep, shift = products[:, : len(queries)], products[:, len(queries) :]
        squared = np.maximum(2.0 - 2.0 * keep, 0.0)
        along = (shift - starts) / lengths
        near = np.flatnonzero(np.ravel(squared < NEAR))
        if len(near):
            rows, owners = np.divmod(near, len(queries))
            step = matrix[start + rows].astype(np.float64) - queries[owners]
            squared[rows, owners] = np.einsum("nd,nd->n", step, step)
            along[rows, owners] = np.einsum("nd,nd->n", step, units[owners])
        for place, (measure, weight) in enumerate(weights.items()):
            scores = rank(measure, keep, shift, squared, along, weight, np)
            top.offer(place * len(queries), start, scores)

    store.scan(np.concatenate([queries, directions.astype(np.float32)]), visit)
    found = []
    for query in range(len(queries)):
        rows = [top.rows(place * len(queries) + query) for place in range(len(weights))]
        found.append(store.named(np.unique(np.concatenate(rows))))
    return found


def _of_nearest(
    store: VectorStore, queries: np.ndarray, edits: Sequence[Edit], weights: Mapping[str, float], count: int
) -> list[list[str]]:
    """Asks a store that knows only inner products.

    kiros is one: X (q + weight d). direction is not, but with r = |X - q| the rows with cos(X - q, d) >= c are those
    where X d / |d| >= q d / |d| + c r. Since r is a concave function of X q, they are the union, over all r, of the
    rows above a tangent, where X (d / |d| + (c / r) q) is large: of a family of inner products. Those of `FAMILY`
    stand for all c / r that the best rows have: 0.1 for random vectors, 0.7 for clustered ones. "anchored" adds a
    term in X q, which moves the tangents only.
    """
    asked, owners = [], []
    for owner, (query, edit) in enumerate(zip(queries, edits, strict=True)):
        family = [query + weights["kiros"] * edit.direction] if "kiros" in weights else []
        if weights.keys() - {"kiros"}:
            family += [edit.direction / edit.length + weight * query for weight in FAMILY]
        asked += [vector / np.linalg.norm(vector) for vector in family]
        owners += [owner] * len(family)
    found: list[dict[str, None]] = [{} for _ in edits]
    for owner, ids in zip(owners, store.nearest(np.stack(asked).astype(np.float32), count), strict=True):
        found[owner].update(dict.fromkeys(ids))
    return [list(ids) for ids in found]
