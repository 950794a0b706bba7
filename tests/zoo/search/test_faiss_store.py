"""FAISS: one list and many, their growth, the recall of few probes, files, and wrong settings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError, MissingExtraError
from zoo.search import inverted_lists
from zoo.search.faiss_store import FaissStore

pytest.importorskip("faiss", reason="faiss-cpu (extra search) is absent")


def clustered(rows: int, dimensions: int, clusters: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, dimensions))
    points = centres[random.integers(0, clusters, rows)] + 0.3 * random.standard_normal((rows, dimensions))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def names(rows: int) -> list[str]:
    return [f"{row}.jpg" for row in range(rows)]


def test_lists_are_made_at_train_at_and_again_at_four_times_as_many() -> None:
    rows = clustered(1700, 16, 20)
    told: list[tuple[str, int, int]] = []
    store = FaissStore(16, train_at=400, progress=lambda *step: told.append(step))
    made = []
    for start in range(0, 1700, 100):
        store.add(names(1700)[start : start + 100], rows[start : start + 100])
        made.append(store._proposing.lists if store._proposing else 0)
    # 2 sqrt(400) = 40 lists from 400 vectors on, 2 sqrt(1600) = 80 from 1,600 on.
    assert made == [0] * 3 + [40] * 12 + [80] * 2
    assert [step for step in told if step[0] == "training"] == [
        ("training", done, 10) for done in range(1, 11)
    ] * 2
    assert ("adding", 1600, 1600) in told
    assert told[-1] == ("adding", 100, 100)
    np.testing.assert_allclose(store.vectors(names(1700)), rows, atol=1e-7)
    assert list(store.ids()) == names(1700)


def test_one_list_for_ever_is_exact_at_every_size() -> None:
    rows = clustered(3000, 16, 20)
    store = FaissStore(16, lists=1, train_at=100)
    store.add(names(3000), rows)
    assert store._proposing is None
    best = np.argsort(-(rows[:50].astype(float) @ rows.T.astype(float)), axis=1)[:, :10]
    assert store.nearest(rows[:50], 10) == [[f"{row}.jpg" for row in found] for found in best]


def test_few_probes_find_nearly_all_neighbours_in_clusters_and_miss_some_without() -> None:
    def recall(rows: np.ndarray, probes: int) -> float:
        store = FaissStore(rows.shape[1], lists=64, probes=probes, train_at=100)
        store.add(names(len(rows)), rows)
        best = np.argsort(-(rows[:200] @ rows.T), axis=1)[:, :10]
        found = store.nearest(rows[:200], 10)
        hits = [
            len({f"{row}.jpg" for row in wanted} & set(got)) for wanted, got in zip(best, found, strict=True)
        ]
        return sum(hits) / 2000

    clusters = clustered(5000, 32, 40)
    directions = clustered(5000, 32, 5000)
    assert recall(clusters, 8) > 0.98
    assert recall(directions, 8) < 0.9
    assert recall(directions, 64) > 0.999


def test_the_same_seed_makes_the_same_lists() -> None:
    rows = clustered(2000, 16, 40)
    stores = [FaissStore(16, lists=50, probes=2, train_at=100, seed=seed) for seed in (1, 1, 2)]
    for store in stores:
        store.add(names(2000), rows)
    first, again, other = [store.nearest(rows[:300], 40) for store in stores]
    assert first == again
    assert first != other


def test_more_lists_are_read_where_the_probed_ones_hold_too_few() -> None:
    rows = clustered(1000, 16, 40)
    store = FaissStore(16, lists=40, probes=1, train_at=100)
    store.add(names(1000), rows)
    found = store.nearest(rows[:5], 900)
    assert [len(set(ids)) for ids in found] == [900] * 5


def test_a_saved_store_is_the_same_and_goes_on(tmp_path: Path) -> None:
    rows = clustered(1200, 16, 20)
    store = FaissStore(16, probes=3, train_at=300, seed=5)
    store.add(names(1000), rows[:1000])
    store.remove(["7.jpg", "999.jpg"])
    store.save(tmp_path / "new" / "pictures.faiss")
    loaded = FaissStore.load(tmp_path / "new" / "pictures.faiss")
    assert (loaded.dimensions, loaded.lists, loaded.probes, loaded.train_at, loaded.seed) == (
        16,
        None,
        3,
        300,
        5,
    )
    assert loaded.ids() == store.ids()
    np.testing.assert_array_equal(loaded.vectors(store.ids()), store.vectors(store.ids()))
    assert loaded.nearest(rows[:100], 10) == store.nearest(rows[:100], 10)
    for each in (store, loaded):
        # A number that was freed by a removal is not given to two vectors.
        each.add([*names(1200)[1000:], "0.jpg"], np.concatenate([rows[1000:], rows[1:2]]))
    assert len(loaded) == 1198
    assert loaded.nearest(rows[:100], 10) == store.nearest(rows[:100], 10)
    assert loaded._proposing.lists == store._proposing.lists == 63  # 2 sqrt(1000): not outgrown yet


def test_a_failed_save_leaves_the_file_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pictures.faiss"
    store = FaissStore(4, lists=2, train_at=2)
    store.add(names(3), clustered(3, 4, 3))
    store.save(path)
    before = path.read_bytes()
    store.remove(["0.jpg"])

    def disk_full(self: object, file: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(inverted_lists.InvertedLists, "write", disk_full)
    with pytest.raises(OSError, match="no space left"):
        store.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["pictures.faiss"]


def test_files_that_are_no_stores(tmp_path: Path) -> None:
    path = tmp_path / "pictures.faiss"
    with pytest.raises(DataError, match=r"pictures\.faiss is not there\nFix: give the file"):
        FaissStore.load(path)
    path.write_bytes(b"\x89PNG and more bytes than the head of a store has")
    with pytest.raises(DataError, match="is no FAISS store of mizoo"):
        FaissStore.load(path)
    store = FaissStore(4, lists=2, train_at=20)
    store.add(names(30), clustered(30, 4, 3))
    store.save(path)
    whole = path.read_bytes()
    for size in (len(whole) - 1, len(whole) - 200, 60, 24):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"pictures\.faiss is damaged: "):
            FaissStore.load(path)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"dimensions": 0}, "dimensions=0\nExpected: at least 1"),
        ({"lists": 0}, "lists=0\nExpected: at least 1"),
        ({"probes": -3}, "probes=-3\nExpected: at least 1"),
        ({"train_at": 0}, "train_at=0\nExpected: at least 1"),
        (
            {"lists": 500, "train_at": 400},
            "lists=500 with train_at=400\nExpected: at least one vector for each list",
        ),
    ],
    ids=["dimensions", "lists", "probes", "train_at", "more-lists-than-vectors"],
)
def test_wrong_settings(settings: dict[str, int], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        FaissStore(**({"dimensions": 4} | settings))
    assert str(raised.value).startswith(text)


def test_a_count_below_one() -> None:
    store = FaissStore(4)
    with pytest.raises(DataError, match="count=0\nExpected: at least 1"):
        store.nearest(np.eye(4, dtype=np.float32), 0)


def test_without_faiss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(
        MissingExtraError,
        match=r"needs faiss-cpu, which is not installed.\nFix: pip install 'mizoo\[search\]'",
    ):
        FaissStore(4)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    # 700 vectors for 20 lists are few enough that faiss itself would warn.
    store = FaissStore(8, lists=20, train_at=100)
    store.add(names(700), clustered(700, 8, 5))
    store.nearest(clustered(5, 8, 5), 3)
    assert capfd.readouterr() == ("", "")
