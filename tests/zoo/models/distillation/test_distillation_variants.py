"""Post-training variants: what is lowered, what they answer, how large they are, and that the original stays."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.signatures import write_saved_model
from zoo.errors import ConfigError, ExportError
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.latency import latency
from zoo.models.distillation.signatures import classifier_signatures
from zoo.models.distillation.variants import VARIANTS, HalfWeights, Lowered, lowered, make_variant
from zoo.models.distillation.vgg import BLOCKS, vgg

CLASSES = tuple("abcdefg")
CONVOLUTIONS = tuple(f"block_{block}_conv_1" for block in range(1, 6))
# Of the logits, whose size is about 1.
TOLERANCE = {"float16": 0.01, "int8": 0.05}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    network = vgg((1, 1, 1, 1, 1), classes=len(CLASSES), width=0.25, head_width=256)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return Classifier(network, classes=CLASSES, cuts=BLOCKS, name="student")


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def variant(model, kind):
    return make_variant(model, kind)


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)


def exported_size(model, folder):
    # One signature is enough here; tracing all of them takes long.
    tensor = [signature for signature in classifier_signatures(model) if signature.name == "tensor"]
    write_saved_model(str(folder), tensor)
    return sum(file.stat().st_size for file in (folder / "variables").iterdir())


def test_it_answers_nearly_as_the_original_which_stays_as_it_was(model, kind, pixels):
    before = model.network.get_weights()
    expected = model.predict(pixels, verbose=0)["logits"]
    variant = make_variant(model, kind)
    found = variant.predict(pixels, verbose=0)["logits"]
    assert found.dtype == np.float32
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 0 < error < TOLERANCE[kind]
    assert (variant.classes, variant.cuts, variant.name) == (CLASSES, BLOCKS, "student")
    assert lowered(model.network) == Lowered((), 0.0)
    assert model.network.layers[2].dtype_policy.name == "float32"
    for old, new in zip(before, model.network.get_weights(), strict=True):
        assert old.dtype == new.dtype
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(model.predict(pixels, verbose=0)["logits"], expected)


def test_the_exported_variant_is_smaller_and_answers_as_keras_does(model, variant, kind, tmp_path, pixels):
    ratio = exported_size(variant, tmp_path / kind) / exported_size(model, tmp_path / "original")
    # Dense kernels: (128 * 256 + 256 * 7) of 428 k parameters, a quarter of their bytes.
    limits = {"float16": (0.48, 0.55), "int8": (0.9, 0.97)}[kind]
    assert limits[0] < ratio < limits[1]
    served = tf.saved_model.load(str(tmp_path / kind)).signatures["tensor"](image=tf.constant(pixels))
    logits = variant.predict(pixels, verbose=0)["logits"]
    np.testing.assert_allclose(served["probabilities"], keras.ops.softmax(logits), atol=1e-4)


def test_float16_lowers_every_kernel_and_leaves_batch_normalisation(model):
    variant = make_variant(model, "float16")
    found = lowered(variant.network)
    assert found.layers == (*CONVOLUTIONS, "dense_1", "logits")
    norms = 4 * sum((16, 32, 64, 128, 128))
    assert found.share == pytest.approx(1 - norms / model.count_params())
    conv, norm = (variant.network.get_layer(f"block_2_{kind}_1") for kind in ("conv", "norm"))
    assert conv.kernel.dtype == "float16"
    assert conv.compute_dtype == "float32"
    assert norm.moving_variance.dtype == "float32"
    original = model.network.get_layer("block_2_conv_1").kernel.numpy()
    np.testing.assert_array_equal(conv.kernel.numpy(), original.astype(np.float16))


def test_int8_lowers_dense_layers_alone(model):
    variant = make_variant(model, "int8")
    found = lowered(variant.network)
    assert found.layers == ("dense_1", "logits")
    kernels = 128 * 256 + 256 * 7
    assert found.share == pytest.approx(kernels / (model.count_params() + 256 + 7))  # a scale per unit
    assert variant.network.get_layer("dense_1").kernel.dtype == "int8"
    assert variant.network.get_layer("block_1_conv_1").kernel.dtype == "float32"


def test_a_saved_variant_answers_as_it_did(variant, kind, tmp_path, pixels):
    variant.save(tmp_path / "variant.keras")
    loaded = keras.saving.load_model(tmp_path / "variant.keras")
    # Keras keeps of a policy its name alone: the rounded weights come back in 32 bits.
    assert lowered(loaded.network).layers == {"float16": (), "int8": ("dense_1", "logits")}[kind]
    expected = variant.predict(pixels, verbose=0)["logits"]
    np.testing.assert_array_equal(loaded.predict(pixels, verbose=0)["logits"], expected)


def test_its_latency_is_measured_like_that_of_the_original(model, variant):
    first, second = latency({"original": model, "variant": variant}, batches=(1,), repetitions=1)
    assert second.multiply_adds == first.multiply_adds


def test_nested_networks_are_lowered_too(pixels):
    inner = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Conv2D(2, 3, name="inner_conv")], name="inner"
    )
    image = keras.Input((32, 32, 3), dtype="uint8")
    x = keras.ops.relu(inner(keras.layers.Rescaling(1 / 255)(image)))
    network = keras.Model(image, keras.layers.Dense(2, name="last")(keras.layers.Flatten()(x)))
    model = Classifier(network, classes=("a", "b"))
    variant = make_variant(model, "float16")
    assert lowered(variant.network).layers == ("inner_conv", "last")
    expected = model.predict(pixels, verbose=0)["logits"]
    np.testing.assert_allclose(variant.predict(pixels, verbose=0)["logits"], expected, atol=5e-3)


def small(*, scale=1.0, convolutional=False):
    image = keras.Input((4, 4, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(image)
    layer = keras.layers.Conv2D(2, 4, name="last") if convolutional else keras.layers.Dense(2, name="last")
    x = keras.layers.Flatten()(layer(x)) if convolutional else layer(keras.layers.Flatten()(x))
    network = keras.Model(image, x, name="small")
    layer.set_weights([np.full(weight.shape, scale) for weight in layer.get_weights()])
    return Classifier(network, classes=("a", "b"), name="small")


def test_weights_beyond_half_precision():
    make_variant(small(scale=65504.0), "float16")
    with pytest.raises(ExportError) as caught:
        make_variant(small(scale=-70000.0), "float16")
    assert str(caught.value) == (
        "Layer 'last' has a weight of size 70000.\n"
        "Expected: weights of at most 65504, the largest float16\n"
        "Fix: leave out the variant float16; weights as large as this point to a training that diverged"
    )
    with pytest.raises(ExportError, match="Layer 'last' has a weight of size nan"):
        make_variant(small(scale=np.nan), "float16")


def test_nothing_to_quantise():
    with pytest.raises(ExportError) as caught:
        make_variant(small(convolutional=True), "int8")
    assert str(caught.value) == (
        f"Keras {keras.__version__} quantises none of the layers of 'small' to int8.\n"
        "Expected: a Dense, EinsumDense or Embedding layer; convolutions are not quantised\n"
        "Fix: take the variant float16, or quantise the TFLite file"
    )


def test_an_unknown_variant_and_a_variant_of_a_variant():
    with pytest.raises(ConfigError) as caught:
        make_variant(small(), "int4")
    assert str(caught.value) == (
        "There is no variant 'int4'.\nExpected: float16 or int8\nFix: ask for float16"
    )
    with pytest.raises(ConfigError) as caught:
        make_variant(make_variant(small(), "float16"), "int8")
    assert str(caught.value) == (
        "'small' has weights of fewer than 32 bits already, in 1 layers such as 'last'.\n"
        "Expected: a classifier as it was trained\n"
        "Fix: make the variant of the original"
    )


def test_the_policy_computes_in_the_type_that_it_is_named_after():
    policy = HalfWeights("bfloat16")
    assert (policy.compute_dtype, policy.variable_dtype) == ("bfloat16", "float16")


def test_a_normalisation_that_has_seen_data_is_copied_with_its_constants(kind):
    scaling = keras.layers.Normalization()
    scaling.adapt(np.random.default_rng(0).uniform(30, 230, (20, 16, 16, 3)))
    stack = [scaling, keras.layers.Conv2D(4, 3), keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(7)]
    network = keras.Sequential([keras.Input((16, 16, 3)), *stack])
    original = Classifier(network, classes=CLASSES)
    pictures = np.random.default_rng(1).integers(0, 256, (4, 16, 16, 3), np.uint8)
    expected, said = (
        np.asarray(model(pictures)["logits"]) for model in (original, make_variant(original, kind))
    )
    np.testing.assert_allclose(said, expected, atol=0.05)
