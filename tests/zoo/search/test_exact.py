"""The exact store: products, neighbours, changes, a matrix in a file, and wrong vectors."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import DataError
from zoo.search import scan
from zoo.search.exact import ExactStore
from zoo.search.top import Top


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def names(count):
    return [f"picture{row:05d}" for row in range(count)]


def filled(rows=2000, dimensions=24, seed=0):
    matrix = unit(np.random.default_rng(seed).standard_normal((rows, dimensions)))
    store = ExactStore(dimensions)
    store.add(names(rows), matrix)
    return store, matrix


@pytest.mark.parametrize("queries", [1, 2, scan.FEW, scan.FEW + 1, 33])
def test_products_of_few_and_of_many_queries(queries, monkeypatch):
    # Blocks that do not divide the rows, so that every edge is crossed.
    monkeypatch.setattr(scan, "BLOCK", 300)
    monkeypatch.setattr(scan, "PRODUCTS", 300 * queries)
    store, matrix = filled()
    vectors = np.random.default_rng(1).standard_normal((queries, 24)).astype(np.float32)
    products = store.products(vectors)
    assert products.shape == (queries, 2000)
    np.testing.assert_allclose(products, vectors @ matrix.T, rtol=1e-4, atol=1e-5)
    best = np.argsort(-(vectors.astype(float) @ matrix.T.astype(float)), axis=1)[:, :7]
    assert store.nearest(vectors, 7) == [[names(2000)[row] for row in rows] for rows in best]


def test_each_row_is_seen_once(monkeypatch):
    monkeypatch.setattr(scan, "BLOCK", 64)
    seen = np.zeros(1000, int)

    def visit(start, products):
        seen[start : start + len(products)] += 1

    scan.scan(np.zeros((1000, 4), np.float32), np.zeros((2, 4), np.float32), visit)
    assert (seen == 1).all()


def test_nearest_gives_what_there_is_and_breaks_ties_by_row():
    store = ExactStore(2)
    assert store.nearest(np.eye(2, dtype=np.float32), 3) == [[], []]
    store.add(["b", "a", "c"], [[1, 0], [1, 0], [0, 1]])
    assert store.nearest([[1.0, 0.0]], 10) == [["b", "a", "c"]]
    assert store.nearest([[1.0, 0.0]], 1) == [["b"]]


def test_the_best_do_not_depend_on_blocks_or_on_their_order():
    rng = np.random.default_rng(2)
    # Few values, so that ties are everywhere.
    scores = rng.integers(0, 30, (999, 2)).astype(np.float32)
    scores[rng.random((999, 2)) < 0.2] = -np.inf
    starts = rng.permutation(range(0, 999, 37))
    top = Top(3, 60)
    for start in starts:
        rows = np.arange(start, min(start + 37, 999))
        top.offer(1, rows, scores[rows])
    assert len(top.rows(0)) == 0
    for column in (0, 1):
        expected = np.lexsort((np.arange(999), -scores[:, column]))[:60]
        np.testing.assert_array_equal(top.rows(1 + column), expected)


def test_adding_replacing_and_removing_keep_the_right_vectors():
    rng = np.random.default_rng(3)
    store, kept = ExactStore(6), {}
    for step in range(40):
        ids = [str(number) for number in rng.choice(60, 9, replace=False)]
        matrix = unit(rng.standard_normal((9, 6)))
        store.add(ids, matrix)
        kept.update(zip(ids, matrix, strict=True))
        gone = [str(name) for name in rng.choice(list(kept), step % 7, replace=False)]
        store.remove(gone)
        for name in gone:
            del kept[name]
        assert len(store) == len(kept)
        assert sorted(store.ids()) == sorted(kept)
        np.testing.assert_array_equal(store.vectors(store.ids()), [kept[name] for name in store.ids()])
        np.testing.assert_array_equal(store.matrix, store.vectors(store.ids()))


def test_a_matrix_in_a_file_is_used_in_place_until_it_changes(tmp_path):
    _, matrix = filled(50, 8)
    np.save(tmp_path / "matrix.npy", matrix)
    mapped = np.load(tmp_path / "matrix.npy", mmap_mode="r")
    store = ExactStore.of(names(50), mapped)
    assert np.shares_memory(store.matrix, mapped)
    store.remove(["picture00000"])
    store.add(["new"], matrix[:1])
    np.testing.assert_array_equal(store.vectors(["new"]), matrix[:1])
    np.testing.assert_array_equal(np.load(tmp_path / "matrix.npy"), matrix)


def test_rough_lengths_are_made_exact_and_exact_vectors_stay_as_they_are():
    store, matrix = filled(100, 8)
    np.testing.assert_array_equal(store.matrix, matrix)
    store.add(["half"], matrix[:1].astype(np.float16))
    assert np.linalg.norm(store.vectors(["half"]).astype(float)) == pytest.approx(1, abs=1e-7)


def test_the_matrix_that_is_shown_cannot_be_written_to():
    store, _ = filled(10, 4)
    with pytest.raises(ValueError, match="read-only"):
        store.matrix[0] = 0


@pytest.mark.parametrize(
    ("ids", "vectors", "text"),
    [
        (
            ["a"],
            [[1.0, 0.0, 0.0]],
            "vectors: shape [1, 3] of float64\nExpected: numbers of shape [n, 2]\n"
            "Fix: embed with the model that made the index",
        ),
        (
            ["a", "b"],
            [[1.0, 0.0], [0.0, 2.0]],
            "vectors: row 1 has length 2\nExpected: length 1 within 0.001\n"
            "Fix: divide each vector by its length",
        ),
        (
            ["a", "b"],
            [[1.0, 0.0], [np.inf, 0.0]],
            "vectors: row 1 holds NaN or infinity\nExpected: finite numbers\n"
            "Fix: leave the row out, or embed it again",
        ),
        (["a"], np.eye(2), "1 ids for 2 vectors\nFix: give one id for each vector"),
        (
            ["a", "a"],
            np.eye(2),
            "id 'a' is given twice\nExpected: different texts that are not empty\nFix: name every vector once",
        ),
        (
            ["a", ""],
            np.eye(2),
            "id '' is no id\nExpected: different texts that are not empty\nFix: name every vector once",
        ),
    ],
    ids=["size", "length", "infinity", "count", "twice", "empty"],
)
def test_wrong_vectors_change_nothing(ids, vectors, text):
    store = ExactStore(2)
    store.add(["there"], [[0.0, 1.0]])
    with pytest.raises(DataError) as error:
        store.add(ids, vectors)
    assert str(error.value) == text
    assert store.ids() == ("there",)


def test_unknown_ids_are_named_and_nothing_is_removed():
    store, _ = filled(3, 4)
    expected = "not in the index of 3 vectors: 'x', 'y'\nFix: see its ids() for what it has"
    for call in (store.remove, store.vectors):
        with pytest.raises(DataError) as error:
            call(["x", "picture00001", "y"])
        assert str(error.value) == expected
    assert len(store) == 3


@pytest.mark.parametrize(
    ("ids", "matrix", "text"),
    [
        (["a", "b"], np.eye(2), "a matrix of shape [2, 2] of float64"),
        (["a", "b"], np.ones((2, 2), np.float32), "vectors from row 0: row 0 has length 1.41421"),
        (["a", "a"], np.eye(2, dtype=np.float32), "2 ids, 1 of them different, for 2 rows"),
        (["a"], np.eye(2, dtype=np.float32), "1 ids, 1 of them different, for 2 rows"),
    ],
    ids=["float64", "length", "twice", "count"],
)
def test_a_matrix_that_does_not_fit(ids, matrix, text):
    with pytest.raises(DataError) as error:
        ExactStore.of(ids, matrix)
    assert str(error.value).startswith(text)
