"""What every store promises, asked of each kind of store."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import DataError
from zoo.search.exact import ExactStore
from zoo.search.faiss_store import FaissStore
from zoo.search.milvus_store import MilvusStore
from zoo.search.store import VectorStore

SIZE = 6

needs_faiss = pytest.mark.skipif(
    importlib.util.find_spec("faiss") is None, reason="faiss-cpu (extra search) is absent"
)
needs_milvus = pytest.mark.skipif(
    not (importlib.util.find_spec("pymilvus") and importlib.util.find_spec("milvus_lite")),
    reason="pymilvus or milvus-lite (extra search) is absent",
)


def milvus(index: str, build: dict[str, int], search: dict[str, int]) -> Callable[[Path], VectorStore]:
    return lambda folder: MilvusStore(
        str(folder / "vectors.db"), "pictures", SIZE, index=index, build=build, search=search
    )


# Each searches everything it has, so that brute force is right for all of them.
STORES = {
    "exact": lambda folder: ExactStore(SIZE),
    "faiss-one-list": lambda folder: FaissStore(SIZE),
    "faiss-lists": lambda folder: FaissStore(SIZE, lists=4, probes=4, train_at=8),
    "milvus-auto": milvus("AUTOINDEX", {}, {}),
    "milvus-ivf": milvus("IVF_FLAT", {"nlist": 4}, {"nprobe": 4}),
    "milvus-hnsw": milvus("HNSW", {"M": 8, "efConstruction": 64}, {"ef": 64}),
}
MARKS = {"faiss": [needs_faiss], "milvus": [needs_milvus], "exact": []}


@pytest.fixture(params=[pytest.param(name, marks=MARKS[name.split("-")[0]]) for name in STORES])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorStore]:
    opened = STORES[request.param](tmp_path)
    yield opened
    if isinstance(opened, MilvusStore):
        opened.close()


def unit(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, SIZE))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def best(kept: dict[str, np.ndarray], query: np.ndarray, count: int) -> list[str]:
    return sorted(kept, key=lambda name: -float(kept[name] @ query))[:count]


def check(store: VectorStore, kept: dict[str, np.ndarray]) -> None:
    """Compares everything that a store tells with a dictionary."""
    assert len(store) == len(kept)
    assert sorted(store.ids()) == sorted(kept)
    names = sorted(kept, reverse=True)
    got = store.vectors(names)
    assert got.dtype == np.float32
    assert got.shape == (len(names), SIZE)
    np.testing.assert_allclose(got, np.reshape([kept[name] for name in names], (-1, SIZE)), atol=1e-7)
    queries = 3 * unit(3, seed=9)
    assert store.nearest(queries, 5) == [best(kept, query, 5) for query in queries]


def test_add_replace_remove(store: VectorStore) -> None:
    rows = unit(30)
    kept = {f"{place}.jpg": row for place, row in enumerate(rows)}
    store.add(list(kept)[:10], rows[:10])
    store.add(list(kept)[10:], rows[10:])
    check(store, kept)

    # Two that are there and one that is not, in one call.
    changed = dict(zip(["3.jpg", "new.jpg", "29.jpg"], unit(3, seed=1), strict=True))
    store.add(list(changed), np.stack(list(changed.values())))
    kept |= changed
    check(store, kept)

    gone = ["0.jpg", "29.jpg", "new.jpg"]
    store.remove(gone)
    kept = {name: row for name, row in kept.items() if name not in gone}
    check(store, kept)

    store.add(["0.jpg"], rows[1:2])
    kept["0.jpg"] = rows[1]
    assert len(store) == 29
    np.testing.assert_allclose(store.vectors(["0.jpg"]), rows[1:2], atol=1e-7)


def test_nearest_returns_all_where_more_are_asked_for(store: VectorStore) -> None:
    rows = unit(9)
    kept = {str(place): row for place, row in enumerate(rows)}
    store.add(list(kept), rows)
    assert store.nearest(rows[:2], 50) == [best(kept, row, 9) for row in rows[:2]]
    assert store.nearest(rows[:0], 5) == []


def test_ids_are_any_text(store: VectorStore) -> None:
    ids = [
        "a'b",
        'say "x"',
        "back\\slash",
        "日本/猫.jpg",
        "100%25",
        "id in ['a']",
        "new\nline",
        "bytes-\udcff",
        " ",
    ]
    rows = unit(len(ids))
    store.add(ids, rows)
    assert sorted(store.ids()) == sorted(ids)
    np.testing.assert_allclose(store.vectors(ids), rows, atol=1e-7)
    assert [found[0] for found in store.nearest(rows, 1)] == ids
    store.remove(["a'b", "100%25"])
    assert len(store) == len(ids) - 2


def test_a_store_that_is_empty_or_emptied(store: VectorStore) -> None:
    check(store, {})
    assert store.nearest(unit(2), 5) == [[], []]
    store.add([], np.empty((0, SIZE), np.float32))
    store.remove([])
    store.add(["a", "b"], unit(2))
    store.remove(["b", "a"])
    check(store, {})
    assert store.nearest(unit(2), 5) == [[], []]


def test_what_is_refused_changes_nothing(store: VectorStore) -> None:
    rows = unit(3)
    kept = dict(zip("abc", rows, strict=True))
    store.add("abc", rows)
    new = unit(2, seed=4)
    with pytest.raises(DataError, match="not in the index of 3 vectors: 'x', 'y'"):
        store.remove(["a", "x", "y"])
    with pytest.raises(DataError, match="not in the index of 3 vectors: 'x'"):
        store.vectors(["x", "a"])
    with pytest.raises(DataError, match=r"shape \[2, 5\] of float32\nExpected: numbers of shape \[n, 6\]"):
        store.add(["d", "e"], new[:, :5])
    with pytest.raises(DataError, match=r"queries: shape \[6\] of float32"):
        store.nearest(new[0], 1)
    with pytest.raises(DataError, match="row 1 has length 2\n"):
        store.add(["a", "d"], new * [[1], [2]])
    with pytest.raises(DataError, match="id 'd' is given twice"):
        store.add(["d", "d"], new)
    with pytest.raises(DataError, match="1 ids for 2 vectors"):
        store.add(["d"], new)
    check(store, kept)
