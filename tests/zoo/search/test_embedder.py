"""Embedders: the same vectors from a run and from a server, words that are unknown, and models that are none."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest

import zoo
from export.signatures import write_saved_model
from serving.client import Client
from serving.server import Server
from zoo.errors import ConfigError, DataError
from zoo.preprocessing.reading import BadImage, load_images
from zoo.search.build import build_index
from zoo.search.run_embedder import RunEmbedder
from zoo.search.searcher import PictureSearch
from zoo.search.served_embedder import ServedEmbedder


@pytest.fixture(scope="module")
def embedder(trained):
    return RunEmbedder(trained("vse_bow").run.folder, batch_size=4)


@pytest.fixture(scope="module")
def files(shapes):
    return sorted((shapes / "Images").iterdir())[:6]


@pytest.fixture(scope="module")
def pets(embedder, files, tmp_path_factory):
    """An index of six pictures."""
    root = tmp_path_factory.mktemp("pets")
    (root / "images").mkdir()
    for path in files:
        shutil.copy(path, root / "images")
    build_index(embedder, root / "images", root / "index")
    return root / "index"


def other_model(**changes):
    settings = {"image_size": 32, "dimensions": 32, "word_dimensions": 16, "max_words": 12}
    return zoo.create_model("vse_bow", **(settings | {"vocabulary": ["a", "red", "star"]} | changes))


@pytest.fixture(scope="module")
def server(trained, tmp_path_factory):
    """Serves the trained model, another one of the same form, and that without texts."""
    models = tmp_path_factory.mktemp("models")
    recipe, model, other = (
        trained("vse_bow").recipe,
        zoo.load_model(trained("vse_bow").run.folder),
        other_model(),
    )
    for name, signatures in (
        ("vse_bow", recipe.signatures(model)[1::2]),  # embed_image and embed_text
        ("other", recipe.signatures(other)[1::2]),
        ("pictures_only", recipe.signatures(other)[:1]),
    ):
        write_saved_model(str(models / name / "1"), signatures)
    with Server(models, port=0) as running:
        yield running


@pytest.fixture(scope="module")
def served(server):
    with Client(server.address) as client:
        yield ServedEmbedder(client, "vse_bow")


def test_pictures_of_a_run_are_those_of_its_model(embedder, trained, files):
    model = zoo.load_model(trained("vse_bow").run.folder)
    expected = model.image_encoder.predict(load_images(files, 32).array, verbose=0)
    np.testing.assert_allclose(embedder.images(files), expected, atol=1e-6)  # 4 and 2 in a batch
    np.testing.assert_allclose(embedder.images(files[4:5]), expected[4:5], atol=1e-6)
    assert (embedder.dimensions, embedder.max_words) == (32, 12)
    assert embedder.images([]).shape == (0, 32)


@pytest.mark.parametrize("kind", ["run", "server"])
def test_a_bad_picture_is_named_and_the_others_keep_their_places(kind, request, embedder, files, tmp_path):
    asked = request.getfixturevalue("embedder" if kind == "run" else "served")
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(files[0].read_bytes()[:200])
    rows = list(asked.stream([files[0], bad, files[1]]))
    assert isinstance(rows[1], BadImage)
    assert rows[1].path == bad
    np.testing.assert_allclose([rows[0], rows[2]], embedder.images(files[:2]), atol=1e-5)
    with pytest.raises(
        DataError, match=r"The picture .*bad\.jpg cannot be read: \S.*\nExpected: a whole JPEG"
    ):
        asked.images([files[0], bad])


@pytest.mark.parametrize("kind", ["run", "server"])
def test_unknown_words_are_named(kind, request, caplog):
    asked = request.getfixturevalue("embedder" if kind == "run" else "served")
    with caplog.at_level(logging.WARNING):
        vectors = asked.texts(["A red star!"])
    assert not caplog.records
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    with caplog.at_level(logging.WARNING):
        asked.texts(["star", "a xylophone near a zebra and a xylophone"])
    assert [record.getMessage() for record in caplog.records] == [
        f"{asked.name} does not know these words of 'a xylophone near a zebra and a xylophone': xylophone, zebra"
    ]
    with pytest.raises(
        DataError, match="knows no word of 'Zebra, xylophone': zebra, xylophone\nExpected: words"
    ):
        asked.texts(["star", "Zebra, xylophone"])
    with pytest.raises(
        DataError, match=r"The text '42 !' has no word\.\nExpected: words of the letters a to z"
    ):
        asked.texts(["42 !"])


def test_words_that_are_cut_off_are_told(embedder, caplog):
    with caplog.at_level(logging.WARNING):
        embedder.texts(["red " * 13])
    assert caplog.records[0].getMessage().endswith("reads the first 12 of the 13 words of a text.")


def test_texts_of_a_run_are_those_of_its_server(embedder, served, files):
    texts = ["a red star", "grass", "a small triangle near a xylophone"]
    np.testing.assert_allclose(served.texts(texts), embedder.texts(texts), atol=1e-5)
    np.testing.assert_allclose(served.images(files), embedder.images(files), atol=1e-5)
    assert served.dimensions == 32
    assert served.name == "vse_bow version 1 on the server"


def test_the_mean_text_is_that_of_the_frequent_words(embedder):
    words = embedder.texts(embedder.vocabulary)  # fewer than a thousand
    np.testing.assert_allclose(embedder.mean_text(), words.mean(axis=0), atol=1e-6)


def test_the_digest_knows_weights_and_words(embedder, trained, tmp_path):
    model = other_model()
    model.save(tmp_path / "one.keras")
    digest = RunEmbedder(tmp_path / "one.keras").digest
    again = other_model(vocabulary=["a", "red", "sun"])
    again.set_weights(model.get_weights())
    again.save(tmp_path / "words.keras")
    model.get_layer("text_encoder").get_layer("projection").kernel.assign_add(np.full((16, 32), 1e-3))
    model.save(tmp_path / "weights.keras")
    digests = {digest, *(RunEmbedder(tmp_path / f"{name}.keras").digest for name in ("words", "weights"))}
    assert len(digests | {embedder.digest}) == 4
    assert RunEmbedder(tmp_path / "one.keras").digest == digest
    assert RunEmbedder(trained("vse_bow").run.model_file).digest == embedder.digest


def test_other_kinds_of_models_are_refused(server, tmp_path):
    zoo.create_model("tagging_baseline", image_size=32, tags=("dog", "cat")).save(tmp_path / "tagger.keras")
    with pytest.raises(
        ConfigError, match=r"is a model of another kind: tagging_baseline\.\nExpected: an embedding"
    ):
        RunEmbedder(tmp_path / "tagger.keras")
    other_model(feature_size=6).save(tmp_path / "features.keras")
    with pytest.raises(
        ConfigError, match=r"takes features of pictures, not pictures\.\nFix: name the run folder"
    ):
        RunEmbedder(tmp_path / "features.keras")
    with (
        Client(server.address) as client,
        pytest.raises(
            DataError, match=r"pictures_only is no embedding: it has the signatures serving_default\.\n"
        ),
    ):
        ServedEmbedder(client, "pictures_only")


def test_an_index_knows_its_model_behind_a_server(server, pets, files):
    with PictureSearch.open(pets, server=server.address) as search:
        by_server = search.by_edit(files[0], remove=["red"], add=["blue"], measures=["direction", "anchored"])
    with PictureSearch.open(pets) as search:
        here = search.by_edit(files[0], remove=["red"], add=["blue"], measures=["direction", "anchored"])
    for measure, hits in here.items():
        assert [hit.id for hit in hits] == [hit.id for hit in by_server[measure]]
        np.testing.assert_allclose([h[1:] for h in hits], [h[1:] for h in by_server[measure]], atol=1e-4)
    with pytest.raises(
        DataError,
        match=r"was made with vse_bow .* not with other version 1 on the server \(.* knows no word of 'circle'",
    ):
        PictureSearch.open(pets, server=server.address, name="other")


def test_probes_tell_two_models_with_the_same_words_apart(pets, embedder, tmp_path):
    from zoo.search.probe import Probe

    model = other_model(vocabulary=list(embedder.vocabulary))
    model.save(tmp_path / "twin.keras")
    probe = Probe.load(pets / "probe.npz")
    assert len(probe.vectors) == 11
    assert probe.distance(embedder) < 1e-6
    assert probe.distance(RunEmbedder(tmp_path / "twin.keras")) > 0.3


def test_the_command_line_asks_a_server_without_tensorflow(server, pets, files):
    script = """
import sys
from zoo.cli import main
sys.argv = ["mizoo", "search", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
assert not {"tensorflow", "keras", "jax"} & set(sys.modules)
"""
    command = [sys.executable, "-c", script, str(pets), "--server", server.address, "--text", "a red star"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(path.name in done.stdout for path in files)
