"""The loss, the closed-form fit and what is measured beside it."""

import csv
import json
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from zoo.data.batches import Split, Splits
from zoo.errors import ConfigError, DataError
from zoo.fitting.linear_svm import fit_linear_svm
from zoo.models.fusion.classifier import FusionClassifier
from zoo.models.fusion.config import ConcatConfig
from zoo.models.fusion.evaluation import evaluate, measure, nearest_class_mean
from zoo.models.fusion.fitting import fit_classifier
from zoo.models.fusion.recipe import LayerConcatRecipe
from zoo.recipe import DataOptions
from zoo.training.run import Run


def blobs(rows, seed):
    """Three classes around three corners."""
    rng = np.random.default_rng(seed)
    label = np.arange(rows, dtype=np.int32) % 3
    features = np.eye(3)[label] + rng.normal(0, 0.3, (rows, 3))
    return Split({"features": features.astype("float32")}, {"label": label}, tuple(map(str, range(rows))))


@pytest.fixture
def splits():
    parts = {name: blobs(60, seed) for seed, name in enumerate(("train", "validation", "test"))}
    return Splits(**parts, facts={}, name="blobs")


@pytest.fixture
def model():
    made = FusionClassifier(classes=("a", "b", "c"), feature_size=3)
    made.compile(optimizer=keras.optimizers.Adam(0.05))
    return made


def test_squared_hinge_loss_by_hand(model):
    """sum_k max(0, 1 - y_k f_k)^2: (1 - .5)^2 + (1 + .5)^2 + 0, and 2^2 + 1 + 1."""
    scores = np.array([[0.5, 0.5, -2.0], [1.0, 0.0, 0.0]], np.float32)
    loss = model.compute_loss(y={"label": np.array([0, 1], np.int32)}, y_pred={"scores": scores})
    first, second = 0.25 + 2.25 + 0.0, 4.0 + 1.0 + 1.0
    assert float(loss) == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("classifier", ["svm", "logistic"])
def test_the_fit_is_frozen_into_the_model(model, splits, tmp_path, classifier):
    run = Run(tmp_path)
    config = ConcatConfig(backbone="mobilenet_025", weights="a.h5", classifier=classifier)
    fit_classifier(model, splits, run, config)
    with (tmp_path / "history.csv").open() as file:
        before, after = (float(row["loss"]) for row in csv.DictReader(file))
    assert after < before
    noted = json.loads((tmp_path / "stages.json").read_text())["classifier"]
    assert {"C", "accuracy at C=0.01", "accuracy at C=10"} <= noted.keys()
    assert noted[f"accuracy at C={noted['C']:g}"] == max(
        v for k, v in noted.items() if k.startswith("accuracy")
    )
    assert evaluate(model, splits, splits.test)["model"]["accuracy"] > 0.9
    if classifier == "svm":
        known = fit_linear_svm(
            splits.train.inputs["features"], splits.train.targets["label"], c=(noted["C"],)
        )
        np.testing.assert_allclose(model.linear.get_weights()[0], known.weights, atol=1e-5)


def test_gradient_descent_goes_the_same_way(model, splits):
    before = model.evaluate(splits.train.once(20), verbose=0)
    model.fit(splits.train.epochs(20, seed=0), steps_per_epoch=3, epochs=20, verbose=0)
    assert model.evaluate(splits.train.once(20), verbose=0)[0] < 0.5 * before[0]


def test_a_given_c_is_not_chosen(model, splits, tmp_path):
    config = ConcatConfig(backbone="mobilenet_025", weights="a.h5", c=0.5)
    fit_classifier(model, splits, Run(tmp_path), config)
    noted = json.loads((tmp_path / "stages.json").read_text())["classifier"]
    assert noted["C"] == 0.5
    assert not any(name.startswith("accuracy") for name in noted)


def test_a_class_of_one_picture_is_named_where_c_is_chosen(model, splits, tmp_path):
    config = ConcatConfig(backbone="mobilenet_025", weights="a.h5")
    label = splits.train.targets["label"]
    rows = np.sort(np.append(np.flatnonzero(label != 1), np.flatnonzero(label == 1)[0]))
    one = Split(
        {"features": splits.train.inputs["features"][rows]},
        {"label": label[rows]},
        tuple(splits.train.ids[row] for row in rows),
    )
    with pytest.raises(DataError, match=f"There is one training picture only of {model.classes[1]}:"):
        fit_classifier(model, replace(splits, train=one), Run(tmp_path), config)


def test_measures_by_hand():
    scores = np.array([[3.0, 1.0], [3.0, 1.0], [0.0, 2.0]])
    assert measure(scores, np.array([0, 1, 1])) == {
        "accuracy": pytest.approx(2 / 3),
        "class_accuracy": pytest.approx((1 + 0.5) / 2),
        "top_5": 1.0,
    }


def test_nearest_class_mean_by_hand():
    train = Split(
        {"features": np.array([[0.0], [2.0], [10.0]])}, {"label": np.array([0, 0, 1])}, ("a", "b", "c")
    )
    scores = nearest_class_mean(train, np.array([[5.0], [6.0]]), 2)  # means 1 and 10: the border is 5.5
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_so_many_pictures_of_each_class(labelled_shapes, headed_weights, tmp_path):
    settings = {
        "backbone": "mobilenet_025",
        "weights": str(headed_weights),
        "image_size": 32,
        "layers": ("conv2",),
    }
    options = DataOptions(cache=tmp_path)
    recipe = LayerConcatRecipe.configured(None, settings | {"per_class": 2})
    splits = recipe.splits(labelled_shapes, options)
    assert np.bincount(splits.train.targets["label"]).tolist() == [2] * len(splits.facts["classes"])
    other = LayerConcatRecipe.configured(None, settings | {"per_class": 2, "split_seed": 1})
    assert set(other.splits(labelled_shapes, options).train.ids) != set(splits.train.ids)
    with pytest.raises(ConfigError, match="per_class is 100000, but "):
        LayerConcatRecipe.configured(None, settings | {"per_class": 100_000}).splits(labelled_shapes, options)


def test_alike_layers_and_their_order_have_features_of_their_own(labelled_shapes, headed_weights, tmp_path):
    """Three blocks of MobileNet with as many channels on one grid: nothing else in the network tells them apart."""
    settings = {"backbone": "mobilenet_025", "weights": str(headed_weights), "image_size": 32, "per_class": 1}
    found = []
    for layers in (("block7",), ("block8",), ("block7", "block8"), ("block8", "block7")):
        recipe = LayerConcatRecipe.configured(None, settings | {"layers": layers})
        found.append(recipe.splits(labelled_shapes, DataOptions(cache=tmp_path)).train.inputs["features"])
    seventh, eighth, ascending, descending = found
    assert np.abs(seventh - eighth).max() > 1e-3
    np.testing.assert_allclose(ascending, np.hstack([seventh, eighth]), atol=1e-6)
    np.testing.assert_allclose(descending, np.hstack([eighth, seventh]), atol=1e-6)


def test_other_weights_than_those_of_training_are_refused(headed_weights, tmp_path):
    from zoo.errors import WeightsError

    recipe = LayerConcatRecipe.configured(
        None, {"backbone": "mobilenet_025", "weights": str(headed_weights), "image_size": 32}
    )
    trained = SimpleNamespace(eye=None)
    with pytest.raises(WeightsError, match="with which the classifier was trained"):
        recipe.servable(trained, {"eye_sha256": "0" * 64})
