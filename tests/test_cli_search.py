"""`mizoo index` and `mizoo search` as a user meets them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def photos(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos") / "photos"
    folder.mkdir()
    for path in sorted((shapes / "Images").iterdir())[:9]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def index(mizoo, trained, photos):
    """Built once by the command; building it again changes nothing."""
    target = photos.parent / "photos.index"
    status, out, err = mizoo(
        "index", "build", "--model", trained("vse_bow").run.folder, "--images", photos, "--to", target
    )
    assert status == 0, err
    assert f"{target}: 9 pictures (" in out
    assert f"Next: mizoo search {target}" in out
    return target


def test_build_tells_what_it_does_and_leaves_out_bad_pictures(mizoo, trained, photos, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(photos, images)
    bad = images / "bad.jpg"
    bad.write_bytes(b"no picture")
    run = trained("vse_bow").run.folder
    arguments = ("index", "build", "--model", run, "--images", images, "--to", tmp_path / "index")
    status, _, err = mizoo(*arguments)
    assert status == 2
    assert f"The picture {bad} cannot be read" in err
    assert "--skip-bad-images" in err
    status, out, err = mizoo(*arguments, "--skip-bad-images")
    assert status == 0
    assert "9 pictures (9 added, 0 changed, 0 removed; 9 embedded; 1 left out)." in out
    assert "embedding" in err
    assert "/s" in err
    bad.unlink()
    sorted(images.iterdir())[0].unlink()
    assert "8 pictures (0 added, 0 changed, 1 removed; 0 embedded)." in mizoo(*arguments)[1]
    status, _, err = mizoo(*arguments, "--store", "faiss")
    assert (status, "keeps its vectors by" in err) == (2, True)
    status, _, err = mizoo(
        "index", "build", "--model", tmp_path / "x", "--images", images, "--to", tmp_path / "y"
    )
    assert (status, "The model" in err, "does not exist" in err) == (2, True, True)


def test_show(mizoo, index, trained, photos):
    status, out, _ = mizoo("index", "show", index)
    assert status == 0
    for fact in (
        "vse_bow",
        str(trained("vse_bow").run.folder),
        f"9 of {photos}",
        "32 numbers each, store exact",
    ):
        assert fact in out
    assert mizoo("index", "show", photos)[0] == 2


def test_help_has_examples(mizoo):
    for command in (("index", "build"), ("index", "show"), ("search",)):
        status, out, _ = mizoo(*command, "--help")
        assert status == 0
        assert f"mizoo {' '.join(command)}" in out.split("Example:", 1)[1]


def test_a_sentence(mizoo, index, photos, caplog):
    status, out, err = mizoo("search", index, "--text", "a red star", "--top", 3)
    assert status == 0, err
    assert '"a red star"' in out
    assert sum(path.name in out for path in photos.iterdir()) == 3
    assert mizoo("search", index, "--text", "a red zebra")[0] == 0
    assert "does not know these words of 'a red zebra': zebra" in caplog.text
    status, _, err = mizoo("search", index, "--text", "zebra")
    assert (status, "knows no word of 'zebra': zebra" in err) == (2, True)


def test_a_picture(mizoo, index, photos):
    query = sorted(photos.iterdir())[2]
    status, out, err = mizoo("search", index, "--image", query, "--json", "--top", 20)
    assert status == 0, err
    (ranking,) = map(json.loads, out.splitlines())
    assert ranking["ranking"] == f"like {query.name}"
    assert {hit["id"] for hit in ranking["hits"]} == {p.name for p in photos.iterdir()} - {query.name}
    assert ranking["hits"][0]["path"] == str(photos / ranking["hits"][0]["id"])


def test_a_picture_without_a_word_and_with_another(mizoo, index, photos, tmp_path):
    query, sheet = sorted(photos.iterdir())[2], tmp_path / "sheet.png"
    arguments = ("search", index, "--image", query, "--remove", "red", "--add", "blue", "--add", "a star")
    status, out, err = mizoo(*arguments, "--top", 4, "--picture", sheet)
    assert status == 0, err
    titles = [line.strip() for line in out.splitlines()]
    assert titles.index("direction") < titles.index("kiros")
    assert all(word in out for word in ("score", "along", "off", "keep"))
    assert query.name not in out
    drawn = np.asarray(Image.open(sheet))
    assert drawn.shape == (12 + 2 * 234, 12 + 7 * 172, 3)  # query, minus, plus, four hits; a row per measure
    status, out, _ = mizoo(*arguments, "--measure", "anchored, kiros", "--json", "--top", 2)
    rankings = {line["ranking"]: line["hits"] for line in map(json.loads, out.splitlines())}
    assert list(rankings) == ["anchored", "kiros"]
    assert all(set(hit) == {"id", "path", "score", "along", "off", "keep"} for hit in rankings["kiros"])
    status, out, _ = mizoo(*arguments, "--measure", "kiros", "--weight", 0, "--json", "--top", 1)
    (unmoved,) = json.loads(out)["hits"]
    assert unmoved["score"] == pytest.approx(unmoved["keep"])


def test_sheets_show_pictures_that_are_gone(mizoo, trained, photos, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(photos, images)
    run = trained("vse_bow").run.folder
    assert mizoo("index", "build", "--model", run, "--images", images, "--to", tmp_path / "index")[0] == 0
    shutil.rmtree(images)
    status, _, err = mizoo(
        "search", tmp_path / "index", "--text", "star", "--picture", tmp_path / "sheet.png"
    )
    assert status == 0, err
    drawn = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert (drawn[12 + 26 + 159, 12 + 172 + 159] == 0xEE).all()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "Neither --text nor --image was given."),
        (["--text", "star", "--image", "QUERY"], "Both --text and --image were given."),
        (["--text", "star", "--add", "red"], "--remove and --add change a picture, and none was given."),
        (["--image", "QUERY", "--measure", "kiros"], "--measure and --weight are for words removed or added"),
        (["--image", "QUERY", "--add", "red", "--remove", "red"], "the same is added and removed"),
        (["--image", "QUERY", "--add", "red", "--measure", "cosine"], "there is no measure 'cosine'."),
        (["--image", "absent.jpg"], "The picture absent.jpg does not exist."),
        (["--text", "star", "--server", "localhost:1"], "no server answers at localhost:1"),
        (["--text", "star", "--name", "vse_bow"], "The name vse_bow was given without a server."),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_wrong_use(mizoo, index, photos, given, told):
    query = str(sorted(photos.iterdir())[2])
    status, out, err = mizoo("search", index, *(query if part == "QUERY" else part for part in given))
    assert (status, out) == (2, "")
    assert told in err
    assert "Fix: " in err
