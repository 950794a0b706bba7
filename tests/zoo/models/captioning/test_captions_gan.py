"""The caption GAN over photographs: its data, its stages, its evaluation, and the backbone in front."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.harness import CASES
from zoo.catalog import get_spec
from zoo.data.batches import Split
from zoo.data.pictures import first_rows
from zoo.errors import DataError, WeightsError, ZooError
from zoo.models.captioning.captions_config import CAPTIONS_PRESETS, CaptionsConfig
from zoo.models.captioning.captions_data import word_shares
from zoo.models.captioning.captions_evaluation import (
    CODES,
    Pictures,
    measure,
    nearest_captions,
    pictures_of,
    write_grid,
    write_traversal,
)
from zoo.models.captioning.tokens import END, FIRST_WORD, PADDING, START, UNKNOWN
from zoo.recipe import DataOptions

NAME = "caption_gan"


def recipe_of(weights, **settings):
    own = CASES[NAME] | {"weights": str(weights)} | settings
    return get_spec(NAME).load().configured(None, own)


@pytest.fixture(scope="module")
def splits(shapes, tiny_weights):
    return recipe_of(tiny_weights).splits(shapes, DataOptions())


def test_a_row_is_a_caption_with_its_picture(splits):
    facts = splits.facts
    assert facts["max_words"] == 12 and facts["feature_size"] == 96 and len(facts["backbone_sha256"]) == 64
    for name, pictures in (("train", 72), ("validation", 9), ("test", 9)):
        split = splits[name]
        tokens, picture = split.targets["tokens"], split.targets["picture"]
        assert split.inputs["pooled"].shape == (len(split), 96)
        assert tokens.shape == (len(split), 14) and tokens.dtype == np.int32
        assert (tokens[:, 0] == START).all() and ((tokens == END).sum(axis=1) == 1).all()
        assert len(np.unique(picture)) == pictures
        rows = first_rows(split)
        assert np.array_equal(split.inputs["pooled"], split.inputs["pooled"][rows][picture[:, 0]])
        assert len(set(split.ids)) == len(split)


def test_training_captions_with_rare_words_and_long_ones_are_left_out(shapes, tiny_weights, splits):
    few = recipe_of(tiny_weights, min_count=20).splits(shapes, DataOptions())
    assert 0 < len(few.train) < len(splits.train)
    assert not (few.train.targets["tokens"] == UNKNOWN).any()
    assert (few.test.targets["tokens"] == UNKNOWN).any()  # what generated captions are compared with stays
    longest = (splits.train.targets["tokens"] >= FIRST_WORD).sum(axis=1).max()
    short = recipe_of(tiny_weights, max_words=int(longest) - 1).splits(shapes, DataOptions())
    assert 0 < len(short.train) < len(splits.train)
    assert ((short.train.targets["tokens"] == END).sum(axis=1) == 1).all()
    with pytest.raises(DataError, match=r"^None of \d+ training captions has at most 1 words"):
        recipe_of(tiny_weights, max_words=1).splits(shapes, DataOptions())


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "The backbone 'tiny_cnn' would be trained"),
        ({"weights": "x.h5", "max_words": 0}, "max_words is 0."),
        ({"weights": "x.h5", "min_count": 0}, "min_count is 0."),
        ({"weights": "x.h5", "code_size": 0}, "code_size is 0."),
        ({"weights": "x.h5", "test_fraction": 1.0}, "test_fraction is 1.0."),
    ],
    ids=["trained-backbone", "max-words", "min-count", "code-size", "fraction"],
)
def test_settings_that_nothing_can_be_trained_with(settings, text):
    with pytest.raises(ZooError, match="^" + text):
        CaptionsConfig(**settings)


@pytest.mark.parametrize("preset", CAPTIONS_PRESETS)
def test_every_preset_is_a_config(preset):
    recipe = get_spec(NAME).load().configured(preset, {"weights": "x.h5"})
    assert recipe.config.code_size == 3


def test_the_backbone_is_put_in_front_and_is_the_one_of_the_features(trained, tiny_weights):
    done = trained(NAME)
    facts = done.splits.facts
    served = done.recipe.servable(done.model, facts)
    assert served.picture_encoder.input_shape == (None, 32, 32, 3)
    assert served.backbone.output_shape == (None, facts["feature_size"])
    pooled, code = done.splits.test.inputs["pooled"][:3], np.ones((3, 3), "float32")
    said = [np.asarray(m({"pooled": pooled, "code": code})["sentence"]) for m in (done.model, served)]
    assert np.array_equal(*said)
    assert done.recipe.servable(served, facts) is served
    with pytest.raises(WeightsError, match="with which the head was trained"):
        done.recipe.servable(done.model, facts | {"backbone_sha256": "0" * 64})


def test_captions_are_watched_while_it_trains(trained):
    run = trained(NAME).run
    assert run.stages.keys() == {"autoencoder", "encoder"}
    with (run.folder / "history.csv").open() as file:
        logged = list(csv.DictReader(file))[-1]
    assert 0 <= float(logged["val_missed_cider"]) <= 10
    assert 0 < float(logged["val_distinct_captions"]) <= 1


def test_references_are_the_captions_of_each_picture(trained):
    done = trained(NAME)
    pictures = pictures_of(done.model, done.splits.test)
    assert len(pictures.ids) == len(pictures.references) == len(pictures.features) == 9
    assert sum(map(len, pictures.references)) == len(done.splits.test)
    row = done.splits.test.targets["tokens"][0]
    words = [done.splits.facts["vocabulary"][t - FIRST_WORD] for t in row if t >= FIRST_WORD]
    assert pictures.references[0][0] == words or "<unk>" in pictures.references[0][0]
    assert PADDING == 0  # so that rows end in zeros


def test_shares_of_words_by_hand():
    """Two pictures, vocabulary a, dog, cat; the first has two captions: "a dog", "a cat"; the second "dog dog"."""
    tokens = np.array([[2, 4, 5, 3], [2, 4, 6, 3], [2, 5, 5, 3]], np.int32)
    split = Split(
        {"pooled": np.arange(3, dtype=np.float32)[:, None]},
        {"tokens": tokens, "picture": np.array([[0], [0], [7]], np.int32)},
        ("x#0", "x#1", "y#2"),
    )
    shares = word_shares(split, 2)
    assert shares.targets["labels"].tolist() == [[1.0, 0.5], [0.0, 1.0]]
    assert shares.inputs["pooled"].tolist() == [[0.0], [2.0]]
    assert shares.ids == ("x#0", "y#2")


def test_likeness_and_variety_by_hand():
    references = [[["a", "red", "dog", "runs"]], [["two", "cats", "sit", "down"]]]
    same = [[captions[0]] * 2 for captions in references]
    found = measure(same, references)
    assert found["bleu4_best"] == found["bleu4_mean"] == pytest.approx(1.0)
    assert found["cider_best"] == pytest.approx(10.0) == found["cider_worst"]
    assert (found["distinct_captions"], found["length"]) == (0.5, 4.0)
    other = [[own[0], ["a", "cow"]] for own in same]
    mixed = measure(other, references)
    assert mixed["cider_worst"] < mixed["cider_mean"] < mixed["cider_best"] == pytest.approx(10.0)
    assert mixed["distinct_captions"] == 1.0
    assert mixed["self_bleu"] < found["self_bleu"]


def test_nearest_captions_come_from_the_likest_pictures():
    train = Pictures(np.eye(3, dtype="float32"), [[["a"], ["b"]], [["c"]], [["d"]]], ("x", "y", "z"))
    found = nearest_captions(train, np.array([[0.1, 5.0, 1.0], [9.0, 0.0, 1.0]], "float32"))
    assert [found[0][0], found[0][1]] == [["c"], ["d"]]
    assert found[1][:2] == [["a"], ["b"]]
    assert {len(row) for row in found} == {4}  # all there are, where they are fewer than codes
    assert CODES == 20


def test_a_traversal_has_a_line_per_picture_and_dimension(trained, tmp_path):
    done = trained(NAME)
    path = write_traversal(done.model, done.splits.test, tmp_path / "traversal.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 * 3
    assert list(rows[0]) == ["picture", "dimension", "-2", "-1.3", "-0.67", "+0", "+0.67", "+1.3", "+2"]
    middle = write_grid(
        done.model, pictures_of(done.model, done.splits.test).features[:1], np.zeros((1, 3), "float32")
    )
    assert rows[0]["+0"] == " ".join(middle.captions[0][0])
