"""A pretrained network with a new head: what is kept, what is trained, and its way back as a backbone."""

import keras
import numpy as np
import pytest

from zoo.backbones import build_backbone
from zoo.data.batches import Split
from zoo.errors import ConfigError
from zoo.models.fusion.conversion import convert
from zoo.models.fusion.scene_config import SceneConfig
from zoo.models.fusion.scene_evaluation import measure
from zoo.models.fusion.scene_network import SceneNetwork, classifier_network, positive_weights
from zoo.models.fusion.scene_recipe import SceneRecipe
from zoo.models.fusion.source import open_classifier

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
MENTIONS = np.array([[2, 0, 1], [0, 0, 1], [0, 3, 0], [0, 0, 0], [5, 1, 0], [0, 0, 1]], np.float32)


@pytest.fixture
def network(headed_weights):
    made = classifier_network("mobilenet_025", weights=str(headed_weights), image_size=32, classes=3)
    return SceneNetwork(made, scaling="tf", tags=("lake", "road", "tree"), positive_weights=(2.0, 1.0, 1.0))


def test_the_trunk_is_the_pretrained_one(network, headed_weights):
    trunk = build_backbone("mobilenet_025", weights=headed_weights, image_size=32)
    pooled = next(
        layer for layer in network.network.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    inside = keras.Model(network.network.input, pooled.output)
    np.testing.assert_allclose(
        inside.predict(PICTURES / 127.5 - 1.0, verbose=0).reshape(6, -1),
        trunk.predict(PICTURES, verbose=0),
        atol=1e-3,
    )


def test_loss_by_hand(network):
    """-(w y log p + (1 - y) log(1 - p)), mean over words and pictures."""
    p = np.array([[0.5, 0.25, 0.5], [0.5, 0.5, 0.8]], np.float32)
    mentions = np.array([[3.0, 0.0, 0.0], [0.0, 1.0, 2.0]], np.float32)
    network.compile(optimizer="sgd")
    loss = network.compute_loss(y={"mentions": mentions}, y_pred={"probability": p})
    terms = [2 * np.log(0.5), np.log(0.75), np.log(0.5), np.log(0.5), np.log(0.5), np.log(0.8)]
    assert float(loss) == pytest.approx(-sum(terms) / 6, rel=1e-5)


def test_rare_words_count_more():
    weights = positive_weights(MENTIONS, most=3.0)
    assert weights == pytest.approx((2.0, 2.0, 1.0))
    assert positive_weights(MENTIONS[:2], most=3.0)[1] == 3.0  # of no picture


def test_the_head_alone_and_then_from_a_stride(network):
    network.tune_from(None)
    assert [layer.name for layer in network.network.layers if layer.trainable and layer.weights] == [
        "conv_preds"
    ]
    network.tune_from(16)
    tuned = [layer.name for layer in network.network.layers if layer.trainable and layer.weights]
    assert tuned[0] == "conv_dw_6_bn"  # the first that sees 2 x 2 of 32 pixels
    assert "conv_pw_5" not in tuned
    assert "conv_dw_12" in tuned  # sees 2 x 2 padded to 3 x 3, which is nearer to a stride of 8
    assert "conv_preds" in tuned


def test_its_weights_are_those_of_a_backbone(network, tmp_path):
    """What `layer_concat_svm` and `mpn_cbp` read: the network with its own head, by the backbone's name."""
    network.compile(optimizer=keras.optimizers.Adam(1e-2))
    network.fit(PICTURES, {"mentions": MENTIONS}, epochs=1, verbose=0)
    file = network.save_backbone(tmp_path / "backbone.weights.h5")
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    again = build_backbone("mobilenet_025", layer="predictions", weights=file, image_size=32)
    logits = np.log(again.predict(PICTURES, verbose=0))
    own = network.predict(PICTURES, verbose=0)["probability"]
    own_logits = np.log(own / (1 - own))
    np.testing.assert_allclose(
        logits - logits.mean(1, keepdims=True), own_logits - own_logits.mean(1, keepdims=True), atol=1e-3
    )


def test_its_words_name_the_classes_of_a_conversion(network, tmp_path):
    network.save(tmp_path / "scene.keras")
    opened, names = open_classifier(str(tmp_path / "scene.keras"), None)
    assert names == ("lake", "road", "tree")
    assert convert(opened).output["svd_cam"].shape == (None, 1, 1, 3)


def test_precision_of_a_frequency_table_is_the_share_of_the_word():
    there = MENTIONS > 0
    found = measure(there, np.tile(there.mean(axis=0), (6, 1)))
    assert found["map_words"] == pytest.approx(np.mean(there.mean(axis=0)))
    right = measure(there, MENTIONS)
    assert right == {"map_words": 1.0, "map_pictures": 1.0}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"positive_weight": 0.5}, "positive_weight is 0.5."),
        ({"end_to_end": False}, "end_to_end is false"),
        ({"head_epochs": 0}, "head_epochs is 0."),
        ({"weights": None}, "backbone is 'mobilenet_075' without weights"),
        ({"layer": "block7"}, "layer is block7: the whole network is tuned"),
        ({"backbone": "garden:resnet50"}, "backbone is 'garden:resnet50', which cannot be tuned."),
    ],
)
def test_settings_that_train_nothing(settings, text):
    with pytest.raises(ConfigError) as error:
        SceneConfig(**{"weights": "a.h5"} | settings)
    assert str(error.value).startswith(text)


def test_networks_without_a_classifier_are_refused():
    with pytest.raises(ConfigError, match="'tiny_cnn' has no classifier that can be made anew"):
        classifier_network("tiny_cnn", weights=None, image_size=32, classes=3)
    with pytest.raises(ConfigError, match="The classifier of 'vgg16' has 3 layers, fc1, fc2, predictions"):
        classifier_network("vgg16", weights=None, image_size=32, classes=3)


def test_words_of_too_few_pictures_are_left_out(shapes, headed_weights):
    from zoo.recipe import DataOptions

    settings = {
        "backbone": "mobilenet_025",
        "weights": str(headed_weights),
        "image_size": 32,
        "vocabulary": None,
    }
    everything = SceneRecipe.configured(None, settings | {"min_pictures": 1}).splits(shapes, DataOptions())
    count = (everything.train.targets["mentions"] > 0).sum(axis=0)
    least = int(np.median(count))
    some = SceneRecipe.configured(None, settings | {"min_pictures": least}).splits(shapes, DataOptions())
    assert len(some.facts["tags"]) == (count >= least).sum() < len(everything.facts["tags"])
    assert isinstance(some.train, Split)
    assert some.train.targets["mentions"].shape[1] == len(some.facts["tags"])
