"""The tensor sketch against its explicit sum, its expectation, and itself after loading."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import ConfigError, ZooError
from zoo.layers.bilinear_pooling import BilinearPooling
from zoo.layers.compact_bilinear_pooling import CompactBilinearPooling

RNG = np.random.default_rng(0)


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def draw(*shape):
    return RNG.normal(size=shape).astype("float32")


def explicit(layer, x, y):
    """φ_j = Σ_{h1(a) + h2(b) = j mod d} s1(a) s2(b) P B_ab, one picture `[P, C]`, loop by loop."""
    (h1, h2), (s1, s2) = ([value(w) for w in pair] for pair in (layer.hashes, layer.signs))
    products, phi = x.T.astype("float64") @ y, np.zeros(layer.dimensions)
    for a in range(x.shape[1]):
        for b in range(y.shape[1]):
            phi[(h1[a] + h2[b]) % layer.dimensions] += s1[a] * s2[b] * products[a, b]
    return phi


# By spectra where P · dimensions < Cx · Cy, else by products.
@pytest.mark.parametrize("dimensions", [1, 2, 15, 16, 200])
@pytest.mark.parametrize("positions", [1, 6])
def test_the_explicit_sum_for_a_pair(dimensions, positions):
    x, y = draw(2, positions, 12), draw(2, positions, 9)
    layer = CompactBilinearPooling(dimensions)
    found = value(layer([x, y]))
    assert found.shape == (2, dimensions)
    for i in range(2):
        assert found[i] == pytest.approx(explicit(layer, x[i], y[i]), abs=1e-4)


@pytest.mark.parametrize("shape", [(2, 2, 3, 40), (2, 6, 40), (2, 40)], ids=str)
def test_the_explicit_sum_for_one_map_of_any_rank(shape):
    x, layer = draw(*shape), CompactBilinearPooling(32, seed=4)
    found, rows = value(layer(x)), x.reshape(2, -1, 40)
    for i in range(2):
        assert found[i] == pytest.approx(explicit(layer, rows[i], rows[i]), abs=1e-3)


def test_both_ways_of_computing_are_one_vector():
    x, y = (np.asarray(draw(3, 10, n), "float64") for n in (20, 30))
    layer = CompactBilinearPooling(64, dtype="float64")
    layer([x, y])
    signed = [keras.ops.convert_to_tensor(m * value(s)) for m, s in zip((x, y), layer.signs, strict=True)]
    assert value(layer._from_spectra(*signed)) == pytest.approx(
        value(layer._from_products(*signed)), abs=1e-10
    )


def test_narrow_large_maps_go_by_products():
    layer = CompactBilinearPooling(100)
    assert layer._products_are_fewer((None, 1600, 24), (None, 1600, 24))
    assert layer._products_are_fewer((None, 4, 20), (None, 4, 20))
    assert not layer._products_are_fewer((None, 3, 20), (None, 3, 20))
    assert layer._products_are_fewer((None, None, 10), (None, None, 10))
    assert not layer._products_are_fewer((None, None, 11), (None, None, 10))


def test_unknown_grids_and_batches():
    inputs = keras.Input((None, None, 40))
    layer = CompactBilinearPooling(32)
    model, x = keras.Model(inputs, layer(inputs)), draw(3, 2, 3, 40)
    assert model.output_shape == (None, 32)
    for count in (1, 3):
        found = model.predict(x[:count], verbose=0)
        assert found[-1] == pytest.approx(explicit(layer, *[x[count - 1].reshape(6, 40)] * 2), abs=1e-3)


def test_expected_inner_product_is_that_of_bilinear_pooling():
    """One draw proves nothing: the mean of 100 lies within 3 of its own standard errors, which are small."""
    x = np.abs(draw(2, 3, 10))
    first, second = x.astype("float64")
    expected = np.sum((first @ second.T) ** 2)
    assert expected == pytest.approx(
        9 * np.prod(value(BilinearPooling()(x)), axis=0, dtype="float64").sum(), rel=1e-5
    )
    found = []
    for seed in range(100):
        sketches = value(CompactBilinearPooling(64, seed=seed)(x)).astype("float64")
        found.append(sketches[0] @ sketches[1])
    error = np.std(found, ddof=1) / len(found) ** 0.5
    assert error < 0.05 * expected
    assert abs(np.mean(found) - expected) < 3 * error


def test_variance_falls_with_the_dimensions():
    x = draw(2, 1, 10)
    spread = []
    for dimensions in (16, 256):
        pairs = [value(CompactBilinearPooling(dimensions, seed=seed)(x)) for seed in range(60)]
        spread.append(np.var([a @ b for a, b in pairs]))
        bound = 8 * np.prod(np.sum(x**2, axis=-1)) ** 2 / dimensions
        assert spread[-1] <= bound
    assert 6 < spread[0] / spread[1] < 40  # 16 in expectation


def test_each_factor_has_hashes_of_its_own():
    layer = CompactBilinearPooling(1000)
    layer.build((None, 50))
    assert not layer.trainable_weights
    assert [tuple(w.shape) for w in layer.weights] == [(50,)] * 4
    for one, other in (layer.hashes, layer.signs):
        assert not np.array_equal(value(one), value(other))
    assert set(value(layer.signs[0])) == {-1, 1}
    hashes = np.concatenate([value(h) for h in layer.hashes])
    assert hashes.min() >= 0
    assert 900 < hashes.max() < 1000


def test_the_seed_decides():
    x = draw(1, 30)
    first, again, other = (value(CompactBilinearPooling(20, seed=s)(x)) for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_hashes_are_saved_with_the_model(tmp_path):
    inputs = [keras.Input((2, 2, 12)), keras.Input((2, 2, 9))]
    model = keras.Model(inputs, CompactBilinearPooling(16, name="pool")(inputs))
    layer = model.get_layer("pool")
    # Other hashes than the seed's: what is loaded must come from the file.
    layer.hashes[0].assign((value(layer.hashes[0]) + 3) % 16)
    layer.signs[1].assign(-value(layer.signs[1]))
    x = [draw(2, 2, 2, 12), draw(2, 2, 2, 9)]
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    for one, other in zip(model.weights, again.weights, strict=True):
        assert np.array_equal(value(one), value(other))
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("dimensions", [15, 16])
def test_gradient_is_that_of_the_explicit_sum(dimensions):
    x, upstream = draw(1, 2, 12), RNG.normal(size=dimensions)
    layer, tensor = CompactBilinearPooling(dimensions), tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        total = tf.reduce_sum(layer(tensor) * upstream.astype("float32"))
    found = tape.gradient(total, tensor).numpy()
    step = draw(2, 12).astype("float64")
    # A quadratic form: the central difference is exact.
    ahead, behind = (explicit(layer, *[x[0] + h * step] * 2) @ upstream for h in (0.5, -0.5))
    assert np.sum(found[0] * step) == pytest.approx(ahead - behind, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"dimensions": 0},
            "dimensions is 0.\nExpected: 1 or more\nFix: set it so; the default is 5000",
        ),
        ({"seed": -1}, "seed is -1.\nExpected: 0 or more\nFix: set it so"),
    ],
    ids=["dimensions", "seed"],
)
def test_settings_out_of_range(settings, text):
    with pytest.raises(ConfigError) as error:
        CompactBilinearPooling(**settings)
    assert str(error.value) == text


def test_grids_that_differ():
    with pytest.raises(ZooError, match=r"got maps of shapes \(2, 7, 7, 4\) and \(2, 14, 14, 4\)"):
        CompactBilinearPooling(8)([np.zeros((2, 7, 7, 4)), np.zeros((2, 14, 14, 4))])
