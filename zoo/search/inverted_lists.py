"""Vectors under numbers, one byte for each number they have, in lists around k-means centres (faiss IVF, SQ8)."""

from __future__ import annotations

from typing import IO, Any, Self

import numpy as np

from zoo.errors import MissingExtraError
from zoo.search.progress import Progress, silent

ROUNDS = 10
"""Of k-means, for the centres of the lists."""
CHUNK = 65_536


class InvertedLists:
    """Vectors of length 1, each in the list of its nearest centre; a search reads the lists nearest to the query.

    Eight bits for each number order vectors well enough to propose them, in a quarter of the memory that a search
    has to go through; who keeps the vectors themselves orders the proposals.

    Args:
        index: faiss `IndexIVFScalarQuantizer` with a hash table as its direct map; see `around` and `read`.
    """

    def __init__(self, index: Any) -> None:
        self._faiss = import_faiss()
        self._index = index

    @classmethod
    def around(cls, centres: np.ndarray, sample: np.ndarray) -> Self:
        """Returns empty lists.

        Args:
            centres: float32 `[lists, dimensions]`, of length 1.
            sample: float32 `[n, dimensions]`, whose ranges are divided into 256 steps, one for each dimension.
        """
        faiss = import_faiss()
        lists, dimensions = centres.shape
        quantizer = faiss.IndexFlatIP(dimensions)
        quantizer.add(centres)
        index = faiss.IndexIVFScalarQuantizer(
            quantizer, dimensions, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
        )
        index.train(sample)
        index.set_direct_map_type(faiss.DirectMap.Hashtable)
        return cls(index)

    @classmethod
    def read(cls, file: IO[bytes]) -> Self:
        """Returns what `write` wrote.

        Raises:
            RuntimeError: From faiss, on bytes that are no index.
        """
        faiss = import_faiss()
        return cls(faiss.read_index(faiss.PyCallbackIOReader(file.read)))

    def write(self, file: IO[bytes]) -> None:
        """Writes centres, lists and numbers, without a copy in memory."""
        self._faiss.write_index(self._index, self._faiss.PyCallbackIOWriter(file.write))

    def __len__(self) -> int:
        return self._index.ntotal

    @property
    def lists(self) -> int:
        """How many lists there are."""
        return self._index.nlist

    @property
    def dimensions(self) -> int:
        """The numbers that each vector has."""
        return self._index.d

    def add(self, labels: np.ndarray, rows: np.ndarray, progress: Progress = silent) -> None:
        """Adds vectors, float32 `[n, dimensions]`, under numbers that are not there, int64 `[n]`."""
        starts = range(0, len(rows), CHUNK)
        places = [self._index.quantizer.assign(rows[start : start + CHUNK], 1).ravel() for start in starts]
        if places:
            # Room for all at once: lists that grow one vector at a time end up with half their memory unused.
            for number, more in zip(*np.unique(np.concatenate(places), return_counts=True), strict=True):
                size = self._index.invlists.list_size(int(number))
                self._index.invlists.resize(int(number), size + int(more))
                self._index.invlists.resize(int(number), size)
        for start, place in zip(starts, places, strict=True):
            part = np.ascontiguousarray(rows[start : start + CHUNK])
            numbers = np.ascontiguousarray(labels[start : start + CHUNK])
            pointers = [self._faiss.swig_ptr(array) for array in (part, numbers, place)]
            self._index.add_core(len(part), *pointers)
            progress("adding", start + len(part), len(rows))

    def remove(self, labels: np.ndarray) -> None:
        """Removes the vectors under numbers that are there, int64 `[n]`."""
        if len(labels):
            self._index.remove_ids(self._faiss.IDSelectorArray(labels))

    def search(self, queries: np.ndarray, count: int, probes: int) -> np.ndarray:
        """Returns numbers, int64 `[q, count]`, best first as far as eight bits tell.

        Args:
            queries: float32 `[q, dimensions]`.
            count: How many for each; -1 stands where the lists that are read hold no more.
            probes: How many lists are read.
        """
        return self._index.search(queries, count, params=self._faiss.SearchParametersIVF(nprobe=probes))[1]


def spherical_centres(sample: np.ndarray, lists: int, seed: int, progress: Progress = silent) -> np.ndarray:
    """Returns k-means centres of length 1, float32 `[lists, dimensions]`.

    Args:
        sample: float32 `[n, dimensions]`, at least as many vectors as lists.
        lists: How many.
        seed: Of the vectors that it starts from.
        progress: Told of each round.
    """
    faiss = import_faiss()
    centres = None
    for done in range(ROUNDS):
        # One round at a time, because faiss reports only to standard output.
        means = faiss.Kmeans(
            sample.shape[1],
            lists,
            niter=1,
            spherical=True,
            seed=seed,
            min_points_per_centroid=1,
            max_points_per_centroid=len(sample),
        )
        means.train(sample, init_centroids=centres)
        centres = means.centroids
        progress("training", done + 1, ROUNDS)
    return np.asarray(centres)


def import_faiss() -> Any:
    """Returns the module.

    Raises:
        MissingExtraError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("faiss-cpu", "search", "Searching with inverted lists") from error
    return faiss
