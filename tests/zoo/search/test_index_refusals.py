"""What an index on disk refuses, and what it says then."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest
from filelock import FileLock

import zoo
from zoo.errors import ConfigError, DataError
from zoo.search.build import build_index
from zoo.search.folder import IndexFolder, Record
from zoo.search.milvus_client import StoreError
from zoo.search.run_embedder import RunEmbedder
from zoo.search.searcher import PictureSearch


def test_one_build_at_a_time(embedder, images, tmp_path):
    (tmp_path / "index").mkdir()
    with (
        FileLock(tmp_path / "index" / ".lock"),
        pytest.raises(DataError, match=r"Another process is building .*index\.\nFix: wait for it to end"),
    ):
        build_index(embedder, images, tmp_path / "index")


def test_folders_that_are_none(embedder, images, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"There is no picture in .*empty\.\nExpected: files \.jpg, "):
        build_index(embedder, tmp_path / "empty", tmp_path / "index")
    with pytest.raises(
        DataError, match=r"The picture folder .*absent does not exist\.\nFix: check the path; .*empty"
    ):
        build_index(embedder, tmp_path / "absent", tmp_path / "index")
    with pytest.raises(
        DataError, match=r"images is no index and holds .*\nExpected: an index, or a new folder"
    ):
        build_index(embedder, images, images)
    with pytest.raises(DataError, match=r"0\.jpg is no index and holds a file's content"):
        build_index(embedder, images, images / "0.jpg")
    with pytest.raises(
        DataError, match=r"empty is no index: it has no index\.json\.\n.*\nFix: mizoo index build"
    ):
        IndexFolder.open(tmp_path / "empty")
    assert not (tmp_path / "index").exists()


def test_an_index_of_another_model_is_refused(embedder, images, tmp_path):
    index = tmp_path / "index"
    build_index(embedder, images, index)
    settings = {"image_size": 32, "dimensions": 32, "word_dimensions": 16}
    zoo.create_model("vse_bow", vocabulary=["star"], **settings).save(tmp_path / "other.keras")
    other = RunEmbedder(tmp_path / "other.keras")
    text = (
        rf"index was made with {embedder.name} \(sha256 {embedder.digest[:12]}\), not with vse_bow other\.keras "
        rf"\(sha256 {other.digest[:12]}\)\.\nExpected: one model .*\nFix: use {embedder.path}, or build"
    )
    with pytest.raises(DataError, match=text):
        build_index(other, images, index)
    with IndexFolder.open(index) as opened, pytest.raises(DataError, match=text):
        PictureSearch(opened, other)
    with pytest.raises(DataError, match=text):
        PictureSearch.open(index, model=tmp_path / "other.keras")


def test_stores_that_do_not_fit(embedder, images, tmp_path):
    index = tmp_path / "index"
    with pytest.raises(
        ConfigError, match=r"There is no store 'fais'\. Did you mean 'faiss'\?\nExpected: exact, "
    ):
        build_index(embedder, images, index, store="fais")
    with pytest.raises(
        ConfigError, match=r"A Milvus URI was given for the store 'exact'\.\nFix: leave it out"
    ):
        build_index(embedder, images, index, milvus_uri="http://localhost:19530")
    build_index(embedder, images, index)
    with pytest.raises(ConfigError, match=r"keeps its vectors by \{'kind': 'exact'\}, and kind is faiss\."):
        build_index(embedder, images, index, store="faiss")


def test_a_milvus_that_is_down(embedder, images, tmp_path):
    pytest.importorskip("milvus_lite", reason="milvus-lite (extra search) is absent")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(StoreError, match=rf"cannot open Milvus at {uri}: .*\nFix: start the server"):
            build_index(embedder, images, tmp_path / "new", store="milvus", milvus_uri=uri)
        assert not (tmp_path / "new" / "index.json").exists()
        index = tmp_path / "index"
        build_index(embedder, images, index, store="milvus")
        record = Record.read(index)
        replace(record, store={**record.store, "uri": uri}).write(index)
        with pytest.raises(StoreError, match=rf"cannot open Milvus at {uri}: "):
            IndexFolder.open(index)


def test_damage_is_told(embedder, images, tmp_path):
    index = tmp_path / "index"
    build_index(embedder, images, index)
    table = index / "000001" / "pictures.json"
    contents = json.loads(table.read_text())
    table.write_text(json.dumps(dict(list(contents.items())[1:])))
    with pytest.raises(DataError, match="5 ids, 5 of them different, for 6 rows"):
        IndexFolder.open(index)
    table.unlink()
    with pytest.raises(
        DataError, match=r"index is damaged: .*pictures\.json.*\nFix: remove the folder and build"
    ):
        IndexFolder.open(index)
    (index / "index.json").write_text('{"schema": 0}')
    with pytest.raises(
        DataError, match=r"was written with schema 0\.\nExpected: schema 1\nFix: build it again"
    ):
        IndexFolder.open(index)
