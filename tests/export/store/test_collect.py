"""Leftovers are removed from stores and caches, and nothing else is."""

from __future__ import annotations

import os
import threading

import pytest

from export.store.cache import Cache
from export.store.change import locked, read_index
from export.store.collect import collect
from export.store.collect_cache import collect_cache
from tests.export.store.small_models import tree
from zoo.errors import StoreError


def leave(store):
    """Leftovers of each kind; path -> size."""
    left = {
        "a/9.tar.gz": 4,
        "c/1.sig": 3,
        f"history/{'0' * 64}.json": 2,
        ".index.json-x": 1,
        ".staging-x/archive": 7,
        ".parts/y.part": 6,
    }
    for path, size in left.items():
        (store / path).parent.mkdir(exist_ok=True)
        (store / path).write_bytes(b"x" * size)
    mine = ["notes.txt", "a/README.md", "history/notes.json", "a/1.txt", "a/01.md"]
    for path in mine:
        (store / path).write_bytes(b"mine")
    sizes = {path.split("/")[0] if path.startswith(".") else path: size for path, size in left.items()}
    return sorted(sizes.items()), mine


def test_collecting_removes_leftovers_and_nothing_else(store, published):
    left, mine = leave(store)
    before = tree(store)
    assert [(r.path, r.size) for r in collect(store, dry_run=True, age=0)] == left
    assert tree(store) == before
    # What is young may be in use where the lock has no effect.
    young = [(path, size) for path, size in left if path.startswith(".")]
    assert [(r.path, r.size) for r in collect(store)] == [item for item in left if item not in young]
    assert [(r.path, r.size) for r in collect(store, age=0)] == young
    assert tree(store).keys() == tree(published).keys() | set(mine)
    assert not (store / "c").exists()
    assert collect(store, age=0) == []


def test_collecting_without_index_or_history_keeps_what_they_would_name(store):
    index, _ = read_index(store)
    (store / "history" / f"{index.previous}.json").unlink()
    assert collect(store, age=0) == []
    (store / "index.json").unlink()
    assert collect(store, age=0) == []
    (store / "index.json").write_text("{")
    with pytest.raises(StoreError, match="is no index"):
        collect(store, age=0)
    with pytest.raises(StoreError, match="There is no folder"):
        collect(store / "none")


def test_collecting_waits_for_a_publisher(store):
    (store / "a" / "9.tar.gz").write_bytes(b"left")
    done = threading.Event()

    def work():
        collect(store)
        done.set()

    with locked(store):
        thread = threading.Thread(target=work)
        thread.start()
        assert not done.wait(0.3)
        assert (store / "a" / "9.tar.gz").exists()
    thread.join(10)
    assert not (store / "a" / "9.tar.gz").exists()


def test_collecting_the_cache(store, tmp_path):
    cache = Cache(tmp_path / "cache")
    parts = {name: cache.archive(name * 64).with_suffix("").with_suffix(".part") for name in "abc"}
    for path in parts.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"part")
        path.with_suffix(".origin").write_text("{}")
    os.utime(parts["a"], (1, 1))
    os.utime(parts["b"], (1, 1))
    keep = [
        cache.archive("d" * 64),
        cache.models / "m" / "3" / "saved_model.pb",
        cache.models / "m" / ".staging-x",
    ]
    for path in keep:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"keep")
    staged = [cache.models / "m" / f".staging-{v}-x" / v / "saved_model.pb" for v in ("4", "5")]
    for path in staged:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"staged")
    removable = [(f"archives/{'a' * 64}.part", 4), ("models/m/.staging-4-x", 6)]
    with cache.lock("b" * 64), cache.lock(str((cache.models / "m" / "5").resolve())):
        assert [(r.path, r.size) for r in collect_cache(cache, dry_run=True)] == removable
        assert parts["a"].exists()
        assert [(r.path, r.size) for r in collect_cache(cache)] == removable
    assert not parts["a"].exists() and not parts["a"].with_suffix(".origin").exists()
    assert not staged[0].exists()
    assert all(path.exists() for path in [*keep, parts["b"], parts["c"], staged[1]])
    assert len(collect_cache(cache, age=0)) == 3
    assert all(path.exists() for path in keep)
