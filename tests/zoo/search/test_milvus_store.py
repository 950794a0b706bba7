"""Milvus: files and servers, what is refused, what a server that is down looks like, and closing."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError, MissingExtraError
from zoo.search.milvus_client import StoreError
from zoo.search.milvus_store import MilvusStore

pytest.importorskip("pymilvus", reason="pymilvus (extra search) is absent")
pytest.importorskip("milvus_lite", reason="milvus-lite (extra search) is absent")

ROWS = np.eye(4, dtype=np.float32)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "new" / "vectors.db")


def test_a_collection_is_kept_in_its_file(uri: str) -> None:
    with MilvusStore(uri, "pictures", 4) as store:
        store.add(["a", "b", "c"], ROWS[:3])
    # Another process sees it only when the first has let go of the file; nothing is printed by either.
    script = f"""
from zoo.search.milvus_store import MilvusStore
with MilvusStore({uri!r}, "pictures") as store:
    assert (len(store), store.dimensions, sorted(store.ids())) == (3, 4, ["a", "b", "c"])
    store.remove(["b"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with MilvusStore(uri, "pictures") as store:
        assert sorted(store.ids()) == ["a", "c"]


def test_two_stores_on_one_file_share_its_server_until_both_are_closed(uri: str) -> None:
    from milvus_lite.server_manager import server_manager_instance

    first, second = MilvusStore(uri, "one", 4), MilvusStore(uri, "two", 4)
    first.add(["a"], ROWS[:1])
    first.close()
    first.close()
    second.add(["b"], ROWS[1:2])
    assert second.ids() == ["b"]
    assert uri in server_manager_instance._servers
    second.close()
    assert uri not in server_manager_instance._servers
    with pytest.raises(StoreError, match=r"the store on .*vectors\.db is closed\nFix: open it again"):
        len(second)


def test_large_writes_are_split_and_flushed(uri: str) -> None:
    rows = np.random.default_rng(0).standard_normal((2500, 4))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = [f"{row}.jpg" for row in range(2500)]
    with MilvusStore(uri, "pictures", 4) as store:
        store.add(ids, rows)
        assert len(store) == 2500
        assert sorted(store.ids()) == sorted(ids)
        np.testing.assert_allclose(store.vectors(ids[::-1]), rows[::-1], atol=1e-7)
        queries = rows[:130]
        assert [found[0] for found in store.nearest(queries, 2)] == ids[:130]
        store.remove(ids[:1200])
        assert len(store) == 1300
        assert store.ids() and not set(store.ids()) & set(ids[:1200])


def test_lists_that_hold_too_few_are_not_the_end(uri: str) -> None:
    rows = np.random.default_rng(0).standard_normal((1500, 4))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    with MilvusStore(
        uri, "pictures", 4, index="IVF_FLAT", build={"nlist": 32}, search={"nprobe": 1}
    ) as store:
        store.add([f"{row}" for row in range(1500)], rows)
        assert [len(set(ids)) for ids in store.nearest(rows[:3], 1400)] == [1400] * 3


def test_a_count_that_milvus_does_not_answer(uri: str) -> None:
    with MilvusStore(uri, "pictures", 4) as store:
        store.add(["a", "b"], ROWS[:2])
        assert store.nearest(ROWS[:1], 20_000) == [["a", "b"]]
        with pytest.raises(DataError, match="count=0\nExpected: 1 to 16384, as Milvus has it"):
            store.nearest(ROWS[:1], 0)


def test_an_id_that_is_too_long(uri: str) -> None:
    with MilvusStore(uri, "pictures", 4) as store:
        with pytest.raises(DataError, match="takes 90000 bytes, percent-encoded\nExpected: at most 65535"):
            store.add(["猫" * 10_000], ROWS[:1])
        assert len(store) == 0


def test_a_collection_of_another_kind(uri: str) -> None:
    MilvusStore(uri, "pictures", 4, index="HNSW").close()
    with pytest.raises(DataError, match="collection pictures has vectors of 4 numbers\nExpected: 512\nFix: "):
        MilvusStore(uri, "pictures", 512)
    with pytest.raises(DataError, match="collection pictures has the index HNSW\nExpected: FLAT"):
        MilvusStore(uri, "pictures", index="FLAT")
    with pytest.raises(DataError, match="collection other is not there\nFix: give dimensions"):
        MilvusStore(uri, "other")
    with pytest.raises(ConfigError, match="search parameter 'nprobe' of HNSW\nExpected: ef\n"):
        MilvusStore(uri, "pictures", search={"nprobe": 3})
    # None of these left the file locked.
    with MilvusStore(uri, "pictures") as store:
        assert store.dimensions == 4


def test_a_collection_that_somebody_else_made(uri: str) -> None:
    from pymilvus import MilvusClient

    with MilvusStore(uri, "pictures", 4):
        client = MilvusClient(uri)
        client.create_collection("numbers", dimension=4)
        client.create_collection("cosine", dimension=4, id_type="string", max_length=99, metric_type="COSINE")
        client.close()
        with pytest.raises(
            DataError, match="collection numbers has the fields id INT64, vector FLOAT_VECTOR\n"
        ):
            MilvusStore(uri, "numbers")
        with pytest.raises(DataError, match=r"collection cosine compares by COSINE\nExpected: IP"):
            MilvusStore(uri, "cosine")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"collection": "my pictures"},
            "collection='my pictures'\nExpected: letters, digits and underscores",
        ),
        ({"collection": "1st"}, "collection='1st'\nExpected: letters"),
        ({"index": "HNWS"}, "index='HNWS'. Did you mean 'HNSW'?\nExpected: AUTOINDEX, FLAT, IVF_FLAT, HNSW"),
        ({"index": "FLAT", "build": {"M": 3}}, "build parameter 'M' of FLAT\nExpected: none"),
        ({"index": "HNSW", "build": {"M": 0}}, "build parameter M=0\nExpected: at least 1"),
        (
            {"uri": "vectors.sqlite"},
            "uri='vectors.sqlite'\nExpected: a file ending in .db, or http://host:19530",
        ),
    ],
    ids=["blank-in-name", "digit-first", "index", "parameter", "parameter-value", "uri"],
)
def test_wrong_settings(settings: dict, text: str, uri: str) -> None:
    with pytest.raises(ConfigError) as raised:
        MilvusStore(**({"uri": uri, "collection": "pictures", "dimensions": 4} | settings))
    assert str(raised.value).startswith(text)


def test_nothing_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(StoreError) as raised:
        MilvusStore(address, "pictures", 4)
    assert time.monotonic() - began < 8
    assert str(raised.value).startswith(f"cannot open Milvus at {address}: ")
    assert raised.value.fix == "start the server, or give its address; without a server, a file ending in .db"


def test_something_listens_and_never_answers() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(StoreError, match=f"cannot open Milvus at {address}: "):
            MilvusStore(address, "pictures", 4, timeout=1.0)
        assert time.monotonic() - began < 5


def test_a_server_that_goes_away(uri: str) -> None:
    from milvus_lite.server_manager import server_manager_instance

    store = MilvusStore(uri, "pictures", 4, timeout=2.0)
    store.add(["a"], ROWS[:1])
    server_manager_instance.release_server(uri)
    began = time.monotonic()
    for ask in (lambda: len(store), lambda: store.nearest(ROWS[:1], 1), lambda: store.add(["b"], ROWS[1:2])):
        with pytest.raises(StoreError, match=r"Milvus at .*vectors\.db, collection pictures: .* failed: "):
            ask()
    assert time.monotonic() - began < 12
    store.close()


@pytest.mark.parametrize(
    ("module", "package"), [("pymilvus", "pymilvus"), ("milvus_lite.server_manager", "milvus-lite")]
)
def test_without_the_extra(module: str, package: str, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingExtraError, match=rf"needs {package}, which is not installed.\nFix: pip install"
    ):
        MilvusStore(uri, "pictures", 4)
