"""The chain of a store's indexes: each names the SHA-256 of the one before it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from export.store.change import history_path
from export.store.index import MAX_INDEX_BYTES, Index
from export.store.source import Source, SourceError
from zoo.errors import StoreError


@dataclass(frozen=True)
class Former:
    """A former state of a store."""

    sha256: str
    raw: bytes
    index: Index


def former_states(source: Source, index: Index) -> Iterator[Former]:
    """Yields all states before an index, the newest first, each as the one after it says.

    Raises:
        StoreError: One is missing, is not what its successor names, or has an entry that was changed later.
    """
    while index.previous is not None:
        path = history_path(index.previous)
        try:
            raw = source.read(path, MAX_INDEX_BYTES)
        except SourceError as error:
            raise _broken(source, f"{path} is missing: {error.reason}") from error
        if hashlib.sha256(raw).hexdigest() != index.previous:
            raise _broken(source, f"{path} has other content than its name says")
        former = Index.from_bytes(raw, f"{source.url}/{path}")
        if former.sequence != index.sequence - 1:
            raise _broken(source, f"{path} is state {former.sequence}, and state {index.sequence} follows it")
        for entry in former:
            if index.models.get(entry.name, {}).get(entry.version, entry) != entry:
                raise _broken(source, f"{entry.handle} was changed after it was published")
        yield Former(index.previous, raw, former)
        index = former


def _broken(source: Source, why: str) -> StoreError:
    return StoreError(
        f"The history of {source.url} is broken: {why}.",
        expected="every former index, back to the first",
        fix="mirror the store again from one that is whole",
    )
