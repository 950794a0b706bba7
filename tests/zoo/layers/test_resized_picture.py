import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ConfigError
from zoo.layers.resized_picture import ResizedPicture

PICTURES = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 3), dtype=np.uint8)


def test_pictures_are_resized_as_tensorflow_does_and_not_rounded():
    found = np.asarray(ResizedPicture(32)(PICTURES))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, tf.image.resize(PICTURES, [32, 32], antialias=True), atol=1e-4)
    assert (found != found.round()).any()


def test_half_the_size_by_hand():
    """Weights 1/8, 3/8, 3/8, 1/8 in the middle; at the border the outer one is missing."""
    row = np.array([[[0.0], [8.0], [16.0], [80.0]]]).repeat(4, axis=0)[None].repeat(3, axis=-1)
    found = np.asarray(ResizedPicture(2)(row))[0, 0, :, 0]
    np.testing.assert_allclose(found, [(3 * 0 + 3 * 8 + 16) / 7, (8 + 3 * 16 + 3 * 80) / 7], rtol=1e-5)


def test_a_graph_gives_what_eager_calls_give():
    layer = ResizedPicture(32)
    np.testing.assert_allclose(tf.function(layer)(PICTURES), layer(PICTURES), atol=1e-4)


def test_round_trip_of_the_config():
    layer = ResizedPicture(7, name="smaller")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again(PICTURES).shape == again.compute_output_spec(PICTURES).shape == (2, 7, 7, 3)


def test_no_size_is_refused():
    with pytest.raises(ConfigError, match="size is 0"):
        ResizedPicture(0)
