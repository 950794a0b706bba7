"""An index on disk: built, brought up to date, interrupted, read meanwhile; and what is refused."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from zoo.data.examples import example_image
from zoo.errors import DataError
from zoo.search import folder as folder_module
from zoo.search import generations
from zoo.search.build import build_index
from zoo.search.folder import IndexFolder, Record
from zoo.search.searcher import PictureSearch

STORES = ["exact", "faiss", "milvus"]


def need(store):
    if store == "faiss":
        pytest.importorskip("faiss", reason="faiss (extra search) is absent")
    if store == "milvus":
        pytest.importorskip("milvus_lite", reason="milvus-lite (extra search) is absent")


def vectors_of(index):
    with IndexFolder.open(index) as opened:
        names = sorted(opened.contents)
        assert sorted(opened.index.store.ids()) == names
        return dict(zip(names, opened.index.store.vectors(names), strict=True))


def assert_agrees(index, images, embedder):
    """The index has the vectors of just the pictures that are there."""
    paths = {p.relative_to(images).as_posix(): p for p in images.rglob("*") if p.is_file()}
    found = vectors_of(index)
    assert list(found) == sorted(paths)
    np.testing.assert_allclose(
        np.stack(list(found.values())), embedder.images([paths[name] for name in sorted(paths)]), atol=1e-5
    )


def test_a_folder_becomes_an_index(embedder, images, tmp_path):
    (images / ".hidden.jpg").write_bytes(b"no picture")
    (images / "notes.txt").write_text("no picture")
    stages = {}
    built = build_index(
        embedder, images, tmp_path / "index", progress=lambda stage, *count: stages.update({stage: count})
    )
    names = ("0.jpg", "1.jpg", "2.jpg", "3.png", "below/4.jpg", "below/5.jpg")
    assert (built.pictures, built.added, built.changed, built.removed) == (6, tuple(sorted(names)), (), ())
    assert stages == {"reading": (6, 6), "embedding": (6, 6), "writing": (6, 6)}
    (images / ".hidden.jpg").unlink()
    (images / "notes.txt").unlink()
    assert_agrees(tmp_path / "index", images, embedder)
    with IndexFolder.open(tmp_path / "index") as opened:
        assert isinstance(opened.index.store.matrix.base, np.memmap)
        assert len(opened) == 6
        assert opened.path("below/4.jpg") == images / "below" / "4.jpg"
        assert opened.record.sha256 == embedder.digest
        first = opened.index.nearest(embedder.images([images / "1.jpg"])[0], 1)[0]
        assert first.id == "1.jpg"
    visible = {path.name for path in (tmp_path / "index").iterdir() if path.name[0] != "."}
    assert visible == {"index.json", "probe.npz", "mean_text.npy", "000001"}


@pytest.mark.parametrize("store", STORES)
def test_a_build_brings_an_index_up_to_date(store, embedder, images, tmp_path):
    need(store)
    index = tmp_path / "index"
    build_index(embedder, images, index, store=store)
    assert_agrees(index, images, embedder)
    (images / "0.jpg").unlink()  # gone
    shutil.copy(images / "3.png", images / "1.jpg")  # another content, one that is known
    (images / "2.jpg").write_bytes(example_image(77))  # another content, a new one
    (images / "below" / "4.jpg").rename(images / "renamed.jpg")
    (images / "new.png").write_bytes(example_image(78))
    shutil.copy(images / "new.png", images / "twin.png")
    embedder.asked.clear()
    built = build_index(embedder, images, index)
    assert sorted(embedder.asked) == ["2.jpg", "new.png"]
    assert built.added == ("new.png", "renamed.jpg", "twin.png")
    assert (built.changed, built.removed) == (("1.jpg", "2.jpg"), ("0.jpg", "below/4.jpg"))
    assert (built.pictures, built.embedded) == (7, 2)
    assert_agrees(index, images, embedder)
    assert {p.name for p in index.iterdir() if p.is_dir() and p.name != "vectors.db"} == {"000002"}


def test_where_nothing_changed_nothing_is_written(embedder, images, tmp_path):
    build_index(embedder, images, tmp_path / "index")
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*") if path.name != ".lock"
    }
    embedder.asked.clear()
    built = build_index(embedder, images, tmp_path / "index")
    assert (built.pictures, built.added + built.changed + built.removed, embedder.asked) == (6, (), [])
    after = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*") if path.name != ".lock"
    }
    assert after == before


def test_a_picture_folder_may_move(embedder, images, tmp_path):
    build_index(embedder, images, tmp_path / "index")
    images.rename(tmp_path / "moved")
    embedder.asked.clear()
    build_index(embedder, tmp_path / "moved", tmp_path / "index")
    assert embedder.asked == []
    assert Record.read(tmp_path / "index").images == str(tmp_path / "moved")


def test_readers_keep_the_old_index_and_never_meet_half_of_one(embedder, images, tmp_path, monkeypatch):
    index = tmp_path / "index"
    build_index(embedder, images, index)
    stale = Record.read(index)
    with IndexFolder.open(index) as old:
        before = np.array(old.index.store.matrix)
        (images / "0.jpg").unlink()
        build_index(embedder, images, index)
        np.testing.assert_array_equal(old.index.store.matrix, before)
        assert "0.jpg" in old.contents
    # A reader that read index.json just before it was replaced finds that generation gone, and reads again.
    read, answers = Record.read, [stale]
    monkeypatch.setattr(folder_module.Record, "read", lambda path: answers.pop() if answers else read(path))
    with IndexFolder.open(index) as new:
        assert "0.jpg" not in new.contents
    assert not answers


def test_a_build_that_is_killed_goes_on_where_it_was(embedder, images, trained, tmp_path):
    index = tmp_path / "index"
    build_index(embedder, images, index)
    for row in range(8):
        (images / f"more{row}.jpg").write_bytes(example_image(3 * row + 100))
    script = f"""
import os, signal
from zoo.search import build, embedding
embedding._ROWS_PER_SHARD = 2
def progress(stage, done, total):
    if (stage, done) == ("embedding", 5):
        os.kill(os.getpid(), signal.SIGKILL)
build.build_index({str(trained("vse_bow").run.folder)!r}, {str(images)!r}, {str(index)!r}, progress=progress)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with PictureSearch.open(index) as search:  # the old index is as it was
        assert (len(search.index), len(search.by_text("a red star", 20))) == (6, 6)
    embedder.asked.clear()
    built = build_index(embedder, images, index)
    assert embedder.asked == ["more4.jpg", "more5.jpg", "more6.jpg", "more7.jpg"]
    assert built.embedded == 8
    assert_agrees(index, images, embedder)
    assert not (index / "unfinished").exists()


def test_a_first_build_that_was_interrupted_is_no_index(embedder, images, tmp_path):
    index = tmp_path / "index"

    def stop(stage, done, total):
        if stage == "embedding":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(embedder, images, index, progress=stop)
    with pytest.raises(
        DataError, match=r"is no index: its build was interrupted\.\n.*\nFix: build it again, which"
    ):
        IndexFolder.open(index)
    assert build_index(embedder, images, index).pictures == 6


def test_a_collection_that_was_left_half_changed_is_made_right(embedder, images, tmp_path, monkeypatch):
    """Milvus is changed in place: after an interruption the table of contents must not be believed."""
    need("milvus")
    index, before = tmp_path / "index", (images / "1.jpg").read_bytes()
    build_index(embedder, images, index, store="milvus")
    (images / "1.jpg").write_bytes(example_image(80))
    (images / "3.png").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(generations, "sync", lambda path: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            build_index(embedder, images, index)
    (images / "1.jpg").write_bytes(before)
    build_index(embedder, images, index)
    assert_agrees(index, images, embedder)
    assert not (index / "changing.json").exists()


def test_broken_pictures_are_named_or_left_out(embedder, images, tmp_path, caplog):
    index, broken = tmp_path / "index", images / "0.jpg"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:200])
    with pytest.raises(
        DataError, match=r"The picture .*0\.jpg cannot be read: \S.*\n.*\n.*--skip-bad-images"
    ):
        build_index(embedder, images, index)
    assert not (index / "index.json").exists()
    built = build_index(embedder, images, index, skip_bad_images=True)
    assert ([bad.path for bad in built.bad], built.pictures) == ([broken], 5)
    assert f"1 of 6 pictures cannot be read and are left out:\n  {broken}: " in caplog.text
    broken.write_bytes(whole)
    (images / "1.jpg").write_bytes(b"")
    embedder.asked.clear()
    built = build_index(embedder, images, index, skip_bad_images=True)
    assert (built.added, built.removed, built.pictures) == (("0.jpg",), ("1.jpg",), 5)
    for path in images.rglob("*.*g"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"No picture in .*images can be read\.\nFix: name a folder of whole"):
        build_index(embedder, images, index, skip_bad_images=True)
    assert len(vectors_of(index)) == 5


def test_milvus_in_a_file_of_its_own(embedder, images, tmp_path, monkeypatch):
    need("milvus")
    monkeypatch.chdir(tmp_path)
    build_index(embedder, images, tmp_path / "index", store="milvus", milvus_uri="own.db")
    assert Record.read(tmp_path / "index").store["uri"] == str(tmp_path / "own.db")
    assert not (tmp_path / "index" / "vectors.db").exists()
    assert_agrees(tmp_path / "index", images, embedder)
