"""`python -m ci.bench.search`: the speed and the memory of the analogical search, beside plain passes over the memory.

The vectors are made of parts, as pictures of things with properties are: unit(thing + 0.7 property + 0.7 noise), with
one thing for 500 vectors, 50 properties, and random directions for all parts; they are made in blocks of 65,536 rows.
A query is a vector of the index; its edit replaces its property, in words that have noise of their own. All that is
said of one size is timed in one process, in turns, in another order each turn, so that whatever else the machine does
falls on all alike; medians over the turns.

Goals, at 1,000,000 x 512: an exact search takes at most 1.5 times one product of the matrix with a vector (numpy, the
better of one thread and all), and less than faiss IndexFlatIP asked for two vectors; memory is at most 1.1 times the
vectors; the FAISS store finds 95 % of the exact ten at ten times the speed.
"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from ci.bench.report import write_report
from ci.bench.timing import turns
from zoo.search.edit import Edit
from zoo.search.exact import ExactStore
from zoo.search.faiss_store import FaissStore
from zoo.search.index import AnalogyIndex

SEED, BLOCK, BATCH, TOP = 0, 65_536, 32, 10
PROPERTIES, PER_THING = 50, 500
REST = 0.1
"""Seconds before each call: the threads of BLAS and of faiss go on spinning after their work, on cores of the next."""
GOALS = {"ratio_to_product": 1.5, "memory": 1.1, "recall": 0.95, "speed_up": 10.0}


class Collection(NamedTuple):
    matrix: np.ndarray
    ids: list[str]
    queries: np.ndarray
    words: list[tuple[np.ndarray, np.ndarray]]
    edits: list[Edit]


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="*", type=int, default=[1000, 100_000, 1_000_000])
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--queries", type=int, default=100, help="of which recall is the mean")
    parser.add_argument(
        "--probes",
        nargs="*",
        type=int,
        default=[16, 32, 64, 128],
        help="of the FAISS store; none leaves it out",
    )
    parser.add_argument("--no-write", action="store_true", help="print only")
    given = parser.parse_args()
    rows = [row for count in given.rows for row in measured(count, given)]
    print(f"{'rows':>9s}  {'':42s}{'ms':>9s}{'x product':>11s}{'recall@10':>11s}{'x memory':>10s}")
    for row in rows:
        recall, memory = (f"{row[key]:.3f}" if key in row else "" for key in ("recall", "memory"))
        print(
            f"{row['rows']:9d}  {row['what']:42s}{row['ms']:9.2f}{row['ratio']:11.2f}{recall:>11s}{memory:>10s}"
        )
    if not given.no_write:
        write_report(
            "search",
            command="python -m ci.bench.search",
            data=f"random things with properties, {given.rows} x {given.dimensions} float32",
            seeds=[SEED],
            rows=rows,
            extra={"goals": GOALS, "repetitions": given.repetitions, "faiss": faiss.__version__},
        )


def measured(count: int, given: argparse.Namespace) -> list[dict[str, Any]]:
    """All rows of the table for one size."""
    gc.collect()
    before = resident()
    made = collection(count, given.dimensions, given.queries)
    index = AnalogyIndex(ExactStore.of(made.ids, made.matrix))
    index.search_many(made.queries[:BATCH], made.edits[:BATCH])
    memory = (resident() - before) / made.matrix.nbytes
    flat = faiss.IndexFlatIP(given.dimensions)
    flat.add(made.matrix)
    both = [made.queries[:1], made.edits[0].direction.astype(np.float32)[None]]
    store = FaissStore(given.dimensions)
    if given.probes:
        store.add(made.ids, made.matrix)
    near = AnalogyIndex(store)
    # Below train_at there is one list, which any search reads whole.
    settings = given.probes if count >= store.train_at else given.probes[:1]
    one, many = slice(1), slice(BATCH)
    cores = len(os.sched_getaffinity(0))

    def search(where: AnalogyIndex, part: slice, measure: str = "direction") -> None:
        where.search_many(made.queries[part], made.edits[part], measure=measure, top=TOP)

    def product(threads: int) -> None:
        with threadpool_limits(threads, "blas"):
            made.matrix @ made.queries[0]

    def probing(probes: int) -> None:
        store.probes = probes
        search(near, one)

    contenders: dict[str, Callable[[], Any]] = {
        "matrix @ vector, 1 thread": lambda: product(1),
        f"matrix @ vector, {cores} threads": lambda: product(cores),
        "exact, 1 query, direction": lambda: search(index, one),
        "exact, 1 query, kiros": lambda: search(index, one, "kiros"),
        "exact, 1 query, all measures": lambda: index.compare(made.queries[0], *made.words[0], top=TOP),
        f"exact, {BATCH} queries, direction": lambda: search(index, many),
        "faiss IndexFlatIP, 2 x 1 vector, k = 100": lambda: [flat.search(vector, 100) for vector in both],
    }
    for probes in settings:
        contenders[f"FAISS store, {probes} probes, direction"] = lambda probes=probes: probing(probes)
    times = list(turns(contenders, given.repetitions, rest=REST).values())
    plain = min(times[:2])
    rows: list[dict[str, Any]] = [
        {"rows": count, "what": what, "ms": 1e3 * seconds, "ratio": seconds / plain}
        for what, seconds in zip(contenders, times, strict=True)
    ]
    rows[2]["memory"] = memory
    truth = index.search_many(made.queries, made.edits, top=TOP)
    for row, probes in zip(rows[len(rows) - len(settings) :], settings, strict=True):
        store.probes = probes
        found = near.search_many(made.queries, made.edits, top=TOP)
        row["recall"] = recall(truth, found)
        row["speed_up"] = rows[2]["ms"] / row["ms"]
    return rows


def collection(count: int, dimensions: int, queries: int) -> Collection:
    """Vectors, and queries among them with their edits."""
    rng = np.random.default_rng(SEED)
    things = directions(rng, -(-count // PER_THING), dimensions)
    properties = 0.7 * directions(rng, PROPERTIES, dimensions)
    matrix = np.empty((count, dimensions), np.float32)
    kinds = rng.integers(0, PROPERTIES, count)
    for start in range(0, count, BLOCK):
        block = matrix[start : start + BLOCK]
        block[:] = rng.standard_normal(block.shape, np.float32) * np.float32(0.7 / dimensions**0.5)
        block += properties[kinds[start : start + BLOCK]]
        block += things[rng.integers(0, len(things), len(block))]
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    picked = rng.choice(count, min(queries, count), replace=False)
    pairs = []
    for row in picked:
        words = properties[[rng.integers(0, PROPERTIES), kinds[row]]]
        words = words + 0.3 * directions(rng, 2, dimensions)
        words /= np.linalg.norm(words, axis=1, keepdims=True)
        pairs.append((words[:1], words[1:]))
    edits = [Edit.of(*pair, dimensions) for pair in pairs]
    return Collection(matrix, [f"picture{row:07d}" for row in range(count)], matrix[picked], pairs, edits)


def directions(rng: np.random.Generator, count: int, dimensions: int) -> np.ndarray:
    """Random vectors of length 1."""
    vectors = rng.standard_normal((count, dimensions), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def recall(truth: Sequence[Sequence[Any]], found: Sequence[Sequence[Any]]) -> float:
    """The share of the exact hits that were found."""
    pairs = [
        ({hit.id for hit in exact}, {hit.id for hit in ours})
        for exact, ours in zip(truth, found, strict=True)
    ]
    return sum(len(exact & ours) for exact, ours in pairs) / sum(len(exact) for exact, _ in pairs)


def resident() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
