"""`convert` and `find_head`: heads of many forms, the linear identities, and networks that have none."""

from __future__ import annotations

import logging
import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from zoo.backbones.build import InferenceNetwork, build_backbone
from zoo.backbones.squeezenet import squeezenet
from zoo.errors import ConfigError
from zoo.models.distillation.classifier import Classifier
from zoo.models.fusion.conversion import convert
from zoo.models.fusion.head import find_head

rng = np.random.default_rng(3)


def randomised(model):
    """Gives every weight a value of its own, batch normalisation included; biases are not 0."""
    for weight in model.weights:
        fan_in = max(1, int(np.prod(weight.shape[:-1])))
        positive = weight.name in {"gamma", "moving_variance"}
        values = rng.normal(0, np.sqrt(2 / fan_in), weight.shape)
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) if positive else values)
    return model


def trunk(pool=False, name="trunk"):
    x = image = keras.Input((8, 8, 3), name="pixels")
    x = layers.Conv2D(6, 3, padding="same", name="conv")(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x) if pool else x
    return keras.Model(image, x, name=name)


def net(*tail, start=None):
    """A classifier: the trunk, flat, and what follows."""
    begun = start or trunk()
    x = begun.output
    for layer in tail:
        x = layer(x)
    return randomised(keras.Model(begun.input, x, name="net"))


def gap(**arguments):
    return layers.GlobalAveragePooling2D(name="gap", **arguments)


def dense(units=4, **arguments):
    return layers.Dense(units, name="head", **arguments)


def pointwise(units=4, **arguments):
    return layers.Conv2D(units, 1, name="head", **arguments)


def pictures(model, count=2):
    shape = model.input_shape if not isinstance(model.input_shape, list) else model.input_shape[0]
    return np.random.default_rng(0).normal(size=(count, *shape[1:])).astype("float32")


def run(model, x):
    answer = model(x, training=False)
    return keras.tree.map_structure(keras.ops.convert_to_numpy, answer)


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def check_identities(model, converted, x, last=softmax):
    head = find_head(model)
    answer = run(converted, x)
    assert last(answer["fc"]) == pytest.approx(run(model, x), abs=1e-5)
    assert answer["cam"].mean(axis=(1, 2)) == pytest.approx(answer["fc"] - head.bias, abs=1e-4)
    assert answer["svd_cam"].mean(axis=(1, 2)) == pytest.approx(answer["svd_fc"], rel=1e-5, abs=1e-4)
    assert answer["fc"].std() > 1e-3
    assert all(value.dtype == np.float32 for value in answer.values())
    maps = run(keras.Model(model.input, head.maps), x)
    left, _, right = np.linalg.svd(head.kernel, full_matrices=False)
    assert answer["svd_cam"] == pytest.approx(
        maps @ (left @ right), rel=1e-5, abs=float(1e-5 * abs(maps).max())
    )


APPLICATIONS = {
    "MobileNet": ({"alpha": 0.25}, "conv_preds", 256),
    "MobileNetV2": ({"alpha": 0.35}, "predictions", 1280),
    "ResNet50": ({}, "predictions", 2048),
}


@pytest.mark.parametrize("name", APPLICATIONS)
def test_keras_applications(name):
    arguments, layer, channels = APPLICATIONS[name]
    model = getattr(keras.applications, name)(input_shape=(64, 64, 3), weights=None, classes=7, **arguments)
    randomised(model)
    top = model.get_layer(layer)
    scale = abs(run(keras.Model(model.input, find_head(model).maps), pictures(model))).max()
    top.set_weights([weight / scale for weight in top.get_weights()])  # or the softmax is 0 and 1
    head = find_head(model)
    assert (head.layer, head.kernel.shape, head.bias.shape) == (layer, (channels, 7), (7,))
    assert head.kernel.dtype == head.bias.dtype == np.float64
    converted = convert(model)
    shapes = {key: tensor.shape for key, tensor in converted.output.items()}
    assert shapes == {
        "fc": (None, 7),
        "svd_fc": (None, 7),
        "cam": (None, 2, 2, 7),
        "svd_cam": (None, 2, 2, 7),
    }
    check_identities(model, converted, pictures(model))


def test_a_head_before_the_pooling(caplog):
    """SqueezeNet averages relu(W^T x + b): fc is taken without the relu, and it is said."""
    model = randomised(squeezenet((64, 64, 3), include_top=True, classes=5))
    with caplog.at_level(logging.WARNING):
        converted = convert(model)
    assert "'squeezenet' averages its class scores over the map after 'conv10'" in caplog.text
    head = find_head(model)
    assert (head.layer, head.kernel.shape) == ("conv10", (512, 5))
    assert head.maps is model.get_layer("fire9_concat").output
    answer = run(converted, pictures(model))
    scores = run(keras.Model(model.input, model.get_layer("conv10").output), pictures(model))
    assert np.maximum(answer["cam"] + head.bias, 0) == pytest.approx(scores, rel=1e-4, abs=1e-4)
    assert answer["cam"].mean(axis=(1, 2)) == pytest.approx(answer["fc"] - head.bias, rel=1e-4, abs=1e-4)


HEADS = {
    "dense": [gap(), dense(activation="softmax")],
    "no bias": [gap(), dense(use_bias=False), layers.Softmax()],
    "dropout and linear": [
        gap(),
        layers.Dropout(0.5),
        layers.Activation("linear"),
        dense(),
        layers.Softmax(),
    ],
    "pointwise": [gap(keepdims=True), pointwise(), layers.Reshape((4,)), layers.Activation("softmax")],
    "reshaped": [gap(), layers.Reshape((1, 1, 6)), pointwise(), layers.Flatten(), layers.Softmax()],
    "average of the whole": [layers.AveragePooling2D(8), layers.Flatten(), dense(activation="softmax")],
    "operations": [lambda x: keras.ops.mean(x, axis=(1, 2)), dense(), keras.ops.softmax],
    "scores on the map": [layers.Dropout(0.5), pointwise(), gap(), layers.Softmax()],
    "dense on the map": [dense(), gap(), layers.Softmax()],
    "nested head": [gap(), keras.Sequential([keras.Input((6,)), dense(activation="softmax")], name="top")],
    "nested pooling": [
        keras.Sequential([keras.Input((8, 8, 6)), gap(), dense(), layers.Softmax()], name="top")
    ],
}


@pytest.mark.parametrize("name", HEADS)
def test_forms_of_heads(name):
    model = net(*HEADS[name])
    check_identities(model, convert(model), pictures(model))


@pytest.mark.parametrize("pool", [False, True], ids=["map", "pooled"])
def test_the_trunk_as_one_layer(pool):
    image = keras.Input((8, 8, 3), name="image")
    inner = trunk(pool)
    x = inner(layers.Rescaling(2.0)(image), training=False)
    x = layers.Dense(4, name="head", activation="softmax")(x if pool else gap()(x))
    model = randomised(keras.Model(image, x, name="whole"))
    check_identities(model, convert(model), pictures(model))


def test_the_trunk_within_a_trunk():
    image = keras.Input((8, 8, 3))
    middle = keras.Sequential([keras.Input((8, 8, 3)), trunk(pool=True), layers.Dropout(0.1)], name="middle")
    model = randomised(keras.Model(image, dense(activation="softmax")(middle(image)), name="whole"))
    check_identities(model, convert(model), pictures(model))


def test_a_backbone_with_its_classifier():
    model = randomised(build_backbone("mobilenet_025", layer="predictions", image_size=64, pool=None))
    converted = convert(model)
    (nested,) = [layer for layer in converted.layers if isinstance(layer, keras.Model)]
    assert isinstance(nested, InferenceNetwork)
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("uint8")
    answer = run(converted, image)
    assert softmax(answer["fc"]) == pytest.approx(run(model, image), abs=1e-5)
    in_training = keras.ops.convert_to_numpy(converted(image, training=True)["fc"])
    assert in_training == pytest.approx(answer["fc"], abs=1e-5)


def test_a_classifier_of_the_zoo():
    """Its network is one layer, its output a dict of logits."""
    network = net(layers.Dropout(0.2), gap(), dense(3))
    model = Classifier(network, classes=("a", "b", "c"))
    image = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype("uint8")
    answer = run(convert(model), image)
    assert answer["fc"] == pytest.approx(run(model, image)["logits"], rel=1e-5, abs=1e-4)
    assert answer["svd_cam"].mean(axis=(1, 2)) == pytest.approx(answer["svd_fc"], rel=1e-5, abs=1e-4)


def test_mixed_precision_answers_in_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = net(gap(), dense(activation="softmax"))
    finally:
        keras.config.set_dtype_policy("float32")
    answer = run(convert(model), pictures(model))
    assert {value.dtype.name for value in answer.values()} == {"float32"}
    assert answer["svd_cam"].mean(axis=(1, 2)) == pytest.approx(answer["svd_fc"], abs=1e-5)


def test_dropped_classes_and_the_left_basis():
    model = net(gap(), dense(5, activation="softmax"))
    whole, x = run(convert(model), pictures(model)), pictures(model)
    head = find_head(model)
    without = run(convert(model, drop_classes=(0,)), x)
    assert without["fc"] == pytest.approx(whole["fc"][:, 1:], abs=1e-6)
    assert without["cam"] == pytest.approx(whole["cam"][..., 1:], abs=1e-6)
    left, _, right = np.linalg.svd(head.kernel[:, 1:], full_matrices=False)
    maps = run(keras.Model(model.input, head.maps), x)
    assert without["svd_cam"] == pytest.approx(maps @ (left @ right), abs=1e-5)
    turned = run(convert(model, basis="left", drop_classes=(0,)), x)
    assert turned["svd_fc"] @ turned["svd_fc"].T == pytest.approx(
        without["svd_fc"] @ without["svd_fc"].T, abs=1e-5
    )


def test_more_classes_than_channels_keep_every_length():
    model = net(gap(), dense(9))
    head = find_head(model)
    pooled = run(keras.Model(model.input, head.maps), pictures(model)).mean(axis=(1, 2))
    svd_fc = run(convert(model), pictures(model))["svd_fc"]
    assert svd_fc.shape == (2, 9)
    assert np.linalg.norm(svd_fc, axis=1) == pytest.approx(np.linalg.norm(pooled, axis=1), rel=1e-5)


def test_a_named_head_among_several_outputs():
    begun = trunk()
    pooled = gap()(begun.output)
    outputs = {"a": layers.Dense(3, name="first")(pooled), "b": layers.Dense(4, name="second")(pooled)}
    model = randomised(keras.Model(begun.input, outputs, name="two"))
    head = find_head(model, "first")
    assert (head.layer, head.kernel.shape) == ("first", (6, 3))
    assert run(convert(model, "first"), pictures(model))["fc"] == pytest.approx(
        run(model, pictures(model))["a"], abs=1e-5
    )
    with pytest.raises(
        ConfigError, match=r"'two' has 2 outputs: .*\n.*\nFix: name the head: layer=NAME, one of"
    ) as caught:
        find_head(model)
    assert "first" in str(caught.value)


def test_a_hidden_layer_may_be_named():
    model = net(gap(), layers.Dense(5, name="embedding"), layers.LayerNormalization(), dense())
    assert find_head(model, "embedding").kernel.shape == (6, 5)


def test_the_weights_are_copied_and_the_model_is_left_alone():
    model = net(gap(), dense(activation="softmax"))
    x = pictures(model)
    before, weights = run(model, x), [np.array(weight) for weight in model.get_weights()]
    convert(model)
    np.testing.assert_array_equal(run(model, x), before)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_saved_loaded_and_exported(tmp_path):
    """The file of a plain Keras classifier needs nothing of mizoo to be loaded."""
    model = net(gap(), dense(activation="softmax"))
    converted, x = convert(model), pictures(model)
    expected = run(converted, x)
    converted.save(tmp_path / "svd.keras")
    with zipfile.ZipFile(tmp_path / "svd.keras") as file:
        assert "mizoo" not in file.read("config.json").decode()
    for name, value in run(keras.saving.load_model(tmp_path / "svd.keras"), x).items():
        np.testing.assert_array_equal(value, expected[name])
    import tensorflow as tf

    converted.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    answer = served.serve(tf.constant(x))
    assert set(answer) == set(expected)
    for name, value in expected.items():
        assert answer[name].numpy() == pytest.approx(value, abs=1e-5)


class Subclassed(keras.Model):
    def call(self, x):
        return x


_LINES = "The head 'head' of 'net' is not linear in a feature map: "
REFUSED = {
    "hidden layer": (
        [gap(), layers.Dense(5, name="hidden"), layers.ReLU(name="act"), dense()],
        _LINES + "between the pooling 'gap' and the head lie hidden (Dense), act (ReLU).",
    ),
    "activation": (
        [gap(), layers.Activation("tanh", name="act"), dense()],
        _LINES + "between the pooling 'gap' and the head lie act (Activation tanh).",
    ),
    "flattened": (
        [layers.Flatten(name="flat"), dense()],
        _LINES + "between the last feature map and the head lie flat (Flatten).",
    ),
    "part of an average": (
        [layers.AveragePooling2D(4), layers.Flatten(name="flat"), dense()],
        _LINES + "between the last feature map and the head lie flat (Flatten).",
    ),
    "maximum": (
        [layers.GlobalMaxPooling2D(name="most"), dense()],
        _LINES + "between the last feature map and the head lie most (GlobalMaxPooling2D).",
    ),
    "no pooling": ([pointwise()], _LINES + "nothing averages it over the map."),
    "channels first": (
        [layers.GlobalAveragePooling2D(data_format="channels_first", name="gap"), dense()],
        _LINES + "between the last feature map and the head lie gap (GlobalAveragePooling2D channels_first).",
    ),
    "grouped": (
        [gap(keepdims=True), pointwise(groups=2), layers.Flatten()],
        "Layer 'head' (Conv2D, kernel (1, 1), strides (1, 1), groups 2) is no linear head.",
    ),
    "3x3": (
        [layers.Conv2D(4, 3, name="head"), gap()],
        "Layer 'head' (Conv2D, kernel (3, 3), strides (1, 1), groups 1) is no linear head.",
    ),
    "normalised": (
        [gap(), dense(), layers.LayerNormalization(name="last")],
        "'net' ends in layer 'last' (LayerNormalization), which is no linear head.",
    ),
    "no head": (
        [gap()],
        "'net' ends in layer 'norm' (BatchNormalization), which is no linear head.",
    ),
    "channels folded": (
        [gap(), layers.Reshape((3, 2)), dense()],
        "The head 'head' of 'net' takes 2 numbers, but its feature map has 6 channels.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_linear_head(name):
    tail, what = REFUSED[name]
    with pytest.raises(ConfigError) as caught:
        convert(net(*tail))
    assert caught.value.what == what


def test_vgg_is_told_what_is_between():
    model = keras.applications.VGG16(input_shape=(64, 64, 3), weights=None, classes=3)
    with pytest.raises(ConfigError) as caught:
        convert(model)
    assert caught.value.what == (
        "The head 'predictions' of 'vgg16' is not linear in a feature map: between the last feature map and the head "
        "lie flatten (Flatten), fc1 (Dense), fc2 (Dense)."
    )


def test_names_that_are_not_there_or_no_head():
    model = net(gap(), dense())
    with pytest.raises(ConfigError) as caught:
        find_head(model, "haed")
    assert caught.value.what == "'net' has no layer 'haed'. Did you mean 'head'?"
    assert caught.value.expected == "one of head"
    with pytest.raises(ConfigError, match=r"^Layer 'norm' \(BatchNormalization\) is no linear head\."):
        find_head(model, "norm")
    with pytest.raises(ConfigError, match="has no graph of layers"):
        find_head(Subclassed(name="own"))
