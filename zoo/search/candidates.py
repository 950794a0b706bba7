"""Which vectors may be among the best of an edited query; the index scores them again, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo.search.all_rows import best_of_all_rows
from zoo.search.edit import Edit
from zoo.search.exact import ExactStore
from zoo.search.store import VectorStore

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
        return best_of_all_rows(store, queries, edits, weights, count)
    return _of_nearest(store, queries, edits, weights, count)


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
