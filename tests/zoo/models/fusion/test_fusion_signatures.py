"""What a served classifier on frozen networks answers, and the maps that it draws."""

import io

import numpy as np
import pytest
from PIL import Image

from zoo.data.examples import example_images
from zoo.errors import DataError
from zoo.models.fusion.class_maps import HEAT, OPACITY
from zoo.models.fusion.classifier import FusionClassifier
from zoo.models.fusion.overlay import heat_colours, overlay_png
from zoo.models.fusion.recipe import LayerConcatRecipe
from zoo.models.fusion.signatures import fusion_signatures

FILES = np.array(example_images(3), object)


@pytest.fixture(scope="module")
def model(headed_weights):
    settings = {"backbone": "mobilenet_025", "weights": str(headed_weights), "image_size": 64}
    settings |= {"layers": ("conv4", "svd_fc")}
    made = LayerConcatRecipe.configured(None, settings).network(classes=("cat", "dog", "owl"))
    made.set_classifier(np.random.default_rng(0).normal(size=(135, 3)), np.array([0.0, 0.5, -0.5]))
    return made


@pytest.fixture(scope="module")
def answers(model):
    def ask(name, **inputs):
        return next(one for one in fusion_signatures(model) if one.name == name).answer(inputs)

    return ask


def decoded(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_labels_come_best_first_with_their_scores(model, answers):
    found = answers("serving_default", image_bytes=FILES)
    picture = answers("tensor", image=np.zeros((2, 20, 30, 3), np.uint8))
    assert picture["labels"].shape == (2, 3)
    assert (np.diff(found["scores"], axis=1) <= 0).all()
    assert (found["label"] == found["labels"][:, 0]).all()
    assert sorted(found["labels"][0].tolist()) == [b"cat", b"dog", b"owl"]
    features = answers("layers", image_bytes=FILES)
    parts = [features[name] for name in ("first_conv4", "first_svd_fc")]
    unit = np.concatenate([part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts], axis=1)
    kernel, bias = model.linear.get_weights()
    expected = unit @ kernel + bias
    order = np.argsort(-expected, axis=1)
    np.testing.assert_allclose(found["scores"], np.take_along_axis(expected, order, 1), atol=1e-4)
    assert found["labels"].tolist() == [[model.classes[k].encode() for k in row] for row in order]


def test_embeddings_have_length_one(answers):
    embedding = answers("embed", image_bytes=FILES)["embedding"]
    assert embedding.shape == (3, 135)
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1.0, atol=1e-5)


def test_each_picture_gets_the_map_of_its_own_class(model, answers):
    assert model.map_classes == tuple("0123456")
    names = np.array([b"2", b"5", b"no such class"], object)
    found = answers("maps", image_bytes=FILES, class_name=names)
    assert found["known_class"].tolist() == [1, 1, 0]
    assert found["cam"].shape == found["svd_cam"].shape == (3, 2, 2)
    assert not found["cam"][2].any()
    other = answers("maps", image_bytes=FILES[:1], class_name=np.array([b"5"], object))
    assert np.abs(other["cam"][0] - found["cam"][0]).max() > 1e-3
    again = answers("maps", image_bytes=FILES[:2], class_name=names[:2])
    np.testing.assert_allclose(again["svd_cam"], found["svd_cam"][:2], atol=1e-5)
    assert decoded(found["overlay_png"][0]).shape == (64, 64, 3)


def test_overlays_go_from_the_first_colour_to_the_last():
    picture = np.full((1, 8, 8, 3), 100, np.uint8)
    maps = np.array([[[-3.0, -3.0], [5.0, 5.0]]], np.float32)
    drawn = decoded(overlay_png(picture, maps).numpy()[0]).astype(float)
    for row, colour in ((0, HEAT[0]), (7, HEAT[-1])):
        np.testing.assert_allclose(drawn[row, 0], OPACITY * colour + (1 - OPACITY) * 100, atol=1.0)
    assert heat_colours().shape == (256, 3)
    flat = decoded(overlay_png(picture, np.zeros((1, 2, 2), np.float32)).numpy()[0])
    assert (flat == flat[0, 0]).all()


def test_a_model_of_features_answers_nothing_about_pictures():
    with pytest.raises(DataError, match="was trained on features"):
        fusion_signatures(FusionClassifier(classes=("a", "b"), feature_size=4))
