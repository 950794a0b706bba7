"""The index: brute force by the formulas, digits near the query, scale, duplicates, exclusion, batches, stores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError
from zoo.search.exact import ExactStore
from zoo.search.index import AnalogyIndex
from zoo.search.measures import MEASURES
from zoo.search.store import VectorStore


def unit(vectors):
    vectors = np.asarray(vectors, float)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def index_of(vectors, **options):
    store = ExactStore(len(vectors[0]))
    ids = [f"{row:04d}" for row in range(len(vectors))]
    store.add(ids, vectors)
    return AnalogyIndex(store, **options), ids


def plane(degrees):
    return [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]


def random_index(rows=3000, dimensions=32, seed=0):
    rng = np.random.default_rng(seed)
    matrix = unit(rng.standard_normal((rows, dimensions))).astype(np.float32)
    index, ids = index_of(matrix)
    return index, ids, unit(matrix), unit(rng.standard_normal((40, dimensions)))


def found(hits):
    return [hit.id for hit in hits]


class Inner(VectorStore):
    """Only what any store promises: inner products, best first, and not exact."""

    def __init__(self, inside):
        self.inside, self.dimensions = inside, inside.dimensions

    def __len__(self):
        return len(self.inside)

    def ids(self):
        return self.inside.ids()

    def add(self, ids, vectors):
        self.inside.add(ids, vectors)

    def remove(self, ids):
        self.inside.remove(ids)

    def vectors(self, ids):
        return self.inside.vectors(ids)

    def nearest(self, queries, count):
        return self.inside.nearest(queries, count)


def test_by_hand_in_space():
    # The query is the x axis; add y, remove x: d = (-1, 1, 0). y itself lies along d exactly, z half as much so.
    index, _ = index_of(np.eye(3))
    hits = index.search([1, 0, 0], add=[[0, 1, 0]], remove=[[1, 0, 0]])
    assert found(hits) == ["0001", "0002"]
    first, second = hits
    assert first[1:] == pytest.approx((1.0, math.sqrt(2), 0.0, 0.0), abs=1e-7)
    assert second[1:] == pytest.approx((0.5, math.sqrt(0.5), math.sqrt(1.5), 0.0), abs=1e-7)


def test_brute_force_by_the_formulas():
    index, ids, rows, vectors = random_index()
    for query, added, removed in vectors[:30].reshape(10, 3, -1):
        step, change = rows - query, added - removed
        cosine = step @ change / np.linalg.norm(step, axis=1) / np.linalg.norm(change)
        expected = {
            "direction": cosine,
            "anchored": cosine + 0.3 * rows @ query,
            "kiros": rows @ query + rows @ change,
        }
        hits = index.compare(query, [added], [removed], top=15)
        assert tuple(hits) == MEASURES
        for measure, scores in expected.items():
            best = np.argsort(-scores)[:15]
            assert found(hits[measure]) == [ids[row] for row in best]
            assert [hit.score for hit in hits[measure]] == pytest.approx(scores[best].tolist(), abs=1e-6)
            assert hits[measure] == index.search(query, [added], [removed], measure, top=15)
        target = unit(query - removed + added)
        assert found(hits["kiros"]) == [ids[row] for row in np.argsort(-(rows @ target))[:15]]
        for hit in hits["direction"]:
            squared = np.sum((rows[ids.index(hit.id)] - query) ** 2)
            assert hit.along**2 + hit.off**2 == pytest.approx(squared, abs=1e-6)
            assert hit.keep == pytest.approx(1 - squared / 2, abs=1e-6)


def test_several_vectors_on_each_side():
    index, ids, rows, vectors = random_index()
    query, change = vectors[0], vectors[1:4].mean(axis=0) - vectors[4:6].mean(axis=0)
    step = rows - query
    best = np.argsort(-(step @ change) / np.linalg.norm(step, axis=1))[:10]
    assert found(index.search(query, vectors[1:4], vectors[4:6])) == [ids[row] for row in best]


def near_duplicates(rng, query, change):
    """Rows 2e-3 away from the query, at known angles from the change, and far rows that are worse than any."""
    side = rng.standard_normal((400, len(query)))
    for base in (query, change):
        side -= np.outer(side @ base, base)
    angles = np.linspace(0.05, 1.2, 400)
    steps = np.cos(angles)[:, None] * change + np.sin(angles)[:, None] * unit(side)
    return unit(np.concatenate([query + 2e-3 * steps, -change + 0.1 * unit(side)]))


def test_digits_that_float32_products_lose():
    rng = np.random.default_rng(5)
    query = unit(rng.standard_normal(128)).astype(np.float32)
    start = unit(query)
    change = rng.standard_normal(128)
    change = unit(change - (change @ start) * start)
    matrix = near_duplicates(rng, start, change).astype(np.float32)
    index, ids = index_of(matrix)
    rows = unit(matrix)
    step = rows - start
    squared = np.sum(step**2, axis=1)
    # The premise: 2 - 2P in float32 is wrong by more than a hundredth for these rows, and so is the ranking.
    products = np.maximum(2 - 2 * (matrix @ query), 1e-9)[:400]
    assert np.max(np.abs(products / squared[:400] - 1)) > 0.01
    added, removed = unit(change + 0.5 * start), unit(-change + 0.5 * start)
    edit = added.astype(np.float32) - removed.astype(np.float32)
    naive = (matrix @ edit - query @ edit)[:400] / np.sqrt(products)
    cosine = step @ edit.astype(float) / np.sqrt(squared) / np.linalg.norm(edit.astype(float))
    best = np.argsort(-cosine)[:20]
    assert np.argsort(-naive)[:20].tolist() != best.tolist()
    hits = index.search(query, [added], [removed], top=20)
    # The stored rows are rounded, which moves a cosine of steps of 2e-3 by up to 1e-5; neighbours differ by 1e-3.
    assert found(hits) == [ids[row] for row in best]
    assert [hit.score for hit in hits] == pytest.approx(cosine[best].tolist(), abs=1e-4)
    assert [hit.along**2 + hit.off**2 for hit in hits] == pytest.approx(squared[best].tolist(), rel=1e-3)


def test_rescaling_the_edit_changes_kiros_and_not_direction():
    # From east, the edit points north. Of 20 and 80 degrees, 80 changes more and 20 keeps more.
    index, _ = index_of([plane(20), plane(80), plane(-90)])
    weak, strong = 0.1, 10.0
    query, add, remove = plane(0), [plane(90)], [plane(-90)]
    assert found(index.search(query, add, remove, "kiros", weak))[0] == "0000"
    assert found(index.search(query, add, remove, "kiros", strong))[0] == "0001"
    edit = index.edit(add, remove)
    hits = [
        index.search_many([query], [type(edit)(edit.direction * scale)])[0] for scale in (weak, 1.0, strong)
    ]
    for rescaled in hits:
        assert found(rescaled) == found(hits[1])
        for mine, other in zip(rescaled, hits[1], strict=True):
            assert mine[1:] == pytest.approx(other[1:])


def test_the_query_and_its_duplicates_are_no_hits():
    rng = np.random.default_rng(6)
    query, others = unit(rng.standard_normal(16)), unit(rng.standard_normal((4, 16)))
    index, _ = index_of([query, *others, unit(query + 1e-5 * others[0]), query])
    for measure in MEASURES:
        hits = index.search(query, [others[0]], [others[1]], measure, top=50)
        assert sorted(found(hits)) == ["0001", "0002", "0003", "0004"]
    # Plain neighbours are a question about the vector itself.
    assert found(index.nearest(query, top=3)) == ["0000", "0006", "0005"]


def test_equal_vectors_come_in_the_order_of_their_ids():
    rng = np.random.default_rng(7)
    same, query, added, removed = unit(rng.standard_normal((4, 16)))
    store = ExactStore(16)
    ids = [f"{number:02d}" for number in rng.permutation(30)]
    store.add(ids, np.tile(same, (30, 1)))
    for measure in MEASURES:
        hits = AnalogyIndex(store).search(query, [added], [removed], measure, top=30)
        assert found(hits) == sorted(ids)
    assert found(AnalogyIndex(store).nearest(same, top=30)) == sorted(ids)


def test_excluded_ids_make_room_for_the_next():
    index, _, _, vectors = random_index()
    query, added, removed = vectors[:3]
    for measure in MEASURES:
        hits = found(index.search(query, [added], [removed], measure, top=120))
        rest = index.search(query, [added], [removed], measure, exclude=[*hits[:110], "elsewhere"])
        assert found(rest) == hits[110:]
    near = found(index.nearest(query, top=5))
    assert found(index.nearest(query, top=3, exclude={near[0], near[3]})) == [near[1], near[2], near[4]]


@pytest.mark.parametrize("measure", MEASURES)
def test_a_batch_answers_as_its_queries_alone(measure):
    index, _, _, vectors = random_index()
    edits = [index.edit([vectors[20 + i]], [vectors[30 + i]]) for i in range(10)]
    exclude = [[f"{10 * i:04d}"] for i in range(10)]
    together = index.search_many(vectors[:10], edits, measure=measure, exclude=exclude)
    for i, hits in enumerate(together):
        alone = index.search(vectors[i], [vectors[20 + i]], [vectors[30 + i]], measure, exclude=exclude[i])
        assert hits == alone
        assert len(hits) == 10
    assert len({hits[0].id for hits in together}) > 5
    assert index.search_many(np.empty((0, 32)), []) == []


def test_top_beyond_the_index_gives_all():
    index, ids = index_of(np.eye(3))
    assert sorted(found(index.search(unit([1, 1, 1]), [[0, 1, 0]], [[1, 0, 0]], top=1000))) == ids


def test_an_edit_of_one_side_uses_the_mean_text():
    index, _, _, vectors = random_index()
    gap = vectors[:20].mean(axis=0)
    told = AnalogyIndex(index.store, mean_text=gap)
    np.testing.assert_allclose(told.edit([vectors[1]]).direction, vectors[1] - gap, atol=1e-6)
    assert found(told.search(vectors[0], add=[vectors[1]])) != found(
        told.search(vectors[0], remove=[vectors[1]])
    )
    with pytest.raises(DataError, match="nothing to remove, and no mean text"):
        index.search(vectors[0], add=[vectors[1]])


def test_a_store_of_inner_products_alone_gives_the_same_hits():
    index, _, _, vectors = random_index(dimensions=8)
    plain = AnalogyIndex(Inner(index.store))
    shared = dict.fromkeys(MEASURES, 0)
    for query, added, removed in vectors[:30].reshape(10, 3, -1):
        exact, asked = (each.compare(query, [added], [removed]) for each in (index, plain))
        for measure in MEASURES:
            shared[measure] += len(set(found(exact[measure])) & set(found(asked[measure])))
            # Whatever is found has its exact score.
            known = {hit.id: hit for hit in exact[measure]}
            assert all(hit == known[hit.id] for hit in asked[measure] if hit.id in known)
    assert shared["kiros"] == 100
    assert min(shared.values()) >= 97


def test_candidates_for_direction_come_from_more_than_the_direction():
    # 20 rows a short step from the query, nearly along d; 300 that share more of d, and nothing of the query.
    rng = np.random.default_rng(8)
    side = 0.1 * unit(np.pad(rng.standard_normal((320, 6)), ((0, 0), (2, 0))))
    query, change = np.eye(8)[:2]
    index, ids = index_of(np.concatenate([unit(query + 0.4 * change + side[:20]), unit(change + side[20:])]))
    edited = {"add": [change], "remove": [-change], "top": 10}
    exact = index.search(query, **edited)
    assert set(found(exact)) <= set(ids[:20])
    assert AnalogyIndex(Inner(index.store)).search(query, **edited) == exact


QUERY_ERRORS = {
    "size": ([1.0, 0.0], "query: shape [1, 2] of float64\nExpected: numbers of shape [n, 3]\n"),
    "nan": ([math.nan, 0.0, 0.0], "query: row 0 holds NaN or infinity\nExpected: finite numbers\n"),
    "length": ([0.5, 0.0, 0.0], "query: row 0 has length 0.5\nExpected: length 1 within 0.001\n"),
}


@pytest.mark.parametrize("kind", QUERY_ERRORS)
def test_wrong_queries(kind):
    query, text = QUERY_ERRORS[kind]
    index, _ = index_of(np.eye(3))
    for call in (index.nearest, lambda given: index.search(given, [[0, 1, 0]], [[1, 0, 0]])):
        with pytest.raises(DataError) as error:
            call(query)
        assert str(error.value).startswith(text)


def test_wrong_use():
    index, _ = index_of(np.eye(3))
    asked = {"query": [1, 0, 0], "add": [[0, 1, 0]], "remove": [[0, 0, 1]]}
    with pytest.raises(ConfigError, match=r"weight 0\.5 for the measure 'direction', which has none"):
        index.search(**asked, weight=0.5)
    with pytest.raises(ConfigError, match="there is no measure 'cosine'"):
        index.compare(**asked, weights={"cosine": None})
    with pytest.raises(ConfigError, match="top 0"):
        index.search(**asked, top=0)
    with pytest.raises(ConfigError, match="exclude '0001' is one text"):
        index.search(**asked, exclude="0001")
    with pytest.raises(DataError, match="2 queries, 1 edits, 2 times ids to exclude"):
        index.search_many(np.eye(3)[:2], [index.edit(asked["add"], asked["remove"])])
    with pytest.raises(DataError, match="the same is added and removed"):
        index.search([1, 0, 0], [[0, 1, 0]], [[0, 1, 0]])
    with pytest.raises(DataError) as error:
        AnalogyIndex(ExactStore(3)).search(**asked)
    assert str(error.value) == "the index is empty\nFix: add vectors before searching"
