"""`mizoo convert svd-fc` as a user meets it: classifier in, features and figures out; and wrong use."""

from __future__ import annotations

import logging

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from zoo.backbones.squeezenet import squeezenet


@pytest.fixture(scope="module")
def classifier():
    """Six channels, four classes, pixels 0..255."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1)(image)
    x = layers.Conv2D(6, 3, strides=4, activation="relu")(x)
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    return keras.Model(image, layers.Dense(4, activation="softmax", name="head")(x), name="own")


@pytest.fixture
def file(classifier, tmp_path):
    classifier.save(tmp_path / "own.keras")
    return tmp_path / "own.keras"


@pytest.fixture
def photographs(tmp_path):
    import tensorflow as tf

    files = []
    for name in ("cat", "dog"):
        pixels = np.random.default_rng(len(files)).integers(0, 256, (20, 24, 3)).astype("uint8")
        files.append(tmp_path / f"{name}.png")
        files[-1].write_bytes(tf.io.encode_png(pixels).numpy())
    return files


def test_a_keras_file_becomes_features_and_figures(mizoo, classifier, file, photographs, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("background\napple\npear\nplum\n")
    to = tmp_path / "out" / "svd.keras"
    status, out, err = mizoo(
        "convert", "svd-fc", file, "--to", to, "--drop-classes", 0, "--labels", labels, "--class", "pear",
        "--picture", photographs[0], "--picture", photographs[1], "--figures", tmp_path / "maps",
        "--spectrum", tmp_path / "spectrum.png",
    )  # fmt: skip
    assert status == 0, err
    kernel, bias = classifier.get_layer("head").get_weights()
    values = np.linalg.svd(kernel[:, 1:], compute_uv=False)
    assert out.splitlines() == [
        "head 'head': C = 6 channels, K = 3 classes, rank 3",
        f"the first 1 of 3 singular values hold {values[0] / values.sum():.1%} of their sum, "
        f"{values[0] ** 2 / (values**2).sum():.1%} of the sum of their squares",
        f"{to}: fc [N, 3], svd_fc [N, 3], cam [N, 4, 4, 3], svd_cam [N, 4, 4, 3]",
        str(tmp_path / "spectrum.png"),
        str(tmp_path / "maps" / "cat.png"),
        str(tmp_path / "maps" / "dog.png"),
    ]
    for figure in ("spectrum.png", "maps/cat.png", "maps/dog.png"):
        assert (tmp_path / figure).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in to.parent.iterdir()) == ["svd.keras"]
    x = np.random.default_rng(0).uniform(0, 255, (2, 16, 16, 3)).astype("float32")
    answer = zoo.load_model(to)(x, training=False)
    pooled = keras.ops.convert_to_numpy(keras.Model(classifier.input, classifier.get_layer("gap").output)(x))
    assert np.array(answer["fc"]) == pytest.approx(pooled @ kernel[:, 1:] + bias[1:], abs=1e-5)


def test_a_backbone_with_weights_and_more_classes_than_channels(mizoo, tmp_path, caplog):
    network = keras.applications.MobileNet(alpha=0.25, input_shape=(128, 128, 3), weights=None, classes=300)
    weights = tmp_path / "tiny.weights.h5"
    network.save_weights(weights)
    with caplog.at_level(logging.WARNING, logger="zoo"):
        status, out, err = mizoo(
            "convert", "svd-fc", "mobilenet_025", "--weights", weights, "--to", tmp_path / "svd.keras"
        )
    assert status == 0, err
    assert "head 'conv_preds': C = 256 channels, K = 300 classes, rank 256" in out
    assert "The head has 300 classes for 256 channels:" in caplog.text
    assert "an isometry" in caplog.text
    loaded = zoo.load_model(tmp_path / "svd.keras")
    assert loaded(np.zeros((1, 128, 128, 3), "uint8"))["svd_cam"].shape == (1, 4, 4, 300)


def test_a_run(mizoo, trained, tmp_path):
    """vgg15 has two dense layers: no linear head, and it says which layers are in the way."""
    status, _, err = mizoo("convert", "svd-fc", trained("vgg15").run.folder, "--to", tmp_path / "svd.keras")
    assert status == 2
    assert "lie flatten (Flatten), dense_1 (Dense), relu (ReLU), dropout (Dropout)." in err
    assert not (tmp_path / "svd.keras").exists()


def test_help(mizoo):
    status, out, _ = mizoo("convert", "svd-fc", "--help")
    assert status == 0
    for word in ("--drop-classes", "--spectrum", "--figures", "Example:", "svd_cam"):
        assert word in out


WRONG = {
    "no such model": (["mobilenet_v3"], "'mobilenet_v3' is no file, no folder and no backbone. Did you mean"),
    "random backbone": (
        ["mobilenet_025"],
        "The backbone 'mobilenet_025' was named without weights: its class",
    ),
    "no classifier": (
        ["tiny_cnn", "--weights", "FILE"],
        "Backbone 'tiny_cnn' has no feature layer 'predictions'.",
    ),
    "weights of a file": (["FILE", "--weights", "imagenet"], "--weights was given with FILE."),
    "scaling of a backbone": (
        ["squeezenet", "--weights", "x", "--scaling", "tf", "--picture", "PICTURE", "--figures", "FOLDER"],
        "--scaling was given with a backbone.",
    ),
    "no keras file": (["LABELS"], "LABELS is neither a run folder nor a .keras file."),
    "not whole": (["BROKEN"], "BROKEN is no whole .keras file: "),
    "layer": (["FILE", "--layer", "haed"], "'own' has no layer 'haed'. Did you mean 'head'?"),
    "basis": (["FILE", "--basis", "right"], "Unknown basis 'right'."),
    "drop": (["FILE", "--drop-classes", "0,x"], "--drop-classes is '0,x'."),
    "dropped": (["FILE", "--drop-classes", "4"], "drop_classes names 4, but the head has 4 classes."),
    "class alone": (["FILE", "--class", "1"], "--class was given without --picture."),
    "scaling alone": (["FILE", "--scaling", "tf"], "--scaling was given without --picture."),
    "picture alone": (["FILE", "--picture", "PICTURE"], "--picture was given alone."),
    "class": (
        ["FILE", "--class", "4", *("--picture", "PICTURE", "--figures", "FOLDER")],
        "--class 4 names no class.",
    ),
    "class twice": (
        ["FILE", "--class", "a", "--labels", "LABELS", *("--picture", "PICTURE", "--figures", "FOLDER")],
        "--class a names several classes, 1, 2.",
    ),
    "class dropped": (
        ["FILE", "--class", "1", "--drop-classes", "1", *("--picture", "PICTURE", "--figures", "FOLDER")],
        "--class 1 was left out by --drop-classes.",
    ),
    "labels": (
        ["FILE", "--labels", "SHORT", *("--picture", "PICTURE", "--figures", "FOLDER")],
        "SHORT has 1 lines, the head 4 classes.",
    ),
    "left maps": (
        ["FILE", "--basis", "left", *("--picture", "PICTURE", "--figures", "FOLDER")],
        "Maps of a class cannot be drawn with --basis left.",
    ),
    "names": (
        ["FILE", *("--picture", "PICTURE", "--picture", "PICTURE", "--figures", "FOLDER")],
        "Two pictures have the same name.",
    ),
    "no picture": (
        ["FILE", *("--picture", "SHORT", "--figures", "FOLDER")],
        "The picture SHORT cannot be read:",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_writes_nothing(name, mizoo, file, photographs, tmp_path):
    arguments, text = WRONG[name]
    places = {
        "FILE": file,
        "PICTURE": photographs[0],
        "FOLDER": tmp_path / "maps",
        "LABELS": tmp_path / "labels.txt",
    }
    places |= {"SHORT": tmp_path / "short.txt", "BROKEN": tmp_path / "broken.keras"}
    places["LABELS"].write_text("b\na\na\nc\n")
    places["SHORT"].write_text("a\n")
    places["BROKEN"].write_bytes(b"no model")
    for word, path in places.items():
        text = text.replace(word, str(path))
    chosen = [places.get(argument, argument) for argument in arguments]
    status, _, err = mizoo("convert", "svd-fc", *chosen, "--to", tmp_path / "svd.keras")
    assert status == 2
    assert err.startswith(text), err
    assert "Fix: " in err
    assert not (tmp_path / "svd.keras").exists() and not (tmp_path / "maps").exists()


def test_the_file_must_be_a_keras_file(mizoo, file, tmp_path):
    status, _, err = mizoo("convert", "svd-fc", file, "--to", tmp_path / "svd.h5")
    assert (status, err.splitlines()[0]) == (2, f"--to is {tmp_path / 'svd.h5'}.")


def test_pictures_of_an_open_size_cannot_be_drawn(mizoo, photographs, tmp_path):
    image = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    keras.Model(image, layers.Dense(3)(x)).save(tmp_path / "open.keras")
    to = tmp_path / "svd.keras"
    pictures = ("--picture", photographs[0], "--figures", tmp_path / "maps")
    status, _, err = mizoo("convert", "svd-fc", tmp_path / "open.keras", "--to", to, *pictures)
    assert (status, err.splitlines()[0]) == (2, "The classifier takes (None, None, None, 3).")
    status, out, err = mizoo("convert", "svd-fc", tmp_path / "open.keras", "--to", to)
    assert status == 0, err
    assert "cam [N, ?, ?, 3]" in out


def test_a_head_on_the_map(mizoo, tmp_path):
    squeezenet((32, 32, 3), include_top=True, classes=3).save(tmp_path / "squeeze.keras")
    status, out, err = mizoo("convert", "svd-fc", tmp_path / "squeeze.keras", "--to", tmp_path / "svd.keras")
    assert status == 0, err
    assert "head 'conv10': C = 512 channels, K = 3 classes, rank 3" in out
