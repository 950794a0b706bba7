"""Vectors in Milvus: embedded in this process as a file, or on a server or cluster, by the same code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from zoo.errors import DataError
from zoo.search.milvus_client import StoreError, connect, disconnect, is_file, pymilvus, quiet
from zoo.search.milvus_schema import (
    check_index,
    check_name,
    check_parameters,
    create,
    decoded,
    describe,
    encoded,
)
from zoo.search.store import VectorStore, check_known
from zoo.search.vectors import check_matrix, check_rows

MOST_RESULTS = 16_384
"""That Milvus answers to one query, and the most rows that it reads at once."""
DEFAULT_EF = 64
"""Of a search in an HNSW index."""
_BATCH_BYTES = 8 << 20  # of vectors in one message; a server takes 64 MiB by default
_BATCH_ROWS = 1_000
_BATCH_QUERIES = 64
_FLUSH_ROWS = 1_000


class MilvusStore(VectorStore):
    """Vectors in one collection of Milvus: text key, float32 vectors, inner product, strong consistency.

    Every write is seen by the next read. A write of many vectors goes in batches: where the server fails half-way,
    the batches before stay written, the error says how many, and adding all of them again replaces these. Ids are
    stored percent-encoded, because quotes and backslashes in a key break filter expressions. Use it as a context
    manager, or `close` it: the file of an embedded Milvus is locked until then.

    Args:
        uri: A file ending in `.db` (milvus-lite, made if it is not there), or `http://host:19530`.
        collection: Letters, digits and underscores; made if it is not there.
        dimensions: The numbers that each vector has; may be left out for a collection that is there.
        token: `user:password` or an API key.
        index: One of `INDEX_TYPES`, for a collection that is made; None is AUTOINDEX.
        build: Parameters for building it, e.g. `{"M": 16, "efConstruction": 200}`.
        search: Parameters for searching it, e.g. `{"ef": 128}`, at any time. `ef` is raised to the count asked for.
        timeout: Seconds after which an unanswered call is an error; connecting takes at most five.

    Raises:
        ConfigError: On a name, URI, index type or parameter that Milvus does not take.
        DataError: The collection has vectors of another size, another metric, fields or index.
        StoreError: Milvus cannot be reached, or the file is open in another process.
        MissingExtraError: pymilvus, or milvus-lite for a file, is not installed.
    """

    def __init__(
        self,
        uri: str,
        collection: str,
        dimensions: int | None = None,
        *,
        token: str = "",
        index: str | None = None,
        build: Mapping[str, int] | None = None,
        search: Mapping[str, int] | None = None,
        timeout: float = 20.0,
    ) -> None:
        check_name(collection)
        if index is not None:
            check_index(index)
            check_parameters("build", index, build or {})
        self.uri, self.collection = str(uri), collection
        self._timeout, self._unflushed = timeout, 0
        self._client: Any = connect(self.uri, token, min(timeout, 5.0))
        try:
            self._open(dimensions, index, build or {})
            self._search = dict(search or {})
            check_parameters("search", self._described.kind, self._search)
        except BaseException:
            self.close()
            raise

    def _open(self, dimensions: int | None, index: str | None, build: Mapping[str, int]) -> None:
        name, fix = self.collection, "choose another collection, or drop this one"
        with self._asking("opening the collection") as client:
            if not client.has_collection(name, timeout=self._timeout):
                if dimensions is None:
                    raise DataError(
                        f"collection {name} is not there", fix="give dimensions, and it will be made"
                    )
                create(client, name, dimensions, index or "AUTOINDEX", build, self._timeout)
            self._described = describe(client, name, self._timeout)
            client.load_collection(name, timeout=self._timeout)
        self.dimensions = self._described.dimensions
        if dimensions not in (None, self.dimensions):
            raise DataError(
                f"collection {name} has vectors of {self.dimensions} numbers",
                expected=f"{dimensions}",
                fix=fix,
            )
        if index not in (None, self._described.kind):
            raise DataError(
                f"collection {name} has the index {self._described.kind}", expected=f"{index}", fix=fix
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the last store on a file also stops its server. More calls do nothing."""
        if self._client is not None:
            disconnect(self._client, self.uri)
            self._client = None

    def __len__(self) -> int:
        with self._asking("counting") as client:
            rows = client.query(self.collection, filter="", output_fields=["count(*)"], **self._now())
        return int(rows[0]["count(*)"])

    def ids(self) -> Sequence[str]:
        """Returns all ids, in no particular order, read in parts."""
        found: list[str] = []
        with self._asking("reading ids") as client:
            rows = client.query_iterator(
                self.collection, batch_size=_BATCH_ROWS * 5, output_fields=["id"], **self._now()
            )
            while part := rows.next():
                found += [decoded(row["id"]) for row in part]
            rows.close()
        return found

    def add(self, ids: Sequence[str], vectors: Any) -> None:
        """Adds or replaces vectors in batches; see the class for what a failure leaves."""
        names, rows = check_rows(ids, vectors, self.dimensions)
        keys = [encoded(name) for name in names]
        step = self._batch_rows()
        for start in range(0, len(keys), step):
            part = zip(keys[start : start + step], rows[start : start + step], strict=True)
            data = [{"id": key, "vector": row} for key, row in part]
            with self._asking(f"adding, after {start} of {len(keys)} vectors,") as client:
                client.upsert(self.collection, data, timeout=self._timeout)
        self._wrote(len(keys))

    def remove(self, ids: Sequence[str]) -> None:
        """Removes vectors in batches, after all of them were found."""
        names = list(dict.fromkeys(ids))
        found = self._found(names, "id")
        check_known(
            (name for name in names if name not in found), len(self) if len(found) < len(names) else 0
        )
        for start in range(0, len(names), _BATCH_ROWS):
            keys = [encoded(name) for name in names[start : start + _BATCH_ROWS]]
            with self._asking(f"removing, after {start} of {len(names)} vectors,") as client:
                client.delete(self.collection, ids=keys, timeout=self._timeout)
        self._wrote(len(names))

    def vectors(self, ids: Sequence[str]) -> np.ndarray:
        """Returns float32 `[n, dimensions]`, in the order of `ids`."""
        found = self._found(list(dict.fromkeys(ids)), "vector")
        missing = [name for name in ids if name not in found]
        check_known(missing, len(self) if missing else 0)
        rows = np.empty((len(ids), self.dimensions), np.float32)
        for place, name in enumerate(ids):
            rows[place] = found[name]
        return rows

    def nearest(self, queries: np.ndarray, count: int) -> list[list[str]]:
        """Returns the ids of the largest inner products that the index of the collection finds.

        Raises:
            DataError: Also where more results are asked for and there than `MOST_RESULTS`.
        """
        matrix = check_matrix(queries, self.dimensions, "queries")
        if count > MOST_RESULTS:
            count = min(count, max(len(self), 1))
        if not 1 <= count <= MOST_RESULTS:
            raise DataError(
                f"count={count}", expected=f"1 to {MOST_RESULTS}, as Milvus has it", fix="ask for fewer"
            )
        found = self._searched(matrix, count, self._search)
        lists = self._described.lists
        short = [place for place, ids in enumerate(found) if lists and len(ids) < count]
        if short:
            # The lists that were read held fewer: all of them hold what there is.
            more = self._searched(matrix[short], count, {"nprobe": lists})
            for place, ids in zip(short, more, strict=True):
                found[place] = ids
        return found

    def _searched(self, queries: np.ndarray, count: int, given: Mapping[str, int]) -> list[list[str]]:
        parameters = dict(given)
        if self._described.kind == "HNSW":
            parameters["ef"] = max(parameters.get("ef", DEFAULT_EF), count)
        found: list[list[str]] = []
        for start in range(0, len(queries), _BATCH_QUERIES):
            with self._asking("searching") as client:
                answers = client.search(
                    self.collection,
                    data=list(queries[start : start + _BATCH_QUERIES]),
                    limit=count,
                    output_fields=["id"],
                    search_params={"metric_type": "IP", "params": parameters},
                    **self._now(),
                )
            found += [[decoded(hit["id"]) for hit in answer] for answer in answers]
        return found

    def _found(self, names: list[str], field: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        step = self._batch_rows()
        for start in range(0, len(names), step):
            keys = [encoded(name) for name in names[start : start + step]]
            with self._asking("reading vectors") as client:
                rows = client.get(self.collection, ids=keys, output_fields=["id", field], **self._now())
            found |= {decoded(row["id"]): row[field] for row in rows}
        return found

    def _batch_rows(self) -> int:
        return max(1, min(_BATCH_ROWS, _BATCH_BYTES // (4 * self.dimensions)))

    def _now(self) -> dict[str, Any]:
        return {"consistency_level": "Strong", "timeout": self._timeout}

    def _wrote(self, rows: int) -> None:
        self._unflushed += rows
        # An embedded Milvus searches what is not flushed row by row in Python. A server decides for itself.
        if is_file(self.uri) and self._unflushed >= _FLUSH_ROWS:
            with self._asking("flushing") as client:
                client.flush(self.collection)
            self._unflushed = 0

    @contextmanager
    def _asking(self, what: str) -> Iterator[Any]:
        if self._client is None:
            raise StoreError(f"the store on {self.uri} is closed", fix="open it again: MilvusStore(...)")
        try:
            with quiet():
                yield self._client
        except pymilvus().exceptions.MilvusException as error:
            raise StoreError(
                f"Milvus at {self.uri}, collection {self.collection}: {what} failed: {error.message}",
                fix="see that the server runs, then try again; adding twice is harmless",
            ) from error
