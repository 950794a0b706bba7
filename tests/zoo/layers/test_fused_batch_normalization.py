"""The fused step against Keras' own layer: results, gradients, statistics, and where it must not be taken."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.both_backends import values_of_both, write_values
from zoo.layers.fused_batch_normalization import FusedBatchNormalization

MAPS = np.random.default_rng(0).normal(2, 3, (8, 5, 4, 6)).astype("float32")


def layer_of(kind, shape, **settings):
    layer = kind(momentum=0.9, epsilon=1e-5, **settings)
    layer.build(shape)
    for value, (low, high) in ((layer.gamma, (0.5, 2)), (layer.beta, (-1, 2))):
        if value is not None:
            value.assign(np.linspace(low, high, value.shape[0]))
    return layer


def trained(layer, x, **call):
    """Outputs, gradients of a sum with unequal weights, and the moving statistics after one call in training."""
    x = tf.convert_to_tensor(x)
    weights = tf.cast(tf.reshape(tf.linspace(-1.0, 1.5, tf.size(x)), x.shape), "float32")
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True, **call)
        loss = tf.reduce_sum(tf.cast(y, "float32") * weights)
    sources = [x, *(value.value for value in layer.trainable_variables)]
    statistics = (value.value for value in layer.non_trainable_variables)
    return [y, *tape.gradient(loss, sources), *statistics]


def is_fused(layer, x, training=True):
    function = tf.function(lambda y: layer(y, training=training)).get_concrete_function(
        tf.convert_to_tensor(x)
    )
    return "FusedBatchNormV3" in {operation.type for operation in function.graph.get_operations()}


def both(x, **settings):
    return [
        layer_of(kind, x.shape, **settings)
        for kind in (FusedBatchNormalization, keras.layers.BatchNormalization)
    ]


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("center", [True, False])
def test_training_is_that_of_keras(scale, center):
    ours, theirs = both(MAPS, scale=scale, center=center)
    assert is_fused(ours, MAPS)
    assert not is_fused(theirs, MAPS)
    for found, wanted in zip(trained(ours, MAPS), trained(theirs, MAPS), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_statistics_of_a_single_value():
    x = np.full((1, 1, 1, 3), 7, "float32")
    ours, theirs = both(x)
    for found, wanted in zip(trained(ours, x), trained(theirs, x), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_mixed_bfloat16_keeps_float32_statistics():
    ours, theirs = both(MAPS, dtype="mixed_bfloat16")
    x = MAPS.astype(tf.bfloat16.as_numpy_dtype)
    assert is_fused(ours, x)
    found, wanted = trained(ours, x), trained(theirs, x)
    assert found[0].dtype == tf.bfloat16
    assert ours.moving_variance.dtype == "float32"
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.float32(a), np.float32(b), rtol=0.02, atol=0.02 * np.abs(b).max())


@pytest.mark.parametrize(
    ("x", "settings"),
    [
        (MAPS[:, 0, 0], {}),
        (MAPS[:, 0], {}),
        (MAPS, {"axis": 1}),
        (MAPS, {"renorm": True}),
        (MAPS, {"trainable": False}),
        (MAPS.astype("float64"), {"dtype": "float64"}),
    ],
)
def test_the_rest_is_left_to_keras(x, settings):
    ours, theirs = both(x, **settings)
    assert not is_fused(ours, x)
    np.testing.assert_array_equal(ours(x, training=True), theirs(x, training=True))
    for found, wanted in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_a_mask_is_looked_at():
    mask = np.random.default_rng(1).random(MAPS.shape[:3]) < 0.5
    ours, theirs = both(MAPS)
    np.testing.assert_array_equal(
        ours(MAPS, training=True, mask=mask), theirs(MAPS, training=True, mask=mask)
    )


def test_inference_is_that_of_keras():
    ours, theirs = both(MAPS)
    assert not is_fused(ours, MAPS, training=False)
    np.testing.assert_array_equal(ours(MAPS), theirs(MAPS))


def test_it_is_saved_and_loaded(tmp_path):
    image = keras.Input(MAPS.shape[1:])
    model = keras.Model(image, FusedBatchNormalization(epsilon=1e-4)(image))
    model(MAPS, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[1]) is FusedBatchNormalization
    np.testing.assert_array_equal(loaded(MAPS), model(MAPS))


def values():
    layer = layer_of(FusedBatchNormalization, MAPS.shape)
    return {"y": np.asarray(layer(MAPS, training=True)), "variance": np.asarray(layer.moving_variance)}


def test_both_backends_agree(tmp_path):
    here, jax = values_of_both(__file__, values, tmp_path)
    for name, found in here.items():
        np.testing.assert_allclose(found, jax[name], rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    write_values(values)
