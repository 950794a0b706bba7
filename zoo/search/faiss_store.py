"""Vectors in the memory of one machine, proposed by inverted lists of FAISS: a search reads a few of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from zoo.errors import ConfigError, DataError
from zoo.files import write_atomically
from zoo.search.exact import ExactStore
from zoo.search.inverted_lists import InvertedLists, import_faiss, spherical_centres
from zoo.search.progress import Progress, silent
from zoo.search.store import VectorStore
from zoo.search.vectors import check_matrix, check_rows

GROWTH = 4
"""Lists are made anew when there are so many times the vectors that the present ones were made for."""
SAMPLE = 32
"""Vectors for each list that k-means sees."""
SPARE = 16
"""More vectors are proposed than asked for, because eight bits may swap neighbours: so many, or a quarter more."""
MAGIC = b"mizoo faiss store 1\n"
_ALIGNED = 64


class FaissStore(VectorStore):
    """Vectors in float32, and the same in 8 bits in inverted lists around k-means centres, which propose candidates.

    Fewer than `train_at` vectors are searched whole, as in `ExactStore`: k-means needs tens of vectors for each list,
    and such a pass takes few milliseconds. From `train_at` vectors on there are `lists` of them, and a search reads
    those `probes` lists whose centres are nearest to the query and orders what they propose by the float32 vectors.
    Whether that is enough depends on the vectors: it is on those with clusters or few effective dimensions; on
    directions without any structure no number of probes is both quick and right (the card has the measurements).
    `lists=1` is exact at every size.

    Memory: 1.25 times the vectors, and some hundred bytes for each id. Adding, replacing and removing touch only the
    lists concerned. Not for use by several threads while one of them changes it.

    Args:
        dimensions: The numbers that each vector has.
        lists: How many lists; None is 2 sqrt(n) for n vectors, made anew when there are `GROWTH` times as many.
        probes: How many lists a search reads; None is one in 32, at least 32.
        train_at: From how many vectors on there are lists.
        seed: Of the sample and the start of k-means.
        progress: Called while `add` trains and adds.

    Raises:
        ConfigError: On a number below 1, and on more lists than vectors to train them on.
        MissingExtraError: faiss is not installed.

    Example:
        >>> store = FaissStore(2)
        >>> store.add(["right", "up"], [[1.0, 0.0], [0.0, 1.0]])
        >>> store.nearest([[1.0, 0.5]], 1)
        [['right']]
    """

    def __init__(
        self,
        dimensions: int,
        *,
        lists: int | None = None,
        probes: int | None = None,
        train_at: int = 10_000,
        seed: int = 0,
        progress: Progress = silent,
    ) -> None:
        import_faiss()
        numbers = {"dimensions": dimensions, "lists": lists, "probes": probes, "train_at": train_at}
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise ConfigError(f"{name}={value}", expected="at least 1", fix=f"give another {name}")
        if lists is not None and lists > train_at:
            raise ConfigError(
                f"lists={lists} with train_at={train_at}",
                expected=f"at least one vector for each list; {SAMPLE} are better",
                fix=f"train_at={SAMPLE * lists}",
            )
        self.dimensions = dimensions
        self.lists, self.probes, self.train_at, self.seed = lists, probes, train_at, seed
        self._progress = progress
        self._kept = ExactStore(dimensions)
        self._proposing: InvertedLists | None = None
        self._made_for = 0
        self._labels: dict[str, int] = {}
        self._names: list[str] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._kept)

    def ids(self) -> Sequence[str]:
        """Returns all ids, in the order of the rows in which the vectors are kept."""
        return self._kept.ids()

    def vectors(self, ids: Sequence[str]) -> np.ndarray:
        """Returns float32 `[n, dimensions]`, as exactly as `add` took them."""
        return self._kept.vectors(ids)

    def add(self, ids: Sequence[str], vectors: Any) -> None:
        """Adds or replaces vectors; makes the lists anew where the class says so."""
        names, rows = check_rows(ids, vectors, self.dimensions)
        known = [name for name in names if name in self._labels]
        total = len(self) + len(names) - len(known)
        if self._is_outgrown(total):
            self._divide(names, rows, self.lists or round(2 * math.sqrt(total)))
            self._made_for = total
            return
        self._kept.add(names, rows)
        if self._proposing is not None:
            self._proposing.remove(self._numbers(known))
        for name in names:
            if name not in self._labels:
                self._name(name)
        if self._proposing is not None:
            self._proposing.add(self._numbers(names), rows, self._progress)

    def remove(self, ids: Sequence[str]) -> None:
        """Removes vectors."""
        names = list(dict.fromkeys(ids))
        self._kept.remove(names)
        if self._proposing is not None:
            self._proposing.remove(self._numbers(names))
        self._free += [self._labels.pop(name) for name in names]

    def nearest(self, queries: np.ndarray, count: int) -> list[list[str]]:
        """Returns the ids of the largest inner products in the lists read; reads more where they hold too few."""
        matrix = check_matrix(queries, self.dimensions, "queries")
        if count < 1:
            raise DataError(f"count={count}", expected="at least 1", fix="ask for one or more")
        count = min(count, len(self))
        if not count or not len(matrix):
            return [[] for _ in matrix]
        if self._proposing is None:
            return self._kept.nearest(matrix, count)
        lists = self._proposing.lists
        probes = min(self.probes or max(32, lists // 32), lists)
        wanted = min(count + max(SPARE, count // 4), len(self))
        labels = self._proposing.search(matrix, wanted, probes)
        while (short := (labels >= 0).sum(axis=1) < count).any():
            probes = min(4 * probes, lists)
            labels[short] = self._proposing.search(matrix[short], wanted, probes)
        return [self._ordered(query, row[row >= 0], count) for query, row in zip(matrix, labels, strict=True)]

    def save(self, path: Path) -> None:
        """Writes vectors, ids, lists and settings into one file, whole or not at all."""
        settings = {
            name: getattr(self, name) for name in ("dimensions", "lists", "probes", "train_at", "seed")
        }
        ids = list(self.ids())
        record = {
            "settings": settings,
            "made_for": self._made_for,
            "ids": ids,
            "labels": self._numbers(ids).tolist(),
        }
        head = json.dumps(record).encode()
        # The vectors begin at a multiple of 64 bytes, so that they can be used from the file as they are.
        head += b" " * (-(len(MAGIC) + 8 + len(head)) % _ALIGNED)

        def write(file: IO[bytes]) -> None:
            file.write(MAGIC + len(head).to_bytes(8, "little") + head)
            file.write(self._kept.matrix.data)
            if self._proposing is not None:
                self._proposing.write(file)

        write_atomically(Path(path), write)

    @classmethod
    def load(cls, path: Path, *, progress: Progress = silent) -> Self:
        """Returns the store that `save` wrote; its vectors stay in the file until the store is changed.

        Raises:
            DataError: The file is not there, is no such file, or is damaged.
            MissingExtraError: faiss is not installed.
        """
        fix = "give the file that FaissStore.save wrote, or build the store again"
        try:
            with Path(path).open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise DataError(f"{path} is no FAISS store of mizoo", fix=fix)
                record = json.loads(file.read(int.from_bytes(file.read(8), "little")))
                store = cls(**record["settings"], progress=progress)
                ids, labels, start = record["ids"], record["labels"], file.tell()
                if ids:
                    shape = (len(ids), store.dimensions)
                    store._kept = ExactStore.of(ids, np.memmap(path, np.float32, "r", start, shape))
                if record["made_for"]:
                    file.seek(start + 4 * len(ids) * store.dimensions)
                    store._proposing = InvertedLists.read(file)
        except FileNotFoundError as error:
            raise DataError(f"{path} is not there", fix=fix) from error
        except DataError:
            raise
        except (RuntimeError, ValueError) as error:
            raise DataError(f"{path} is damaged: {str(error).splitlines()[0]}", fix=fix) from error
        store._made_for = record["made_for"]
        listed = len(ids) if store._proposing is None else len(store._proposing)
        if len({len(ids), len(labels), listed}) != 1:
            raise DataError(f"{path} is damaged: {len(ids)} ids, {listed} vectors in its lists", fix=fix)
        store._restore(dict(zip(ids, labels, strict=True)))
        return store

    def _is_outgrown(self, total: int) -> bool:
        if self.lists == 1 or total < self.train_at:
            return False
        return not self._made_for or (self.lists is None and total >= GROWTH * self._made_for)

    def _divide(self, names: list[str], rows: np.ndarray, lists: int) -> None:
        """Adds vectors and puts all of them into lists that are made for them."""
        size = len(self)
        picked = np.sort(np.random.default_rng(self.seed).permutation(size + len(rows))[: SAMPLE * lists])
        here, new = picked[picked < size], picked[picked >= size] - size
        sample = np.concatenate([self._kept.matrix[here], rows[new]])
        centres = spherical_centres(sample, lists, self.seed + 1, self._progress)
        self._kept.add(names, rows)
        self._proposing = InvertedLists.around(centres, sample)
        self._restore({name: label for label, name in enumerate(self.ids())})
        self._proposing.add(np.arange(len(self)), self._kept.matrix, self._progress)

    def _restore(self, labels: dict[str, int]) -> None:
        self._labels = labels
        self._names = [""] * (1 + max(labels.values(), default=-1))
        for name, label in labels.items():
            self._names[label] = name
        self._free = [label for label, name in enumerate(self._names) if not name]

    def _name(self, name: str) -> None:
        if self._free:
            label = self._free.pop()
            self._names[label] = name
        else:
            label = len(self._names)
            self._names.append(name)
        self._labels[name] = label

    def _numbers(self, names: Sequence[str]) -> np.ndarray:
        return np.array([self._labels[name] for name in names], np.int64)

    def _ordered(self, query: np.ndarray, labels: np.ndarray, count: int) -> list[str]:
        names = [self._names[label] for label in labels.tolist()]
        order = np.argsort(-(self._kept.vectors(names) @ query), kind="stable")[:count]
        return [names[place] for place in order]
