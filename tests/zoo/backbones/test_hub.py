"""Foreign SavedModels as frozen backbones; the Model Garden's own test runs in ci/garden.sh."""

from __future__ import annotations

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.backbones import backbone_digest, build_backbone
from zoo.errors import ConfigError, MissingExtraError, StoreError, WeightsError

SIZE = 8
PICTURES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)


def saved(folder, function, spec, **variables):
    module = tf.Module()
    for name, value in variables.items():
        setattr(module, name, tf.Variable(value, name=name))
    module.function = tf.function(lambda pixels: function(module, pixels), input_signature=[spec])
    tf.saved_model.save(module, str(folder), signatures=module.function)
    return f"hub:{folder}"


@pytest.fixture(scope="module")
def handle(tmp_path_factory):
    """Mean colour times a 3 x 2 matrix: features that can be worked out by hand."""

    def features(module, pixels):
        return {"features": tf.reduce_mean(pixels, axis=[1, 2]) @ module.matrix}

    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="pixels")
    return saved(tmp_path_factory.mktemp("hub") / "model", features, spec, matrix=MATRIX)


MATRIX = np.array([[1, 0], [0, 2], [1, 1]], np.float32)
EXPECTED = (PICTURES / 255).mean(axis=(1, 2)) @ MATRIX


def test_features_are_those_of_the_saved_model(handle):
    model = build_backbone(handle, image_size=SIZE)
    assert model.output_shape == (None, 2)
    assert not model.trainable_weights
    assert np.allclose(model.predict(PICTURES, verbose=0), EXPECTED, atol=1e-5)


def test_scaling_can_be_set(handle):
    model = build_backbone(handle, image_size=SIZE, scaling="none")
    assert np.allclose(model.predict(PICTURES, verbose=0), 255 * EXPECTED, rtol=1e-5)


def test_exported_model_holds_the_saved_model(handle, tmp_path):
    model = build_backbone(handle, image_size=SIZE)
    head = keras.Model(model.input, keras.layers.Dense(1, kernel_initializer="ones")(model.output))
    head.export(str(tmp_path / "export"), format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    assert np.allclose(loaded.serve(PICTURES), EXPECTED.sum(axis=1, keepdims=True), atol=1e-5)


def test_keras_file_names_the_handle(handle, tmp_path):
    model = build_backbone(handle, image_size=SIZE)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(again.predict(PICTURES, verbose=0), EXPECTED, atol=1e-5)


def test_digest_follows_the_weights(handle, tmp_path):
    def features(module, pixels):
        return {"features": tf.reduce_mean(pixels, axis=[1, 2]) @ module.matrix}

    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="pixels")
    other = saved(tmp_path / "other", features, spec, matrix=MATRIX + 1)
    digests = [backbone_digest(build_backbone(name, image_size=SIZE)) for name in (handle, handle, other)]
    assert digests[0] == digests[1] != digests[2]


def test_bytes_maps_and_several_outputs(tmp_path):
    def features(module, pixels):
        del module
        return {"map": tf.cast(pixels, tf.float32), "sum": tf.reduce_sum(tf.cast(pixels, tf.float32), [1, 2])}

    name = saved(tmp_path / "m", features, tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8, name="image"))
    with pytest.raises(ConfigError, match="has the outputs map, sum"):
        build_backbone(name, image_size=SIZE)
    with pytest.raises(ConfigError, match=r"'mapp' among them"):
        build_backbone(name, layer="mapp", image_size=SIZE)
    pooled = build_backbone(name, layer="map", image_size=SIZE)
    assert np.allclose(pooled.predict(PICTURES, verbose=0), PICTURES.mean(axis=(1, 2)), atol=1e-4)
    assert build_backbone(name, layer="map", image_size=SIZE, pool=None).output_shape == (None, SIZE, SIZE, 3)
    with pytest.raises(ConfigError, match=r"takes pictures of shape \(8, 8, 3\), not of 16 x 16 x 3"):
        build_backbone(name, layer="sum", image_size=16)


def test_a_version_in_a_store_is_a_backbone(tmp_path, monkeypatch):
    from export.store.publish import publish

    def features(module, pixels):
        return {"features": tf.reduce_mean(pixels, axis=[1, 2]) @ module.matrix}

    monkeypatch.setenv("MIZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIZOO_STORE", str(tmp_path / "store"))
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="pixels")
    for version in (1, 2):
        folder = tmp_path / "models" / "colours" / str(version)
        saved(folder, features, spec, matrix=MATRIX * version)
        publish(folder, tmp_path / "store", code="MIT", weights="own", data="none")
    for name, factor in (("store:colours@1", 1), ("store:colours", 2)):
        model = build_backbone(name, image_size=SIZE)
        assert np.allclose(model.predict(PICTURES, verbose=0), factor * EXPECTED, atol=1e-5)
    with pytest.raises(StoreError, match="The store has no version 3 of 'colours'"):
        build_backbone("store:colours@3", image_size=SIZE)
    with pytest.raises(ConfigError, match="weights=x cannot be set for a 'store:' backbone"):
        build_backbone("store:colours", weights="x")


def test_the_signature_that_takes_pictures_is_found(tmp_path):
    """As in our own exports: serving_default takes bytes of files, `tensor` takes pictures."""
    module = tf.Module()
    module.files = tf.function(
        lambda image_bytes: {"length": tf.strings.length(image_bytes)},
        input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")],
    )
    module.pixels = tf.function(
        lambda image: {"embedding": tf.reduce_mean(tf.cast(image, tf.float32), [1, 2])},
        input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="image")],
    )
    signatures = {"serving_default": module.files, "tensor": module.pixels}
    tf.saved_model.save(module, str(tmp_path / "ours"), signatures=signatures)
    model = build_backbone(f"hub:{tmp_path / 'ours'}", image_size=SIZE)
    assert np.allclose(model.predict(PICTURES, verbose=0), PICTURES.mean(axis=(1, 2)), atol=1e-4)


def test_wrong_handles(handle, tmp_path):
    with pytest.raises(WeightsError, match=r"/no/such/folder' cannot be loaded"):
        build_backbone("hub:/no/such/folder")
    with pytest.raises(ConfigError, match="weights=x cannot be set for a 'hub:' backbone"):
        build_backbone(handle, weights="x")
    text = saved(
        tmp_path / "t",
        lambda _, words: {"length": tf.strings.length(words)},
        tf.TensorSpec([None], tf.string),
    )
    with pytest.raises(ConfigError, match=r"one input of shape \[batch, height, width, 3\]"):
        build_backbone(text)
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="has the signatures none"):
        build_backbone(f"hub:{tmp_path / 'empty'}")


def test_garden_names_and_extra(monkeypatch, tmp_path):
    monkeypatch.setenv("MIZOO_CACHE", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"Unknown Model Garden backbone 'resnet5'. Did you mean 'resnet50'"
    ):
        build_backbone("garden:resnet5")
    with pytest.raises(ConfigError, match="Unknown layer 'stage9'"):
        build_backbone("garden:resnet50", layer="stage9")
    with pytest.raises(WeightsError, match=r"checkpoint .*ckpt-1\.index does not exist"):
        build_backbone(f"garden:resnet50:{tmp_path}/ckpt-1")
    monkeypatch.setitem(sys.modules, "official.vision.modeling.backbones", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mizoo\[garden\]'"):
        build_backbone("garden:resnet50", image_size=32)
