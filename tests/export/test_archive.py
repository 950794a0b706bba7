"""Exported versions are whole and true, or not there."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.archive import NewVersion, _commit, export_versions, next_version, write_version
from export.golden import difference
from export.prediction_log import Golden, read_goldens
from export.signatures import Input, Signature
from export.warmup import BATCH_SIZES
from serving.protocol import messages, tfrecord
from zoo.errors import ExportError


def doubling(model, factor=None):
    """A signature whose graph may differ from what Keras says: what verification has to catch."""

    def function(x):
        graph = factor is not None and not tf.executing_eagerly()
        return {"y": model(x) * (factor if graph else 1.0)}

    return [
        Signature(
            "serving_default",
            {"x": Input("float32", (None, 3))},
            function,
            lambda rows: {"x": np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)},
        )
    ]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])


def test_next_version(tmp_path):
    assert next_version(tmp_path / "none") == 1
    for name in ("2", "10", ".staging-x", "notes"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 11


def test_goldens_and_warmup_are_prediction_logs(model, tmp_path):
    write_version(tmp_path / "1", doubling(model), name="m", contract={"a": 1})
    (golden,) = read_goldens(tmp_path / "1")
    assert golden.signature == "serving_default"
    np.testing.assert_allclose(golden.outputs["y"], model(golden.inputs["x"]), atol=1e-6)
    records = list(tfrecord.read(tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests"))
    rows = [
        messages.PredictionLog.FromString(r).predict_log.request.inputs["x"].tensor_shape.dim[0].size
        for r in records
    ]
    assert tuple(rows) == BATCH_SIZES
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    outputs = loaded.signatures["serving_default"](x=tf.constant(golden.inputs["x"]))
    assert difference(golden, {k: v.numpy() for k, v in outputs.items()}) <= 1e-5


def test_a_graph_that_differs_from_keras_is_not_kept(model, tmp_path):
    with pytest.raises(ExportError, match=r"m, serving_default by SavedModel: off by") as caught:
        export_versions([NewVersion("m", doubling(model, factor=1.01), {})], tmp_path)
    assert "within 1e-05" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_version_is_never_overwritten(model, tmp_path):
    (tmp_path / "m" / "3").mkdir(parents=True)
    (tmp_path / "m" / "3" / "keep").write_text("mine")
    with pytest.raises(ExportError, match="exists already"):
        export_versions([NewVersion("m", doubling(model), {}, version=3)], tmp_path)
    assert [p.name for p in (tmp_path / "m" / "3").iterdir()] == ["keep"]


def test_difference():
    golden = Golden("s", {}, {"a": np.array([1.0, 2.0]), "t": np.array([b"x", b"y"], object)})
    same = {"a": np.array([1.0, 2.5]), "t": np.array(["x", "y"], object)}
    assert difference(golden, same) == 0.25  # of the largest value, 2
    assert difference(golden, same | {"t": np.array(["x", "z"], object)}) == np.inf
    assert difference(golden, {"a": same["a"]}) == np.inf
    assert difference(golden, same | {"a": np.zeros((1, 2))}) == np.inf


def test_difference_is_in_units_of_the_largest_value():
    golden = Golden(
        "s", {}, {"logits": np.array([20.0, 1.0]), "small": np.array([0.5]), "ids": np.array([10**6])}
    )
    assert difference(golden, golden.outputs | {"logits": np.array([20.0, 1.1])}) == pytest.approx(0.1 / 20)
    assert difference(golden, golden.outputs | {"small": np.array([0.4])}) == pytest.approx(0.1)
    assert difference(golden, golden.outputs | {"ids": np.array([10**6 + 1])}) == 1


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "", "two words"])
def test_names_that_are_no_folder_of_a_model(name, tmp_path):
    with pytest.raises(ExportError, match="cannot be the name of a served model"):
        export_versions([NewVersion(name, [], {})], tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_versions_are_kept_together_or_not_at_all(model, tmp_path):
    right, wrong = NewVersion("a", doubling(model), {}), NewVersion("b", doubling(model, factor=1.01), {})
    with pytest.raises(ExportError, match="b, serving_default by SavedModel: off by"):
        export_versions([right, wrong], tmp_path)
    with pytest.raises(ExportError, match=r"Several of a, a have the same name\."):
        export_versions([right, right], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_of_two_exports_at_once_the_slower_one_is_refused(tmp_path):
    staged, target = tmp_path / "staged", tmp_path / "model" / "1"
    for folder in (staged, target):
        folder.mkdir(parents=True)
        (folder / "saved_model.pb").write_text(folder.name)
    with pytest.raises(ExportError, match="exists already"):
        _commit(staged, target)
    assert (target / "saved_model.pb").read_text() == "1"
