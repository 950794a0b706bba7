"""Searches with the model that made the index: by a sentence, by a picture, by an edit."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError
from zoo.search.build import build_index
from zoo.search.folder import IndexFolder
from zoo.search.searcher import PictureSearch


@pytest.fixture(scope="module")
def search(loaded, shapes, tmp_path_factory):
    root = tmp_path_factory.mktemp("searched")
    (root / "images").mkdir()
    for row, path in enumerate(sorted((shapes / "Images").iterdir())[:12]):
        shutil.copy(path, root / "images" / f"{row:02}{path.suffix}")
    shutil.copy(root / "images" / "00.jpg", root / "images" / "00-copy.jpg")
    build_index(loaded, root / "images", root / "index")
    with IndexFolder.open(root / "index") as opened:
        yield PictureSearch(opened, loaded)


def test_a_sentence_finds_by_cosine(search, loaded):
    hits = search.by_text("a red star", 5)
    store = search.index.index.store
    cosines = dict(
        zip(store.ids(), store.vectors(store.ids()) @ loaded.texts(["a red star"])[0], strict=True)
    )
    # By score, not by name: "00.jpg" and its copy tie, and either may be the fifth.
    assert len({hit.id for hit in hits}) == 5
    scores = [hit.score for hit in hits]
    np.testing.assert_allclose(scores, [cosines[hit.id] for hit in hits], atol=1e-5)
    np.testing.assert_allclose(scores, sorted(cosines.values(), reverse=True)[:5], atol=1e-5)


def test_the_query_and_its_copies_are_left_out(search, tmp_path):
    query = search.index.path("00.jpg")
    elsewhere = tmp_path / "elsewhere.jpg"
    elsewhere.write_bytes(query.read_bytes() + b"another content, the same pixels")
    assert search.index.copies(elsewhere) == ()
    assert search.index.copies(query) == ("00-copy.jpg", "00.jpg")
    for path in (query, elsewhere):
        hits = search.by_image(path, 20)
        assert len(hits) == 11
        assert not {"00.jpg", "00-copy.jpg"} & {hit.id for hit in hits}
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert search.by_image(path, 1) == hits[:1]
        for found in search.by_edit(path, remove=["red"], add=["blue"], top=20).values():
            assert not {"00.jpg", "00-copy.jpg"} & {hit.id for hit in found}
            assert len(found) == 11


def test_an_edit_is_that_of_the_vectors(search, loaded):
    query = search.index.path("03.png")
    found = search.by_edit(
        query, remove=["red"], add=["blue", "grass"], measures=["kiros", "direction"], weight=2, top=3
    )
    red, blue, grass = loaded.texts(["red", "blue", "grass"])
    vector = loaded.images([query])[0]
    expected = search.index.index.search(
        vector, [blue, grass], [red], "kiros", 2, 3, exclude=search.index.copies(query)
    )
    assert list(found) == ["kiros", "direction"]
    assert [hit.id for hit in found["kiros"]] == [hit.id for hit in expected]
    np.testing.assert_allclose([hit[1:] for hit in found["kiros"]], [hit[1:] for hit in expected], atol=1e-5)


def test_only_adding_starts_from_the_mean_text(search, loaded):
    query = search.index.path("03.png")
    found = search.by_edit(query, add=["blue"], measures=["direction"], top=1)["direction"][0]
    vectors = loaded.images([query, search.index.path(found.id)]).astype(np.float64)
    direction = loaded.texts(["blue"])[0] - loaded.mean_text()
    along = (vectors[1] - vectors[0]) @ direction / np.linalg.norm(direction)
    assert found.along == pytest.approx(along, abs=1e-4)


def test_a_removed_picture_is_no_longer_found(search, loaded, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(search.index.path(""), images)
    build_index(loaded, images, tmp_path / "index")
    with IndexFolder.open(tmp_path / "index") as opened:
        best = PictureSearch(opened, loaded).by_text("a red star", 1)[0].id
    (images / best).unlink()
    build_index(loaded, images, tmp_path / "index")
    with IndexFolder.open(tmp_path / "index") as opened:
        assert best not in {hit.id for hit in PictureSearch(opened, loaded).by_text("a red star", 20)}


def test_wrong_queries(search, tmp_path):
    query = search.index.path("03.png")
    with pytest.raises(DataError, match="the same is added and removed: the vectors differ by 0\n"):
        search.by_edit(query, remove=["red"], add=["red"])
    with pytest.raises(DataError, match="knows no word of 'zebra': zebra"):
        search.by_edit(query, remove=["red"], add=["zebra"])
    with pytest.raises(DataError, match="nothing is added and nothing removed"):
        search.by_edit(query)
    with pytest.raises(ConfigError, match=r"there is no measure 'kiro'\. Did you mean 'kiros'\?"):
        search.by_edit(query, add=["red"], measures=["kiro"])
    with pytest.raises(
        ConfigError, match=r"The weight 2 belongs to one measure; the measures are direction\."
    ):
        search.by_edit(query, add=["red"], measures=["direction"], weight=2)
    with pytest.raises(
        ConfigError, match=r"the measures are kiros, anchored\.\nExpected: one of kiros, anchored"
    ):
        search.by_edit(query, add=["red"], measures=["kiros", "anchored"], weight=2)
    with pytest.raises(DataError, match=r"The picture .*absent\.jpg does not exist"):
        search.by_image(tmp_path / "absent.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(
        DataError, match=r"The picture .*bad\.jpg cannot be read: .*\n.*\nFix: give another picture"
    ):
        search.by_image(tmp_path / "bad.jpg")
    with pytest.raises(ConfigError, match=r"A model and a server were given\."):
        PictureSearch.open(search.index.folder, model="runs/x", server="localhost:8500")
    with pytest.raises(ConfigError, match=r"The name vse was given without a server\."):
        PictureSearch.open(search.index.folder, name="vse")
