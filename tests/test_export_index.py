"""A SavedModel that carries an index: exported from a run and an index folder, and asked through the server."""

from __future__ import annotations

import json

from serving.client import Client
from serving.server import Server
from zoo.search.build import build_index
from zoo.search.searcher import PictureSearch


def test_the_served_index_answers_as_the_index_folder(mizoo, trained, shapes, tmp_path):
    run, index = trained("vse_bow").run.folder, tmp_path / "shapes.index"
    build_index(run, shapes / "Images", index)
    status, out, err = mizoo("export", run, "--to", tmp_path / "models", "--index", index, "--top", 5)
    assert status == 0, err
    assert "Keras, SavedModel, server and client agree" in out
    version = tmp_path / "models" / "vse_bow" / "1"
    contract = json.loads((version / "assets.extra" / "contract.json").read_text())
    assert {"analogy_kiros", "analogy_direction", "analogy_anchored"} < contract["signatures"].keys()
    assert contract["input_contract"]["max_words"] == 12

    picture = sorted((shapes / "Images").glob("*.jpg"))[0]
    with PictureSearch.open(index) as search:
        hits = search.by_edit(picture, remove=["circle"], add=["star"], top=5)["direction"]
    with Server(tmp_path / "models", port=0) as server, Client(server.address) as client:
        asked = {"image_bytes": [picture.read_bytes()], "add": ["star"], "remove": ["circle"]}
        said = client.predict("vse_bow", asked, signature="analogy_direction")
    assert list(said["ids"][0]) == [hit.id for hit in hits]
    assert max(abs(hit.score - score) for hit, score in zip(hits, said["scores"][0], strict=True)) < 1e-4


def test_an_index_of_another_model_and_models_without_one_are_refused(mizoo, trained, shapes, tmp_path):
    build_index(trained("vse_bow").run.folder, shapes / "Images", tmp_path / "bow.index")
    status, _, err = mizoo(
        "export",
        trained("vse_lstm").run.folder,
        "--to",
        tmp_path / "models",
        "--index",
        tmp_path / "bow.index",
    )
    assert status == 2 and "was made with" in err and "and this is another model" in err
    status, _, err = mizoo(
        "export",
        trained("tagging_baseline").run.folder,
        "--to",
        tmp_path / "models",
        "--index",
        tmp_path / "bow.index",
    )
    assert status == 2 and "tagging_baseline searches no index" in err
    assert not (tmp_path / "models").exists()
