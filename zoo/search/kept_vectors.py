"""Where an index folder keeps its vectors: in a matrix, in a file of FAISS, or in a collection of Milvus."""

from __future__ import annotations

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ConfigError, nearest
from zoo.files import write_json
from zoo.search.exact import ExactStore
from zoo.search.progress import Progress
from zoo.search.store import VectorStore
from zoo.search.vectors import check_unit

JOURNAL = "changing.json"
"""In an index folder: which ids of a collection are being changed; gone when that has ended."""
KINDS = ("exact", "faiss", "milvus")
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True)
class Change:
    """What is to become of an index.

    Attributes:
        ids: All that it is to have, in order.
        new: Those of them whose vectors are not there yet, or are others now.
        vectors: Of `new`, float32 `[n, dimensions]`.
    """

    ids: Sequence[str]
    new: Sequence[str]
    vectors: np.ndarray = field(repr=False)


class KeptVectors(ABC):
    """One way to keep vectors, for all generations of an index.

    Attributes:
        facts: What index.json tells of it.
    """

    facts: Mapping[str, str]

    @abstractmethod
    def open(self, generation: Path, ids: Sequence[str]) -> VectorStore:
        """Opens the vectors of a generation; the caller closes what can be closed."""

    def valid(self, known: Mapping[str, str], store: VectorStore) -> dict[str, str]:
        """Returns the part of an id -> content table whose vectors a store is sure to have."""
        del store
        return dict(known)

    @abstractmethod
    def write(self, generation: Path, old: VectorStore | None, change: Change, progress: Progress) -> None:
        """Keeps the vectors of the next generation, whose folder is there and empty.

        Args:
            generation: Its folder.
            old: The vectors of the present one.
            change: From that to the next.
            progress: Told of what takes time.
        """


class ExactVectors(KeptVectors):
    """A matrix in vectors.npy, which the system maps into memory."""

    facts = {"kind": "exact"}

    def open(self, generation: Path, ids: Sequence[str]) -> ExactStore:
        """See `KeptVectors.open`."""
        return ExactStore.of(ids, np.load(generation / "vectors.npy", mmap_mode="r"))

    def write(self, generation: Path, old: VectorStore | None, change: Change, progress: Progress) -> None:
        """See `KeptVectors.write`."""
        new = {name: row for row, name in enumerate(change.new)}
        shape = (len(change.ids), change.vectors.shape[1])
        matrix = np.lib.format.open_memmap(generation / "vectors.npy", "w+", np.float32, shape)
        for start in range(0, len(matrix), _ROWS_AT_ONCE):
            names = change.ids[start : start + _ROWS_AT_ONCE]
            block = np.empty((len(names), shape[1]), np.float32)
            fresh = np.array([name in new for name in names])
            block[fresh] = change.vectors[[new[name] for name in names if name in new]]
            if old is not None and not fresh.all():
                block[~fresh] = old.vectors([name for name in names if name not in new])
            matrix[start : start + len(names)] = check_unit(block, shape[1])
            progress("writing", start + len(names), len(matrix))
        matrix.flush()


class FaissVectors(KeptVectors):
    """A file of `zoo.search.faiss_store.FaissStore`, which holds the vectors themselves."""

    facts = {"kind": "faiss"}

    def open(self, generation: Path, ids: Sequence[str]) -> VectorStore:
        """See `KeptVectors.open`."""
        from zoo.search.faiss_store import FaissStore

        return FaissStore.load(generation / "vectors.faiss")

    def write(self, generation: Path, old: VectorStore | None, change: Change, progress: Progress) -> None:
        """See `KeptVectors.write`: only the lists of what changes are touched."""
        from zoo.search.faiss_store import FaissStore

        if old is None:
            store = FaissStore(change.vectors.shape[1], progress=progress)
        else:
            assert isinstance(old, FaissStore)
            store = old
            store.remove(sorted(set(store.ids()) - set(change.ids)))
        store.add(change.new, change.vectors)
        store.save(generation / "vectors.faiss")


class MilvusVectors(KeptVectors):
    """A collection of Milvus, changed in place: a reader sees each picture's old or new vector meanwhile.

    Which ids are being changed is written down first: after an interruption their vectors are taken from the
    pictures again.

    Args:
        uri: Of a server; None is a file in the index folder.
        collection: Its name; None for a new index.
        root: The index folder.
        token: `user:password` or an API key; it is not written down.
    """

    def __init__(self, uri: str | None, collection: str | None, root: Path, token: str) -> None:
        self._journal = root / JOURNAL
        if collection is None:
            # An interrupted first build goes on in the collection that it has begun.
            collection = self._begun(uri) or f"mizoo_{uuid.uuid4().hex[:16]}"
        self.facts = {"kind": "milvus", "collection": collection, **({"uri": uri} if uri else {})}
        self._uri, self._collection, self._token = uri or str(root / "vectors.db"), collection, token

    def open(self, generation: Path, ids: Sequence[str]) -> VectorStore:
        """See `KeptVectors.open`."""
        return self._store(None)

    def _store(self, dimensions: int | None) -> Any:
        from zoo.search.milvus_store import MilvusStore

        return MilvusStore(self._uri, self._collection, dimensions, token=self._token)

    def _begun(self, uri: str | None) -> str | None:
        begun = self._read_journal()
        return begun["collection"] if begun and begun["uri"] == uri else None

    def _read_journal(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._journal.read_text()) if self._journal.exists() else {}
        return content

    def valid(self, known: Mapping[str, str], store: VectorStore) -> dict[str, str]:
        """See `KeptVectors.valid`: somebody else may have changed the collection."""
        sure = set(store.ids()).difference(self._read_journal().get("ids", ()))
        return {name: digest for name, digest in known.items() if name in sure}

    def write(self, generation: Path, old: VectorStore | None, change: Change, progress: Progress) -> None:
        """See `KeptVectors.write`: in the collection; the generation's folder holds no vectors."""
        before = self._read_journal().get("ids", [])
        changing = sorted({*change.new, *before})
        write_json(
            self._journal,
            {"uri": self.facts.get("uri"), "collection": self._collection, "ids": changing},
        )
        store = old if old is not None else self._store(change.vectors.shape[1])
        try:
            for start in range(0, len(change.new), _ROWS_AT_ONCE):
                rows = slice(start, start + _ROWS_AT_ONCE)
                store.add(change.new[rows], change.vectors[rows])
                progress("adding", min(rows.stop, len(change.new)), len(change.new))
            store.remove(sorted(set(store.ids()) - set(change.ids)))
        finally:
            if old is None:
                close(store)


def kept_vectors(facts: Mapping[str, str], root: Path, token: str = "") -> KeptVectors:
    """Returns where an index keeps its vectors.

    Args:
        facts: As index.json has them, or `{"kind": ...}` (and "uri") for a new index.
        root: The index folder.
        token: For Milvus.

    Raises:
        ConfigError: An unknown kind, or a URI for another one than Milvus.
    """
    kind = facts["kind"]
    if kind not in KINDS:
        raise ConfigError(
            f"There is no store '{kind}'.{nearest(kind, KINDS)}",
            expected=", ".join(KINDS),
            fix="name one of them",
        )
    if kind == "milvus":
        return MilvusVectors(facts.get("uri"), facts.get("collection"), root, token)
    if "uri" in facts:
        raise ConfigError(
            f"A Milvus URI was given for the store '{kind}'.", fix="leave it out, or take the store 'milvus'"
        )
    return ExactVectors() if kind == "exact" else FaissVectors()


def close(store: VectorStore) -> None:
    """Ends the connection of a store that has one."""
    if hasattr(store, "close"):
        store.close()
