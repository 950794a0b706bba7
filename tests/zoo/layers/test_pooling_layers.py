"""What all layers of second-order pooling must stand: degenerate maps, half precision, saving, jax, serving."""

from __future__ import annotations

import numpy as np
import pytest

from tests.both_backends import values_of_both, write_values


def layers(policy: str = "float32") -> dict[str, object]:
    """The layers by name; `policy` is their precision."""
    from zoo.layers.bilinear_pooling import BilinearPooling
    from zoo.layers.compact_bilinear_pooling import CompactBilinearPooling
    from zoo.layers.matrix_power_normalization import MatrixPowerNormalization
    from zoo.layers.signed_square_root import SignedSquareRoot
    from zoo.layers.sub_matrix_square_root import SubMatrixSquareRoot

    newton = {"method": "newton_schulz", "dtype": policy}
    return {
        "bilinear": BilinearPooling(dtype=policy),
        "sketch of spectra": CompactBilinearPooling(20, dtype=policy),
        "sketch of products": CompactBilinearPooling(201, seed=3, dtype=policy),
        "eigh": MatrixPowerNormalization(power=0.4, dtype=policy),
        "eigh, not centred": MatrixPowerNormalization(centre=False, dtype=policy),
        "newton 5": MatrixPowerNormalization(**newton),
        "newton 30": MatrixPowerNormalization(iterations=30, centre=False, **newton),
        "sub-matrix": SubMatrixSquareRoot(dtype=policy),
        "root": SignedSquareRoot(dtype=policy),
    }


def maps() -> dict[str, np.ndarray]:
    """Maps `[1, 12, 16]` that break a careless root."""
    rng = np.random.default_rng(0)
    found = {
        "drawn": rng.normal(size=(12, 16)),
        "small": 1e-6 * rng.normal(size=(12, 16)),
        "large": 1e6 * rng.normal(size=(12, 16)),
        "tiny": 1e-11 * rng.normal(size=(12, 16)),
        "repeated": np.repeat(rng.normal(size=(1, 16)), 12, axis=0),
        "repeated in threes": np.repeat(rng.normal(size=(4, 16)), 3, axis=0),
        "constant": np.full((12, 16), 3.3),
        "zero": np.zeros((12, 16)),
        "one zero position": rng.normal(size=(12, 16)) * (np.arange(12) > 0)[:, None],
        "one channel fires": rng.normal(size=(12, 16)) * (np.arange(16) == 2),
    }
    return {name: array[None].astype("float32") for name, array in found.items()}


def batches() -> dict[str, np.ndarray]:
    """All of them at once, the same on a grid larger than their channels, and one position of each."""
    stacked = np.concatenate(list(maps().values()))
    return {"12": stacked, "24": np.tile(stacked, (1, 2, 1)), "1": stacked[:, :1]}


def with_gradient(layer, array):
    """The output, and the gradient of a weighted sum of it, under either backend."""
    import keras

    def total(x):
        y = keras.ops.cast(layer(x), "float32")
        weights = np.sin(np.arange(np.prod(y.shape[1:]), dtype="float32")).reshape(y.shape[1:])
        return keras.ops.sum(y * weights), y

    x = keras.ops.convert_to_tensor(array)
    if keras.backend.backend() == "jax":
        import jax

        layer.build(array.shape)
        (_, y), slope = jax.value_and_grad(total, has_aux=True)(x)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            summed, y = total(x)
        slope = tape.gradient(summed, x)
    return np.asarray(y), np.asarray(slope)


def values() -> dict[str, np.ndarray]:
    """Outputs and gradients of every layer on grids smaller and larger than the channels; also run under jax."""
    return {
        f"{name}/{positions}/{what}": array
        for positions in ("12", "24")
        for name, layer in layers().items()
        for what, array in zip(
            ("output", "gradient"), with_gradient(layer, batches()[positions]), strict=True
        )
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return values_of_both(__file__, values, tmp_path_factory.mktemp("jax"))


def test_everything_is_finite_under_both_backends(both):
    for found in both:
        assert {name for name, array in found.items() if not np.isfinite(array).all()} == set()


@pytest.mark.parametrize("what", ["output", "gradient"])
def test_backends_agree(both, what):
    here, there = both
    assert here.keys() == there.keys()
    far = {}
    for name, array in here.items():
        if name.endswith(what):
            # Of the drawn, small and large ones. The slopes at repeated positions turn on rounding.
            for i, one in enumerate(array[:3]):
                far[f"{name} {i}"] = np.abs(there[name][i] - one).max() / max(1e-30, np.abs(one).max())
    assert {name: share for name, share in far.items() if share > 1e-3} == {}


@pytest.mark.parametrize("positions", batches())
def test_half_precision_is_finite_and_near(positions):
    array, single = batches()[positions], layers()
    for name, layer in layers("mixed_bfloat16").items():
        found, slope = with_gradient(layer, array)
        assert np.isfinite(found).all(), name
        assert np.isfinite(slope).all(), name
        drawn, drawn_slope = with_gradient(single[name], array)
        assert np.isfinite(drawn_slope).all(), name
        assert np.abs(found[0] - drawn[0]).max() <= 0.05 * np.abs(drawn[0]).max(), name


@pytest.mark.parametrize("name", layers())
def test_config_shapes_and_name(name):
    import keras

    layer = layers()[name]
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(type(layer)) == f"mizoo>{type(layer).__name__}"
    for shape in ((3, 2, 16), (6, 16), (16,)):
        inputs = keras.Input(shape)
        model = keras.Model(inputs, layers()[name](inputs))
        array = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
        assert model(array).shape == (2, *model.output_shape[1:])


def test_a_head_is_the_same_after_loading_and_as_a_saved_model(tmp_path):
    import keras
    import tensorflow as tf

    made = layers()
    inputs = keras.Input((3, 2, 16))
    rooted = made["sub-matrix"](inputs)
    sketch = made["root"](made["sketch of spectra"](rooted))
    outputs = {
        "sketch": keras.layers.UnitNormalization()(sketch),
        "products": made["sketch of products"](rooted),
        "triangle": made["eigh"](inputs),
        "iterated": made["newton 5"](inputs),
        "bilinear": made["bilinear"]([inputs, rooted]),
    }
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "m.keras")
    model.export(tmp_path / "served", verbose=False)
    loaded, served = keras.saving.load_model(tmp_path / "m.keras"), tf.saved_model.load(tmp_path / "served")
    for count in (1, 5):
        x = np.random.default_rng(count).normal(size=(count, 3, 2, 16)).astype("float32")
        expected, again = model.predict(x, verbose=0), loaded.predict(x, verbose=0)
        answered = served.serve(x)
        assert np.linalg.norm(expected["sketch"], axis=1) == pytest.approx(1, abs=1e-5)
        for name, array in expected.items():
            assert again[name] == pytest.approx(array, abs=1e-5), name
            assert answered[name].numpy() == pytest.approx(array, abs=1e-5), name


if __name__ == "__main__":
    write_values(values)
