"""Search for what lies near a vector, or near a picture with words removed and words added."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from zoo.errors import ConfigError, DataError
from zoo.search.candidates import candidates
from zoo.search.edit import Edit
from zoo.search.measures import MEASURES, Scored, check_weight
from zoo.search.rescoring import rescored, rescored_plain
from zoo.search.store import VectorStore
from zoo.search.vectors import check_matrix, check_unit

# Rounding and, in approximate stores, missing neighbours reorder candidates; so many more are scored than returned.
_CANDIDATES_PER_HIT, _MORE_CANDIDATES = 4, 16


class Hit(NamedTuple):
    """One result.

    Attributes:
        id: Of the vector found.
        score: By the measure; larger is better.
        along: How far the vector lies from the query in the direction asked for; 0 where none was.
        off: How far it lies from the query in all other directions. along^2 + off^2 is the squared distance.
        keep: Its cosine with the query.
    """

    id: str
    score: float
    along: float
    off: float
    keep: float


class AnalogyIndex:
    """Answers queries from any store; whatever the store, scores are computed in float64 from the vectors themselves.

    Args:
        store: The vectors.
        mean_text: float `[dimensions]`, the mean vector of many texts; edits that only add or only remove need it.

    Example:
        >>> store = ExactStore(2)
        >>> store.add(["east", "north"], [[1, 0], [0, 1]])
        >>> index = AnalogyIndex(store)
        >>> index.search([0.8, -0.6], add=[[0, 1]], remove=[[1, 0]], measure="kiros", top=1)[0].id
        'north'
    """

    def __init__(self, store: VectorStore, *, mean_text: Any = None) -> None:
        self.store = store
        self.mean_text = None
        if mean_text is not None:
            self.mean_text = check_matrix(np.asarray(mean_text)[None], store.dimensions, "mean_text")[0]

    def edit(self, add: Sequence[Any] = (), remove: Sequence[Any] = ()) -> Edit:
        """Returns the edit that adds and removes text vectors, each float `[dimensions]` of length 1; see `Edit.of`."""
        return Edit.of(add, remove, self.store.dimensions, self.mean_text)

    def search(
        self,
        query: Any,
        add: Sequence[Any] = (),
        remove: Sequence[Any] = (),
        measure: str = "direction",
        weight: float | None = None,
        top: int = 10,
        exclude: Collection[str] = (),
    ) -> list[Hit]:
        """Finds what the query would be after an edit.

        The query itself and its duplicates are left out; of equal scores the lower id comes first.

        Args:
            query: float `[dimensions]`, of length 1.
            add: Text vectors, each float `[dimensions]` of length 1.
            remove: Likewise.
            measure: "kiros", "direction" or "anchored"; see `zoo.search.measures.rank`.
            weight: Of the measure; None for its default.
            top: The most hits to return.
            exclude: Ids to leave out, in the index or not.

        Raises:
            DataError: On an empty index, on vectors of another size or length, and as `Edit.of`.
            ConfigError: On an unknown measure, a weight where there is none, and top below 1.
        """
        edits = [self.edit(add, remove)]
        return self.search_many([query], edits, measure=measure, weight=weight, top=top, exclude=[exclude])[0]

    def search_many(
        self,
        queries: Any,
        edits: Sequence[Edit],
        *,
        measure: str = "direction",
        weight: float | None = None,
        top: int = 10,
        exclude: Sequence[Collection[str]] | None = None,
    ) -> list[list[Hit]]:
        """Answers several queries, each with an edit of its own, in one pass over an exact store.

        Args:
            queries: float `[n, dimensions]`, of length 1.
            edits: One for each query, from `edit`.
            measure: As in `search`.
            weight: As in `search`.
            top: As in `search`.
            exclude: For each query, ids to leave out.

        Returns:
            For each query, what `search` returns.
        """
        return self._ranked(queries, edits, {measure: weight}, top, exclude)[measure]

    def compare(
        self,
        query: Any,
        add: Sequence[Any] = (),
        remove: Sequence[Any] = (),
        *,
        weights: Mapping[str, float | None] | None = None,
        top: int = 10,
        exclude: Collection[str] = (),
    ) -> dict[str, list[Hit]]:
        """Returns the hits by several measures from the same products, by measure.

        Args:
            query: As in `search`.
            add: As in `search`.
            remove: As in `search`.
            weights: The measures to compare with their weights; by default all, each with its default.
            top: As in `search`.
            exclude: As in `search`.
        """
        wanted = dict.fromkeys(MEASURES) if weights is None else weights
        ranked = self._ranked([query], [self.edit(add, remove)], wanted, top, [exclude])
        return {measure: hits[0] for measure, hits in ranked.items()}

    def nearest(self, vector: Any, top: int = 10, exclude: Collection[str] = ()) -> list[Hit]:
        """Returns the vectors of the largest cosine with a picture's or a sentence's, an equal vector among them.

        Args:
            vector: float `[dimensions]`, of length 1.
            top: The most hits to return.
            exclude: Ids to leave out, in the index or not.

        Raises:
            DataError: On an empty index, and on a vector of another size or length.
            ConfigError: On top below 1.
        """
        count = self._count(top, [exclude])
        query = check_unit(np.asarray(vector)[None], self.store.dimensions, "query")
        ids = [name for name in self.store.nearest(query, count)[0] if name not in exclude]
        keep, off = rescored_plain(self.store.vectors(ids), query[0])
        hits = [Hit(name, cosine, 0.0, far, cosine) for name, cosine, far in zip(ids, keep, off, strict=True)]
        return _best(hits, top)

    def _ranked(
        self,
        queries: Any,
        edits: Sequence[Edit],
        weights: Mapping[str, float | None],
        top: int,
        exclude: Sequence[Collection[str]] | None,
    ) -> dict[str, list[list[Hit]]]:
        known = {measure: check_weight(measure, weight) for measure, weight in weights.items()}
        rows = check_unit(queries, self.store.dimensions, "query")
        excluded = [()] * len(rows) if exclude is None else exclude
        if not len(rows) == len(edits) == len(excluded):
            raise DataError(
                f"{len(rows)} queries, {len(edits)} edits, {len(excluded)} times ids to exclude",
                fix="give one edit for each query, and as many times ids if any",
            )
        count = self._count(top, excluded)
        if not len(rows) or not known:
            return {measure: [] for measure in known}
        found = candidates(self.store, rows, edits, known, count)
        ranked: dict[str, list[list[Hit]]] = {measure: [] for measure in known}
        # One request for all vectors: a store may be another machine.
        every = list(dict.fromkeys(chain.from_iterable(found)))
        place = {name: row for row, name in enumerate(every)}
        vectors = self.store.vectors(every)
        for query, edit, ids, left_out in zip(rows, edits, found, excluded, strict=True):
            names = [name for name in ids if name not in left_out]
            own = vectors[np.fromiter((place[name] for name in names), np.int64)]
            for measure, weight in known.items():
                scored = rescored(own, query, edit, measure, weight)
                ranked[measure].append(_best(_hits(names, scored), top))
        return ranked

    def _count(self, top: int, exclude: Sequence[Collection[str]]) -> int:
        if top < 1:
            raise ConfigError(f"top {top}", expected="at least 1", fix="ask for 1 hit or more")
        for ids in exclude:
            if isinstance(ids, str):
                raise ConfigError(
                    f"exclude {ids!r} is one text", expected="a list of ids", fix=f"exclude=[{ids!r}]"
                )
        if not len(self.store):
            raise DataError("the index is empty", fix="add vectors before searching")
        more = max(map(len, exclude), default=0)
        return min(_CANDIDATES_PER_HIT * top + _MORE_CANDIDATES + more, len(self.store))


def _hits(ids: Sequence[str], scored: Scored) -> list[Hit]:
    columns = [column.tolist() for column in scored]
    return [Hit(*row) for row in zip(ids, *columns, strict=True) if row[1] > -np.inf]


def _best(hits: list[Hit], top: int) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))[:top]
