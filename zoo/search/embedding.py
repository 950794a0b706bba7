"""Vectors of many pictures, kept in shards while they are made: who is interrupted goes on from the last one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zoo.data.feature_shards import read_shards, write_shard
from zoo.preprocessing.reading import BadImage, refuse_bad_image
from zoo.search.embedder import Embedder
from zoo.search.progress import Progress

_log = logging.getLogger(__name__)

_ROWS_PER_SHARD = 256


@dataclass(frozen=True)
class Embedded:
    """Vectors of contents.

    Attributes:
        rows: SHA-256 of each content -> its row.
        array: float32 `[contents, dimensions]`.
        bad: SHA-256 of the contents that are no pictures -> what is wrong.
    """

    rows: dict[str, int]
    array: np.ndarray = field(repr=False)
    bad: dict[str, BadImage]


def embed_contents(
    embedder: Embedder, todo: Mapping[str, Path], shards: Path, skip_bad: bool, progress: Progress
) -> Embedded:
    """Returns the vectors of picture files, computing only those that no shard has.

    Args:
        embedder: Makes them.
        todo: SHA-256 of the content -> a file with it.
        shards: A folder for this embedder alone.
        skip_bad: Go on after a file that is no picture.
        progress: Told of "embedding".

    Raises:
        DataError: A file is no picture, and `skip_bad` is false; what was computed before is kept.
    """
    array = np.empty((len(todo), embedder.dimensions), np.float32)
    rows = {digest: row for row, digest in enumerate(todo)}
    missing = set(todo)
    for digests, vectors in read_shards(shards, embedder.dimensions):
        names = [digest.hex() for digest in digests]
        hits = [place for place, name in enumerate(names) if name in missing]
        array[[rows[names[place]] for place in hits]] = vectors[hits]
        missing.difference_update(names)
    if len(missing) < len(todo):
        _log.info(
            "%d of %d pictures were embedded before an interruption.", len(todo) - len(missing), len(todo)
        )
    left = {digest: path for digest, path in todo.items() if digest in missing}
    bad: dict[str, BadImage] = {}
    fresh: list[str] = []

    def store() -> None:
        if fresh:
            write_shard(
                shards, [bytes.fromhex(name) for name in fresh], array[[rows[name] for name in fresh]]
            )
            fresh.clear()

    try:
        for done, (digest, vector) in enumerate(
            zip(left, embedder.stream(list(left.values())), strict=True), 1
        ):
            if isinstance(vector, BadImage):
                refuse_bad_image(vector, skip_bad)
                bad[digest] = vector
                del rows[digest]
            else:
                array[rows[digest]] = vector
                fresh.append(digest)
            if len(fresh) >= _ROWS_PER_SHARD:
                store()
            progress("embedding", done, len(left))
    finally:
        store()
    return Embedded(rows, array, bad)
