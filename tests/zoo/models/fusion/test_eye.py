"""What frozen networks see: stages, class vectors, and how two networks are put together."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.backbones.digest import backbone_digest
from zoo.errors import ConfigError, DataError
from zoo.models.fusion.config import ConcatConfig, MpnCbpConfig
from zoo.models.fusion.eye import FEATURES, build_eye, build_rows, eye_digest
from zoo.models.fusion.map_classes import map_classes
from zoo.models.fusion.recipe import LayerConcatRecipe
from zoo.models.fusion.stage_network import stage_network
from zoo.recipe import DataOptions

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def networks(headed_weights):
    return {
        "backbone": "mobilenet_025",
        "weights": str(headed_weights),
        "second_backbone": "mobilenet_025",
        "second_weights": str(headed_weights),
        "image_size": 64,
    }


def first_alone(networks):
    return {key: value for key, value in networks.items() if not key.startswith("second")}


def seen(config):
    eye = build_eye(config)
    return {name: np.asarray(value) for name, value in eye.predict(PICTURES, verbose=0).items()}


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_stages_are_the_last_layers_of_their_stride(headed_weights):
    network = stage_network("mobilenet_025", weights=headed_weights, image_size=64)
    assert network.stages == {"conv2": "block3", "conv3": "block5", "conv4": "block11", "conv5": "block13"}
    assert [network.trunk.output[layer].shape[1] for layer in network.stages.values()] == [16, 8, 4, 2]
    assert network.head.layer == "block13"
    assert network.head.kernel.shape == (256, 7)


def test_stages_of_pictures_whose_side_is_no_multiple_of_32(headed_weights):
    """Sides 20, 10, 5, 3, 2 of 40 pixels: 40 / 2 is nearer to 16 than to 32, and still the map of stride 32."""
    network = stage_network("mobilenet_025", weights=headed_weights, image_size=40)
    assert network.stages == {"conv2": "block3", "conv3": "block5", "conv4": "block11", "conv5": "block13"}


def test_class_vectors_on_the_pooled_map_are_the_logits_of_the_network(networks, headed_weights):
    """fc = W^T GAP(X) + b against the classifier that Keras builds."""
    whole = keras.applications.MobileNet((64, 64, 3), alpha=0.25, classes=7, weights=None)
    whole.load_weights(headed_weights)
    probabilities = whole.predict(PICTURES / 127.5 - 1.0, verbose=0)
    fc = seen(ConcatConfig(layers=("fc",), **first_alone(networks)))["first_fc"]
    exp = np.exp(fc - fc.max(axis=1, keepdims=True))
    np.testing.assert_allclose(exp / exp.sum(axis=1, keepdims=True), probabilities, atol=1e-3)


def test_pooled_maps_are_the_vectors(networks):
    """GAP(CAM) = FC - b and GAP(SVD-CAM) = SVD-FC, with orthonormal class vectors."""
    found = seen(ConcatConfig(layers=("fc", "svd_fc", "conv5"), **first_alone(networks)))
    network = stage_network("mobilenet_025", weights=networks["weights"], image_size=64)
    np.testing.assert_allclose(
        found["cam"].mean(axis=(1, 2)), found["first_fc"] - network.head.bias, atol=1e-4
    )
    np.testing.assert_allclose(found["svd_cam"].mean(axis=(1, 2)), found["first_svd_fc"], atol=1e-4)
    left, _, right = np.linalg.svd(network.head.kernel, full_matrices=False)
    np.testing.assert_allclose(found["first_conv5"] @ (left @ right), found["first_svd_fc"], atol=1e-4)


def test_concatenated_parts_have_length_one(networks):
    found = seen(ConcatConfig(layers=("first:conv4", "second:svd_fc"), **networks))
    expected = np.concatenate([unit(found["first_conv4"]), unit(found["second_svd_fc"])], axis=1)
    np.testing.assert_allclose(found[FEATURES], expected, atol=1e-5)
    bare = seen(ConcatConfig(layers=("first:conv4", "second:svd_fc"), unit_parts=False, **networks))
    expected = np.concatenate([found["first_conv4"], found["second_svd_fc"]], axis=1)
    np.testing.assert_allclose(bare[FEATURES], expected, atol=1e-4)


def test_compact_bilinear_features_estimate_the_kernel_of_square_roots(networks):
    """E <phi(X), phi(Y)> = <A_X^1/2, A_Y^1/2> before the signed root, whose effect is undone here."""
    config = MpnCbpConfig(layers=("svd_cam",), dimensions=20_000, unit_parts=False, **networks)
    eye = build_eye(config)
    sketch = keras.Model(
        eye.input, [eye.get_layer("features_sketch").output, eye.get_layer("features_channels").output]
    )
    phi, channels = (np.asarray(part, np.float64) for part in sketch.predict(PICTURES, verbose=0))
    roots = []
    for x in channels.reshape(3, -1, channels.shape[-1]):
        values, vectors = np.linalg.eigh(x.T @ x / len(x))
        roots.append((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T)
    # The sum over positions of the sketch is P times the mean that A is made of.
    scale = np.vdot(phi[0], phi[0]) / np.vdot(roots[0], roots[0])
    for i in range(3):
        for k in range(3):
            truth = np.vdot(roots[i], roots[k])
            spread = np.sqrt(8 * np.vdot(roots[i], roots[i]) * np.vdot(roots[k], roots[k]) / 20_000)
            assert abs(np.vdot(phi[i], phi[k]) / scale - truth) < 5 * spread


def test_features_of_many_configs_are_those_of_each(networks):
    configs = {
        "concat": ConcatConfig(layers=("conv5",), **networks),
        "same_position": MpnCbpConfig(layers=("svd_cam",), dimensions=128, **networks),
        "whole_picture": MpnCbpConfig(layers=("first:svd_fc",), dimensions=128, **networks),
    }
    together = build_rows(configs).predict(PICTURES, verbose=0)
    for name, config in configs.items():
        np.testing.assert_allclose(together[name], seen(config)[FEATURES], atol=1e-5)


def test_a_second_network_may_see_another_size(networks, caplog):
    settings = networks | {"layers": ("svd_cam",), "dimensions": 64, "second_image_size": 96}
    with caplog.at_level("WARNING"):
        eye = build_eye(MpnCbpConfig(align_maps=True, **settings))
    with pytest.raises(ConfigError) as error:
        build_eye(MpnCbpConfig(**settings))
    assert str(error.value).startswith(
        "first:svd_cam has a grid of 2 x 2 and second:svd_cam one of 3 x 3.\nExpected: maps of one grid"
    )
    assert "sees pictures of 96 pixels, enlarged from 64: set image_size=96" in caplog.text
    found = eye.predict(PICTURES, verbose=0)
    assert found["svd_cam"].shape == (3, 2, 2, 14)  # on the grid of the first
    assert np.isfinite(found[FEATURES]).all()


def test_classes_that_are_dropped_have_no_map(networks, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nd\ne\nf\ng\n")
    config = ConcatConfig(layers=("svd_fc",), drop_classes=(0, 0), second_class_names=str(names), **networks)
    eye = build_eye(config)
    assert eye.output["first_svd_fc"].shape[-1] == 6
    assert map_classes(config, eye) == tuple(
        [f"first:{number}" for number in range(1, 7)] + [f"second:{name}" for name in "abcdefg"]
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "The file of class names FILE does not exist."),
        (b"\xff\n" * 7, "The file of class names FILE cannot be read: "),
        (b"a\nb\n", "FILE has 2 lines, the head 7 classes."),
        (b"a\nb\nc\nd\ne\nf\na\n", "FILE has names twice: a."),
    ],
    ids=["missing", "no text", "too few", "twice"],
)
def test_names_that_do_not_fit_are_found_before_features_are_made(
    networks, labelled_shapes, tmp_path, content, text
):
    file = tmp_path / "names.txt"
    if content:
        file.write_bytes(content)
    settings = first_alone(networks) | {"image_size": 32, "class_names": str(file)}
    with pytest.raises(DataError) as error:
        LayerConcatRecipe.configured(None, settings).splits(
            labelled_shapes, DataOptions(cache=tmp_path / "cache")
        )
    assert str(error.value).startswith(text.replace("FILE", str(file)))
    assert not (tmp_path / "cache").exists()


def test_digest_is_of_weights_and_not_of_the_last_bits_of_a_decomposition(networks):
    eye = build_eye(ConcatConfig(layers=("svd_fc",), **first_alone(networks)))
    before, whole = eye_digest(eye), backbone_digest(eye)
    for name, changes in (("first_svd_fc_polar", False), ("first_cam", True)):
        (kernel,) = eye.get_layer(name).get_weights()
        eye.get_layer(name).set_weights([np.nextafter(kernel, np.float32(2))])
        assert backbone_digest(eye) != whole
        assert (eye_digest(eye) != before) == changes


def test_configs_of_other_networks_are_no_rows_of_one_graph(networks):
    configs = {
        "a": ConcatConfig(layers=("conv5",), **networks),
        "b": ConcatConfig(layers=("conv5",), second_drop_classes=(0,), **networks),
    }
    with pytest.raises(ConfigError, match="'a' and 'b' differ in second_drop_classes"):
        build_rows(configs)


@pytest.fixture(scope="module")
def mean_colour(tmp_path_factory):
    """A SavedModel that gives the mean colour of a picture, and twice that."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="pixels")])
    def features(pixels):
        mean = tf.reduce_mean(pixels, axis=[1, 2])
        return {"mean": mean, "twice": 2 * mean}

    folder = tmp_path_factory.mktemp("colours") / "model"
    tf.saved_model.save(tf.Module(), str(folder), signatures=features)
    return folder


def test_a_network_from_elsewhere_gives_one_layer(networks, mean_colour):
    handles = networks | {"second_backbone": f"hub:{mean_colour}", "second_weights": None}
    found = seen(ConcatConfig(layers=("first:conv5", "second:twice"), second_image_size=16, **handles))
    # TF Hub's rule: 0..1. Resized by 4 without loss of the mean.
    assert found["second_twice"] == pytest.approx(2 * PICTURES.mean(axis=(1, 2)) / 255, abs=0.02)
    assert np.allclose(found[FEATURES][:, -3:], unit(found["second_twice"]), atol=1e-5)
    assert "cam" not in found
    with pytest.raises(ConfigError, match=r"has the outputs mean, twice\."):
        build_eye(ConcatConfig(layers=("second:features",), **handles))


def test_digest_knows_a_network_from_elsewhere(networks, mean_colour, tmp_path):
    """Else features of one SavedModel would be taken from the cache for another's."""
    other = shutil.copytree(mean_colour, tmp_path / "other")
    (other / "assets" / "names.txt").write_text("a\n")
    digests = set()
    for folder in (mean_colour, other, mean_colour):
        config = ConcatConfig(layers=("mean",), backbone=f"hub:{folder}", image_size=16)
        digests.add(eye_digest(build_eye(config)))
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"layers": ("conv6",)}, "'mobilenet_025' has no layer 'conv6' in pictures of 64 pixels."),
        ({"drop_classes": (7,)}, "drop_classes names 7, but the head has 7 classes."),
    ],
)
def test_layers_that_are_not_there(networks, settings, text):
    with pytest.raises(ConfigError) as error:
        build_eye(ConcatConfig(**networks | {"layers": ("fc",)} | settings))
    assert str(error.value).startswith(text)


def test_weights_without_classifier_have_stages_alone(tiny_weights):
    alone = {"backbone": "tiny_cnn", "weights": str(tiny_weights), "image_size": 32}
    eye = build_eye(ConcatConfig(layers=("conv3",), **alone))
    assert "cam" not in eye.output
    with pytest.raises(ConfigError, match="'svd_fc' needs the class vectors of 'tiny_cnn'"):
        build_eye(ConcatConfig(layers=("svd_fc",), **alone))
