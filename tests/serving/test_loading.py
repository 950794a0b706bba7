"""From a folder of models to AVAILABLE versions: layout, damaged models, warm-up files."""

from __future__ import annotations

import numpy as np
import pytest

from serving.server import Server, StartError, loader, source
from serving.server.errors import StatusError
from tests.serving.saved_models import predict_request, save_pair, write_warmup

A, B = np.ones((1, 2), np.float32), np.ones((1, 2), np.float32)


def test_highest_all_digit_version_is_served_and_other_names_are_ignored(server, client):
    assert server.core.available() == {"echo": [1], "pair": [1], "pictures": [12]}
    assert [row.version for row in client.status("pictures")] == [12]


@pytest.mark.parametrize(
    ("files", "texts"),
    [
        ([], ["(nothing)", "name the leaf directory as a number"]),
        (["m/latest/saved_model.pb"], ["  m/\n    latest/\n", "name the leaf directory as a number"]),
        (["1/saved_model.pb"], ["this is one model; pass the folder above it"]),
        (["saved_model.pb"], ["this is one version of a model; move it to"]),
    ],
)
def test_a_folder_without_versions_is_drawn_with_the_fix(tmp_path, files, texts):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(StartError) as caught:
        source.folder_configs(tmp_path)
    for text in [*texts, "No versions of any model found", "<model name>/"]:
        assert text in str(caught.value)
    with pytest.raises(StartError, match="There is no folder"):
        source.folder_configs(tmp_path / "absent")


def test_version_names_are_numbers_and_a_duplicate_is_reported(tmp_path, caplog):
    for name in ("7", "007", "8.tmp", "x9", "99999999999999999999", "²"):
        (tmp_path / name).mkdir()
    (tmp_path / "10").touch()
    assert source.versions(tmp_path) == {7: tmp_path / "7"}
    assert "Duplicate version directories detected" in caplog.text


def test_a_model_that_cannot_be_loaded_stops_the_start_and_is_named(tmp_path):
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "saved_model.pb").write_bytes(b"\xff\xff junk")
    (tmp_path / "hollow" / "2").mkdir(parents=True)
    server = Server(tmp_path, port=0)
    with pytest.raises(StartError) as caught:
        server.start()
    text = str(caught.value)
    assert text.startswith("2 model(s) did not become available: {broken version 1:")
    assert "hollow version 2: Could not find saved_model.pb" in text


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (predict_request("m", a=A, b=A.astype(np.int32)), "warmup record 2 failed: Type mismatch"),
        (predict_request("m", "nope"), 'warmup record 2 failed: Serving signature key "nope" not found'),
        (None, "Failed to parse warmup record: record 1"),
    ],
)
def test_a_failing_warmup_record_fails_the_load(tmp_path, request_, text):
    save_pair(tmp_path / "m" / "1")
    good = predict_request("m", a=A, b=B)
    write_warmup(tmp_path / "m" / "1", good, request_ or good)
    if request_ is None:
        file = tmp_path / "m" / "1" / "assets.extra" / "tf_serving_warmup_requests"
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(StartError, match=text), Server(tmp_path, port=0):
        pass


def test_functions_answer_as_the_session_does_where_it_is_not_there(models_dir, monkeypatch, caplog, jpeg):
    folder = models_dir / "pictures" / "0000012"
    session = loader.load(folder)
    monkeypatch.setattr(loader.SessionServable, "available", staticmethod(lambda: False))
    functions = loader.load(folder)
    assert (type(session), type(functions)) == (loader.SessionServable, loader.FunctionServable)
    assert "no session callables" in caplog.text
    said = [
        servable.run("serving_default", {"image_bytes": np.array([jpeg], object)}, ["mean", "features"])
        for servable in (session, functions)
    ]
    for alias in ("mean", "features"):
        np.testing.assert_array_equal(said[0][alias], said[1][alias])
    for servable in (session, functions):
        with pytest.raises(StatusError, match="Unknown image file format") as caught:
            servable.run("serving_default", {"image_bytes": np.array([b"text"], object)}, ["mean"])
        assert caught.value.code == "INVALID_ARGUMENT"
        servable.close()
