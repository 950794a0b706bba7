"""How the embeddings are trained: presets, warm-up, the epoch that is kept, resume."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import zoo
from zoo.backbones import backbone_digest, build_backbone
from zoo.data.batches import Splits
from zoo.errors import ConfigError, WeightsError
from zoo.models.visual_semantic.evaluation import embed, retrieval
from zoo.models.visual_semantic.recipe import BowRecipe, LstmRecipe
from zoo.training.options import TrainingOptions
from zoo.training.run import Run

VOCABULARY = tuple("abcdefgh")
RECIPES = {"vse_lstm": LstmRecipe, "vse_bow": BowRecipe}
SMALL = {"dimensions": 8, "word_dimensions": 5, "max_words": 6, "batch_size": 8, "learning_rate": 0.02}


@pytest.fixture
def splits(split_of):
    """Pictures of two things each, and sentences that name them, with words that mean nothing."""

    def some(pictures, seed):
        rng = np.random.default_rng(seed)
        things = [rng.choice(6, 2, replace=False) for _ in range(pictures)]
        features = rng.normal(size=(pictures, 6)).astype("float32") * 0.3
        for row, own in enumerate(things):
            features[row, own] += 2
        captions = [
            [
                [*(VOCABULARY[i] for i in rng.permutation(own)), VOCABULARY[6 + rng.integers(2)]]
                for _ in range(2)
            ]
            for own in things
        ]
        return split_of(captions, VOCABULARY, features=features)

    facts = {"vocabulary": VOCABULARY, "feature_size": 6, "backbone_sha256": "abc"}
    return Splits(some(13, 0), some(12, 1), some(12, 2), facts, "things")


def fit(name, splits, folder, epochs, run=None, **settings):
    """Returns a model that was trained, or trained on, and its run."""
    recipe = RECIPES[name].configured(None, SMALL | {"epochs": epochs} | settings)
    options = TrainingOptions(seed=3)
    run = run or Run.create(folder, recipe, splits, options, {"data": "things"}, None)
    with options.apply():
        model = recipe.build(splits)
        recipe.fit(model, splits, run, options)
    return model, run


def history(run):
    with (run.folder / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {key: [float(row[key]) for row in rows] for key in rows[0]}


# --- presets ---


@pytest.mark.parametrize("preset", ["seed", "kiros"])
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_preset_of_the_report_and_its_source(recipe, preset):
    config = recipe.configured(preset).config
    assert (config.backbone, config.layer, config.weights, config.image_size) == (
        "vgg19",
        "fc7",
        "imagenet",
        224,
    )
    assert not config.trains_backbone
    assert (config.dimensions, config.word_dimensions, config.margin) == (1024, 300, 0.2)
    assert (config.learning_rate, config.batch_size, config.epochs, config.clip_norm) == (2e-4, 128, 15, 2.0)
    assert (config.negatives, config.decay_epoch, config.normalize_features) == ("sum", None, True)
    assert config.patience == 15  # all epochs are trained, and the best is kept


def test_the_preset_of_vse_plus_plus():
    config = LstmRecipe.configured("vse++").config
    assert (config.negatives, config.warmup_epochs) == ("hardest", 2)
    assert (config.epochs, config.decay_epoch, config.patience) == (30, 15, 30)
    assert (config.dimensions, config.word_dimensions, config.margin) == (1024, 300, 0.2)
    assert (config.learning_rate, config.batch_size, config.clip_norm) == (2e-4, 128, 2.0)


def test_the_cpu_preset_is_smaller():
    assert LstmRecipe.configured("cpu").config.dimensions == 256


def test_the_features_of_the_source_are_4096_numbers():
    assert build_backbone("vgg19", layer="fc7", image_size=32).output_shape == (None, 4096)


# --- the network ---


@pytest.mark.parametrize("name", RECIPES)
def test_models_are_made_from_settings(name):
    model = zoo.create_model(
        name,
        vocabulary=("dog", "cat"),
        feature_size=6,
        dimensions=4,
        word_dimensions=3,
        max_words=5,
        margin=0.3,
    )
    assert model.name == name
    assert model.vocabulary == ("dog", "cat")
    assert (model.max_words, model.margin) == (5, 0.3)
    assert model.optimizer.global_clipnorm == 2.0
    assert float(model.optimizer.learning_rate) == pytest.approx(2e-4)
    kinds = {type(layer).__name__ for layer in model.text_encoder.layers}
    assert ("LSTM" in kinds, "MaskedSum" in kinds) == (name == "vse_lstm", name == "vse_bow")


def test_word_vectors_can_be_given_as_an_array():
    vectors = np.array([[1, 2, 3], [0, 0, 0]], "float32")
    model = zoo.create_model(
        "vse_bow", vocabulary=("dog", "cat"), feature_size=6, dimensions=4, word_dimensions=3, vectors=vectors
    )
    table = model.text_encoder.get_layer("words").get_weights()[0]
    assert table[2].tolist() == [1, 2, 3]
    assert 0 < np.abs(table[3]).max() <= 0.1


def test_without_features_the_model_takes_pictures():
    model = zoo.create_model("vse_bow", vocabulary=("dog",), image_size=32, dimensions=4, word_dimensions=3)
    assert model.image_encoder.input_shape == (None, 32, 32, 3)
    assert set(model.input) == {"image", "token_ids"}
    recipe = BowRecipe.configured(None, {"image_size": 32})
    assert recipe.servable(model, {}) is model


def test_a_setting_of_training_is_free_after_prepare_and_one_of_the_data_is_not():
    made = {**BowRecipe.configured(None, SMALL).config.__dict__}
    config = BowRecipe.prepared(
        made, None, {"negatives": "hardest", "dimensions": "4", "decay_epoch": "3"}
    ).config
    assert (config.negatives, config.dimensions, config.decay_epoch) == ("hardest", 4, 3)
    for key, text in (
        ("max_words", "7"),
        ("min_count", "2"),
        ("word_dimensions", "4"),
        ("backbone", "vgg16"),
    ):
        with pytest.raises(ConfigError, match=f"The arrays were prepared with {key}="):
            BowRecipe.prepared(made, None, {key: text})


# --- training ---


def test_warm_up_lasts_so_many_epochs_of_these_data(splits):
    recipe = BowRecipe.configured(None, SMALL | {"negatives": "hardest", "warmup_epochs": 3})
    # 26 captions in batches of 8 are 4 steps.
    assert recipe.build(splits).warmup_steps == 12


def test_the_epoch_with_the_best_recall_is_kept(splits, tmp_path):
    model, run = fit("vse_lstm", splits, tmp_path, epochs=8, patience=8, learning_rate=0.1)
    logs = history(run)
    missed = logs["val_missed_recall"]
    found = retrieval(embed(model, splits.validation))
    assert 600 - sum(value for key, value in found.items() if "R@" in key) == pytest.approx(
        min(missed), abs=1e-3
    )
    # The test would say nothing if recall were best last, or where the loss is least.
    assert min(missed) < missed[-1]
    assert np.argmin(missed) != np.argmin(logs["val_loss"])


def test_a_resumed_training_equals_an_unbroken_one(splits, tmp_path):
    name = "vse_bow"
    settings = {"negatives": "hardest", "warmup_epochs": 3, "decay_epoch": 3, "patience": None}
    unbroken, whole = fit(name, splits, tmp_path / "a", epochs=4, **settings)
    _, run = fit(name, splits, tmp_path / "b", epochs=2, **settings)
    resumed, _ = fit(name, splits, tmp_path / "b", epochs=4, run=run, **settings)
    # The warm-up ends in the third epoch of four steps, in the resumed part.
    assert float(resumed.steps) == float(unbroken.steps) == 16
    assert float(resumed.optimizer.learning_rate) == pytest.approx(SMALL["learning_rate"] / 10)
    assert (whole.folder / "history.csv").read_text() == (run.folder / "history.csv").read_text()
    for left, right in zip(unbroken.weights, resumed.weights, strict=True):
        assert np.asarray(right) == pytest.approx(np.asarray(left), abs=1e-6), left.path


def test_the_hardest_negative_begins_after_the_warm_up(splits, tmp_path):
    settings = {"epochs": 2, "patience": None}
    summed = history(fit("vse_bow", splits, tmp_path, **settings)[1])["loss"]
    settings |= {"negatives": "hardest", "warmup_epochs": 1}
    hardest = history(fit("vse_bow", splits, tmp_path, **settings)[1])["loss"]
    assert hardest[0] == summed[0]
    assert hardest[1] < summed[1] / 1.5


def test_the_tower_is_put_behind_the_backbone_it_was_trained_on(tmp_path):
    backbone = build_backbone("tiny_cnn", image_size=32)
    backbone.get_layer("tiny_cnn").save_weights(tmp_path / "tiny.weights.h5")
    recipe = BowRecipe.configured(
        None, SMALL | {"image_size": 32, "weights": str(tmp_path / "tiny.weights.h5")}
    )
    facts = {"vocabulary": VOCABULARY, "feature_size": 96}
    served = recipe.servable(recipe.network(**facts, backbone_sha256=backbone_digest(backbone)), {})
    assert served.image_encoder.input_shape == (None, 32, 32, 3)
    with pytest.raises(WeightsError, match="with which the head was trained"):
        recipe.servable(recipe.network(**facts, backbone_sha256="0" * 64), {})
