"""Mirrors are the same store, or a part of it, and are never mixed with another."""

from __future__ import annotations

import hashlib

import pytest

from export.store.change import read_index
from export.store.collect import collect
from export.store.index import Index
from export.store.inspect import check_store
from export.store.mirror import mirror
from export.store.publish import publish
from tests.export.store.http_store import serving
from tests.export.store.small_models import tree, write_small_model
from zoo.errors import StoreError


@pytest.fixture
def host(store):
    with serving(store) as running:
        yield running


def asked(host):
    """The paths that were asked for since the last call."""
    paths = [path.lstrip("/") for path, _, _ in host.requests]
    host.requests.clear()
    return paths


@pytest.fixture
def publish_more(tmp_path):
    """Publishes a new model: publish_more(store, name)."""

    def more(store, name="c"):
        folder = tmp_path / "models" / name / "1"
        return publish(folder if folder.exists() else write_small_model(folder, weights=name.encode()), store)

    return more


def test_mirroring_all(publish_more, store, host, tmp_path):
    url = host.url
    target = tmp_path / "mirror"
    seen = []
    done = mirror(url, target, progress=lambda part, total: seen.append((part, total)))
    assert tree(target) == tree(store)
    assert [finding.level for finding in check_store(target)] == ["ok"] * 4
    assert sorted(done.copied) == ["a/1.md", "a/1.tar.gz", "a/2.md", "a/2.tar.gz", "b/1.md", "b/1.tar.gz"]
    assert seen[-1] == (done.size, done.size)
    assert done.size == sum((store / path).stat().st_size for path in done.copied)
    asked(host)
    assert mirror(url, target).copied == ()
    assert asked(host) == ["index.json"]
    # One file is gone, and the source has a model more: only these two are asked for.
    (target / "a" / "1.md").unlink()
    entry = publish_more(store).entry
    assert mirror(url, target).copied == ("a/1.md", "c/1.tar.gz", "c/1.md")
    former = read_index(store)[0].previous
    assert asked(host) == ["index.json", f"history/{former}.json", "a/1.md", "c/1.tar.gz", "c/1.md"]
    assert tree(target) == tree(store)
    assert read_index(target)[0].find("c") == entry
    assert list(target.glob(".[!l]*")) == []


def test_mirroring_a_folder_copies_it(store, tmp_path):
    mirror(store, tmp_path / "mirror")
    assert tree(tmp_path / "mirror") == tree(store)
    assert all(
        (store / path).stat().st_ino != (tmp_path / "mirror" / path).stat().st_ino for path in tree(store)
    )


def test_mirroring_some(publish_more, store, tmp_path):
    target = tmp_path / "mirror"
    source, raw = read_index(store)
    mirror(store, target, names=["b"])
    index, first = read_index(target)
    assert list(index) == [source.find("b")]
    assert (index.sequence, index.previous) == (4, Index().with_entry(source.find("b"), raw).previous)
    assert [f.text for f in check_store(target)] == [
        "hash ok, unsigned",
        "4 states, each names the one before it",
    ]
    assert mirror(store, target, names=["b"]).copied == ()
    assert (target / "index.json").read_bytes() == first
    # The source goes on; another name joins those that are there.
    publish_more(store)
    publish_more(store, "d")
    assert mirror(store, target, names=["c"]).copied == ("c/1.tar.gz", "c/1.md")
    assert sorted(read_index(target)[0].models) == ["b", "c"]
    assert [f.level for f in check_store(target)] == ["ok", "ok", "ok"]
    assert collect(target, age=0) == []
    # All of them: the same store again, byte by byte.
    mirror(store, target)
    (left,) = collect(target, age=0)  # what the target named as the state before its own
    assert left.path == f"history/{hashlib.sha256((store / 'index.json').read_bytes()).hexdigest()}.json"
    assert tree(target) == tree(store)
    with pytest.raises(StoreError, match=r"The store has no model 'bb'\. Did you mean 'b'"):
        mirror(store, tmp_path / "other", names=["bb"])
    assert not (tmp_path / "other").exists()


def test_targets_that_are_no_copy_of_the_source(publish_more, store, tmp_path):
    target = tmp_path / "mirror"
    mirror(store, target)
    publish_more(target)
    before = tree(target)
    with pytest.raises(StoreError, match="is older than"):
        mirror(store, target)
    publish_more(store, "d")
    with pytest.raises(StoreError, match="have changed apart from each other") as caught:
        mirror(store, target)
    assert caught.value.fix == "mirror into another folder"
    part = tmp_path / "part"
    mirror(store, part, names=["a"])
    publish_more(part)
    with pytest.raises(StoreError, match="have changed apart"):
        mirror(store, part, names=["a"])
    assert tree(target) == before


def test_a_mirror_goes_on_where_it_failed(store, host, tmp_path):
    whole = (store / "b" / "1.tar.gz").read_bytes()
    (store / "b" / "1.tar.gz").write_bytes(whole.replace(b"b1", b"b2"))
    target = tmp_path / "mirror"
    with pytest.raises(StoreError, match=r"b/1\.tar\.gz has other bytes"):
        mirror(host.url, target)
    assert not (target / "index.json").exists()
    (store / "b" / "1.tar.gz").write_bytes(whole)
    asked(host)
    assert mirror(host.url, target).copied == ("b/1.tar.gz", "b/1.md")
    assert not [path for path in asked(host) if path.startswith("a/")]
    assert tree(target) == tree(store)


def test_a_mirror_of_a_damaged_history(store, tmp_path):
    index, _ = read_index(store)
    (store / "history" / f"{index.previous}.json").unlink()
    with pytest.raises(StoreError, match=r"history of .* is broken"):
        mirror(store, tmp_path / "mirror")
    assert tree(tmp_path / "mirror") == {}
