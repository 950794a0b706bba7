"""An index on disk, as its readers see it.

    index.json            which model, which pictures, which store, and which generation is the present one
    probe.npz             what the model answered to a few pictures and words, to recognise it behind a server
    mean_text.npy         the mean vector of many words
    <generation>/         pictures.json (ids and SHA-256 of their contents), and vectors.npy or vectors.faiss
    vectors.db            of an embedded Milvus

A build writes the next generation beside the present one and then replaces index.json. A reader sees the one or the
other, and who has opened the old one keeps it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np

from zoo.checks import existing
from zoo.errors import DataError
from zoo.files import write_json
from zoo.search.embedder import Embedder
from zoo.search.index import AnalogyIndex
from zoo.search.kept_vectors import close, kept_vectors
from zoo.search.pictures import content_digest
from zoo.search.probe import FARTHEST, Probe
from zoo.search.store import VectorStore

SCHEMA = 1
_ATTEMPTS = 5


@dataclass(frozen=True)
class Record:
    """The content of index.json.

    Attributes:
        model: Catalogue name, e.g. "vse_bow".
        run: What messages call it.
        path: Of the run folder or file.
        sha256: Of its weights, vocabulary and preprocessing.
        dimensions: The numbers that each vector has.
        images: The folder of the pictures.
        pictures: How many there are.
        store: Kind, and for Milvus where.
        generation: Name of the present generation's folder.
        schema: Of this file.
    """

    model: str
    run: str
    path: str
    sha256: str
    dimensions: int
    images: str
    pictures: int
    store: Mapping[str, str]
    generation: str
    schema: int = SCHEMA

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Reads index.json.

        Raises:
            DataError: There is none, or it is of another version.
        """
        file = existing(folder, "The index") / "index.json"
        build = f"mizoo index build --model RUN --images DIR --to {folder}"
        if not file.is_file():
            begun = (folder / "unfinished").is_dir()
            what = "its build was interrupted" if begun else "it has no index.json"
            raise DataError(
                f"{folder} is no index: {what}.",
                expected="a folder that `mizoo index build` made",
                fix=f"build it again, which goes on where it was: {build}" if begun else build,
            )
        content = json.loads(file.read_text())
        if content.get("schema") != SCHEMA:
            raise DataError(
                f"{folder} was written with schema {content.get('schema')}.",
                expected=f"schema {SCHEMA}",
                fix=f"build it again in a new folder: {build}-2",
            )
        return cls(**content)

    def write(self, folder: Path) -> None:
        """Replaces index.json."""
        write_json(folder / "index.json", asdict(self))


class IndexFolder:
    """An index that is open for searching; `close` it, or use it as a context manager.

    Attributes:
        folder: Where it is.
        record: Its facts.
        index: Answers queries that are vectors.
        contents: Id -> SHA-256 of the picture file.

    Example:
        >>> with IndexFolder.open("pets") as opened:
        ...     opened.index.nearest(vector, top=3)
    """

    def __init__(
        self,
        folder: Path,
        record: Record,
        store: VectorStore,
        contents: Mapping[str, str],
        mean_text: np.ndarray,
    ) -> None:
        self.folder, self.record, self.contents = folder, record, contents
        self.index = AnalogyIndex(store, mean_text=mean_text)
        self._copies: dict[str, list[str]] = defaultdict(list)
        for name, digest in contents.items():
            self._copies[digest].append(name)

    @classmethod
    def open(cls, folder: str | Path, *, milvus_token: str = "") -> Self:
        """Opens an index.

        Args:
            folder: That `mizoo index build` made.
            milvus_token: For a Milvus server that asks for one.

        Raises:
            DataError: It is none, or is damaged.
            StoreError: Its Milvus cannot be reached.
        """
        folder = Path(folder)
        for attempt in range(_ATTEMPTS):
            record = Record.read(folder)
            try:
                return cls._open(folder, record, milvus_token)
            except (OSError, DataError) as error:
                # A build may have replaced this generation since index.json was read.
                last = attempt == _ATTEMPTS - 1
                if not last and Record.read(folder).generation != record.generation:
                    continue
                if isinstance(error, DataError):
                    raise
                raise DataError(
                    f"The index {folder} is damaged: {error}.", fix="remove the folder and build it again"
                ) from error
        raise AssertionError("unreachable")

    @classmethod
    def _open(cls, folder: Path, record: Record, token: str) -> Self:
        generation = folder / record.generation
        contents: dict[str, str] = json.loads((generation / "pictures.json").read_text())
        mean_text = np.load(folder / "mean_text.npy")
        store = kept_vectors(record.store, folder, token).open(generation, list(contents))
        try:
            return cls(folder, record, store, contents, mean_text)
        except BaseException:
            close(store)
            raise

    def __len__(self) -> int:
        return len(self.contents)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection to Milvus, where there is one."""
        close(self.index.store)

    def path(self, name: str) -> Path:
        """Returns where the picture of an id is, or was."""
        return Path(self.record.images) / name

    def copies(self, picture: Path) -> Sequence[str]:
        """Returns the ids of the pictures with the very content of a file."""
        return tuple(self._copies.get(content_digest(picture), ()))

    def check_model(self, embedder: Embedder) -> None:
        """Raises a DataError that names both models unless an embedder is the one that made the index.

        It is known by its digest; a served one, which has none, by its answers to a few pictures and words.
        """
        check_model(self.folder, self.record, embedder)


def check_model(folder: Path, record: Record, embedder: Embedder) -> None:
    """See `IndexFolder.check_model`."""
    difference = _difference(folder, record, embedder)
    if difference:
        raise DataError(
            f"The index {folder} was made with {record.run} (sha256 {record.sha256[:12]}), not with "
            f"{embedder.name} ({difference}).",
            expected="one model for the index and for what is searched in it",
            fix=f"use {record.path}, or build an index with the other model in a folder of its own",
        )


def _difference(folder: Path, record: Record, embedder: Embedder) -> str:
    """What tells another model from the one that made an index, or ""."""
    if embedder.digest is not None:
        return "" if embedder.digest == record.sha256 else f"sha256 {embedder.digest[:12]}"
    if embedder.dimensions != record.dimensions:
        return f"vectors of {embedder.dimensions} numbers instead of {record.dimensions}"
    try:
        distance = Probe.load(folder / "probe.npz").distance(embedder)
    except DataError as error:
        return error.what
    return "" if distance <= FARTHEST else f"the vectors of probes lie {distance:.2g} apart"
