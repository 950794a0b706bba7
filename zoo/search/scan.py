"""Products of a matrix with several vectors, in one pass over its memory.

A matrix of a million rows is far larger than any cache, so that a search takes as long as its rows take to come from
memory. All that is asked of a row is therefore computed while it is near: all products of a row at once, and then
whatever the caller wants to know of a block of products.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

FEW = 8
"""Up to so many vectors, strips of rows that stay in the L2 cache are multiplied one by one; beyond it one product of
many rows is faster."""
STRIP = 400_000
"""Multiplications of a strip. OpenBLAS multiplies up to a million without packing a copy of the rows and without its
own threads, which would fight with these: both products of a row then take a sixth longer than one (512 numbers)."""
BLOCK, LEAST_BLOCK, BLOCKS_PER_THREAD = 65_536, 16_384, 8
"""The most rows that a caller is shown at once where there are few vectors: his arrays on them stay in the L2 cache.
Fewer where threads would have to wait for the last block; in blocks below the least, Python takes too large a part."""
PRODUCTS = 2**20
"""Products that are made at once where there are many vectors: 4 MiB. BLAS has enough to share
out, and packs a copy of no more rows than that."""
SEEN_AT_ONCE = 2**18
"""How many of them a caller is shown at once: 1 MiB, for the L2 cache."""

Visit = Callable[[int, np.ndarray], None]


def scan(matrix: np.ndarray, queries: np.ndarray, visit: Visit) -> None:
    """Multiplies each row by each vector, and shows the products to the caller block by block.

    Args:
        matrix: float32 `[n, d]`, C-contiguous.
        queries: float32 `[q, d]`.
        visit: Called with the row a block starts at and its products, float32 `[rows, q]`; from several threads at
            once, the blocks in any order.
    """
    if not queries.size:
        return
    if len(queries) <= FEW:
        _scan_few(matrix, queries, visit)
    else:
        _scan_many(matrix, queries, visit)


def products_of_few(rows: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Returns the products of each row with each of a few vectors, float32 `[n, q]`, computed by this thread alone.

    Args:
        rows: float32 `[n, d]`, C-contiguous.
        queries: float32 `[q, d]`.
    """
    strip = max(STRIP // queries.size, 1)
    products = np.empty((len(rows), len(queries)), np.float32)
    for first in range(0, len(rows), strip):
        np.matmul(rows[first : first + strip], queries.T, out=products[first : first + strip])
    return products


def _scan_few(matrix: np.ndarray, queries: np.ndarray, visit: Visit) -> None:
    size = min(BLOCK, max(LEAST_BLOCK, len(matrix) // (BLOCKS_PER_THREAD * threads())))

    def work(start: int) -> None:
        visit(start, products_of_few(matrix[start : start + size], queries))

    _run(work, range(0, len(matrix), size))


def _scan_many(matrix: np.ndarray, queries: np.ndarray, visit: Visit) -> None:
    columns = np.ascontiguousarray(queries.T)
    size = max(PRODUCTS // len(queries), 256)
    piece = max(SEEN_AT_ONCE // len(queries), 64)
    for start in range(0, len(matrix), size):
        # BLAS has the cores to itself here, and the visits after it.
        products = matrix[start : start + size] @ columns

        def work(first: int, start: int = start, products: np.ndarray = products) -> None:
            visit(start + first, products[first : first + piece])

        _run(work, range(0, len(products), piece))


def _run(work: Callable[[int], None], starts: range) -> None:
    if len(starts) <= 1:
        for start in starts:
            work(start)
        return
    with ThreadPoolExecutor(min(threads(), len(starts)), "mizoo-search") as pool:
        for _ in pool.map(work, starts):
            pass


def threads() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
