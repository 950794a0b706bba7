"""With half-spaces and without them the best rows are the same, and half-spaces are used where they are worth it."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.search import all_rows
from zoo.search.all_rows import best_of_all_rows
from zoo.search.edit import Edit
from zoo.search.exact import ExactStore

ROWS, DIMENSIONS, COUNT = 6000, 48, 20


class Watched(ExactStore):
    """Remembers how many products of each row were asked for."""

    def scan(self, queries, visit, start=0, stop=None):
        rows = len(range(*slice(start, stop).indices(len(self))))
        self.products_made = getattr(self, "products_made", 0) + rows * len(queries)
        super().scan(queries, visit, start, stop)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def random_rows(rng):
    return rng.standard_normal((ROWS, DIMENSIONS))


def cone(rng):
    return random_rows(rng) + 4 * rng.standard_normal(DIMENSIONS)


def copies(rng):
    """The query again and again, and among the first rows nothing else."""
    rows = random_rows(rng)
    rows[:400] = rows[0]
    return rows


def sorted_rows(rng):
    """The best come last."""
    rows = unit(random_rows(rng))
    return rows[np.argsort(rows[:, 0])]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(all_rows, "FIRST", 400)
    monkeypatch.setattr(all_rows, "FIRST_PER_WANTED", 0)
    monkeypatch.setattr(all_rows, "SAMPLE", 200)
    monkeypatch.setattr(all_rows, "WORTH", 0.4)  # so few rows leave the floor low


def made(rows):
    matrix = unit(rows).astype(np.float32)
    return Watched.of([f"{row:05d}" for row in range(len(matrix))], matrix)


@pytest.mark.parametrize("rows", [random_rows, cone, copies, sorted_rows])
@pytest.mark.parametrize(
    "weights", [{"direction": 0.0}, {"anchored": 0.3}, {"kiros": 1.0}, {"direction": 0.0, "kiros": 0.5}]
)
def test_the_best_are_the_same(rows, weights, small, monkeypatch):
    rng = np.random.default_rng(3)
    store = made(rows(rng))
    for _ in range(3):
        query, edit = store.matrix[:1], Edit(rng.standard_normal(DIMENSIONS))
        found = best_of_all_rows(store, query, [edit], weights, COUNT)
        with monkeypatch.context() as plain:
            plain.setattr(all_rows, "FIRST", ROWS)
            assert found == best_of_all_rows(store, query, [edit], weights, COUNT)
        assert len(found[0]) >= COUNT


def test_a_measure_takes_one_product_of_a_row(small):
    rng = np.random.default_rng(4)
    store = made(random_rows(rng))
    best_of_all_rows(
        store, store.matrix[:1], [Edit(rng.standard_normal(DIMENSIONS))], {"direction": 0.0}, COUNT
    )
    assert store.products_made == ROWS + 400


def test_two_products_where_nearly_every_row_is_inside(small):
    # All rows lie close together, and all of them along the edit from the query: any of them may be the best.
    rng = np.random.default_rng(5)
    rows = 0.01 * random_rows(rng)
    rows[:, 0] += 1
    rows[1:, 1] += 1
    store = made(rows)
    best_of_all_rows(store, store.matrix[:1], [Edit(np.eye(DIMENSIONS)[1])], {"direction": 0.0}, COUNT)
    assert store.products_made == 2 * ROWS


def test_more_candidates_than_the_first_rows_have(small):
    rng = np.random.default_rng(6)
    store = made(random_rows(rng))
    edit = Edit(rng.standard_normal(DIMENSIONS))
    (found,) = best_of_all_rows(store, store.matrix[:1], [edit], {"direction": 0.0}, 500)
    assert len(found) == 500
    assert store.products_made == 2 * ROWS
