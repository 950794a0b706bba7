"""Generator, discriminator and recovery network; the image encoder and its training."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.models.captioning import networks


def trio_networks(residual: bool) -> dict[str, keras.Model]:
    size = {"width": 8, "layers": 2, "residual": residual}
    return {
        "G": networks.generator(6, 3, 5, **size),
        "D": networks.discriminator(5, 6, **size),
        "Q": networks.recovery(5, 6, 3, **size),
    }


@pytest.mark.parametrize("residual", [False, True], ids=["plain", "residual"])
def test_sizes_and_names(residual):
    found = trio_networks(residual)
    shapes = {name: ([s[-1] for s in n.input_shape], n.output_shape[-1]) for name, n in found.items()}
    assert shapes == {"G": ([6, 3], 5), "D": ([5, 6], 1), "Q": ([5, 6], 3)}
    for name, network in found.items():
        assert all(v.path.startswith(f"{name}_") for v in network.trainable_variables), name
    # Inputs of 9, width 8, output of 5; with shortcuts there is a layer before two blocks of two.
    hidden = 4 * (8 * 8 + 8) if residual else 8 * 8 + 8
    assert found["G"].count_params() == (9 * 8 + 8) + hidden + (8 * 5 + 5)


def test_activations():
    """ReLU in G, leaky in D and Q."""
    slopes = {
        name: {layer.negative_slope for layer in n.layers if isinstance(layer, keras.layers.LeakyReLU)}
        for name, n in trio_networks(False).items()
    }
    assert slopes == {"G": {0.0}, "D": {0.2}, "Q": {0.2}}


def test_a_block_of_zeros_changes_nothing():
    """A shortcut: what a block adds to is what came in."""
    generator = networks.generator(2, 1, 4, width=4, layers=1, residual=True)
    for layer in generator.layers:
        if layer.name.startswith("G_block") and layer.weights:
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    generator.get_layer("G_output").set_weights([np.eye(4), np.zeros(4)])
    inputs = [np.array([[1.0, -1.0]], "float32"), np.array([[0.5]], "float32")]
    kernel, bias = generator.get_layer("G_width").get_weights()
    expected = np.maximum(np.array([[1.0, -1.0, 0.5]]) @ kernel + bias, 0)
    assert np.asarray(generator(inputs)) == pytest.approx(expected, abs=2e-3)


def test_features_of_any_scale_are_alike_and_codes_are_not():
    generator = networks.generator(6, 3, 5, width=8, layers=2)
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(2, 6)).astype("float32"), rng.normal(size=(2, 3)).astype("float32")
    here = np.asarray(generator([x, c]))
    assert np.asarray(generator([100 * x + 7, c])) == pytest.approx(here, abs=1e-2)
    assert np.abs(np.asarray(generator([x, 2 * c])) - here).max() > 0.05


def test_image_encoder_by_hand():
    """64 -> 32 -> 16 -> 8 -> 4 pixels, convolutions without bias, four numbers per channel of their norms."""
    encoder = networks.image_encoder(64, 10)
    convolutions = 9 * (32 + 32 * 64 + 64 * 128 + 128 * 256)
    assert encoder.count_params() == convolutions + 4 * (32 + 64 + 128 + 256) + 256 * 256 + 256 + 2570
    assert encoder.input_shape == (None, 64, 64, 1)
    features = np.asarray(encoder(np.full((2, 64, 64, 1), 255, "uint8")))
    assert features.shape == (2, 10)
    assert features.min() > 0 and features.max() < 1


def test_where_a_digit_stands_does_not_matter():
    encoder = networks.image_encoder(128, 10)
    picture = np.zeros((128, 128, 1), "uint8")
    picture[40:50, 42:46] = 200
    moved = np.roll(
        picture, (32, 16), (0, 1)
    )  # by whole cells of the last convolution, and far from the edges
    features = np.asarray(encoder(np.stack([picture, moved])))
    assert features[0] == pytest.approx(features[1], abs=1e-5)
    assert np.ptp(features[0]) > 0


def test_gray_values_enter_as_0_to_1():
    encoder = networks.image_encoder(8, 3, filters=(4,))
    rescaled = keras.Model(encoder.input, encoder.get_layer("scale").output)
    assert np.asarray(rescaled(np.full((1, 8, 8, 1), 51, "uint8"))).max() == pytest.approx(0.2)


@pytest.fixture
def label_sets():
    keras.utils.set_random_seed(0)
    return networks.LabelSetClassifier(networks.image_encoder(8, 2, filters=(4, 8), width=16, dropout=0.0))


def test_loss_of_label_sets_by_hand(label_sets):
    labels = np.array([[1.0, 0.0], [1.0, 1.0]], "float32")
    likely = np.array([[0.5, 0.5], [0.75, 0.75]], "float32")
    loss = label_sets.compute_loss(y={"labels": labels}, y_pred={"labels": likely})
    assert float(loss) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2, rel=1e-5)
    assert float(label_sets.exact.result()) == 0.5
    with pytest.raises(
        ZooError, match=r"labels has shape \(2, 2\), but their probabilities has shape \(2, 3\)"
    ):
        label_sets.compute_loss(y={"labels": labels}, y_pred={"labels": np.zeros((2, 3), "float32")})


def test_the_encoder_learns_label_sets(label_sets):
    """Two labels: a line across, a line down."""
    labels = np.random.default_rng(0).integers(0, 2, (64, 2)).astype("float32")
    images = np.zeros((64, 8, 8, 1), "uint8")
    images[labels[:, 0] > 0, 3] = 255
    images[labels[:, 1] > 0, :, 4] = 255
    label_sets.compile(keras.optimizers.Adam(1e-2))
    label_sets.fit(images, {"labels": labels}, batch_size=16, epochs=12, verbose=0)
    found = label_sets.evaluate(images, {"labels": labels}, verbose=0, return_dict=True)
    assert found["exact_sets"] == 1.0
