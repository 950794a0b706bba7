"""Retrieval, the references, and what is watched during training."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from zoo.data.batches import Splits
from zoo.models.visual_semantic import evaluation
from zoo.models.visual_semantic.callbacks import DecayOnce, ValidationRecall
from zoo.models.visual_semantic.evaluation import Embedded, embed, evaluate, retrieval
from zoo.models.visual_semantic.model import VisualSemantic, bow_encoder, image_encoder
from zoo.models.visual_semantic.trivial import trivial_spaces

VOCABULARY = ("a", "b", "c")
# The sentences of three pictures: the second of picture 0 says what picture 1 shows.
CAPTIONS = [[["a"], ["b"]], [["b"], ["b"]], [["c"]]]
EXPECTED = {
    "i2t R@1": 200 / 3,
    "i2t R@5": 100,
    "i2t R@10": 100,
    "i2t median_rank": 1,
    "t2i R@1": 80,  # the second sentence finds its picture last: nothing tells it from picture 2
    "t2i R@5": 100,
    "t2i R@10": 100,
    "t2i median_rank": 1,
}


@pytest.fixture
def known():
    """A model that knows: picture i is the i-th unit vector, and so is the i-th word."""
    model = VisualSemantic(image_encoder(3, 3), bow_encoder(3, 3, 3, 6), vocabulary=VOCABULARY)
    unit = np.eye(3, dtype="float32")
    model.image_encoder.get_layer("projection").set_weights([unit, np.zeros(3)])
    model.text_encoder.get_layer("projection").set_weights([unit])
    model.text_encoder.get_layer("words").set_weights([np.concatenate([np.zeros((2, 3)), unit])])
    return model


def test_a_split_is_embedded_once_per_picture_and_sentence(known, split_of):
    embedded = embed(known, split_of(CAPTIONS, VOCABULARY))
    assert embedded.pictures == pytest.approx(np.eye(3))
    assert embedded.sentences == pytest.approx(np.eye(3)[[0, 1, 1, 1, 2]])
    assert embedded.picture.tolist() == [0, 0, 1, 1, 2]
    assert embedded.embed_text(np.array([[4, 0, 0, 0, 0, 0]])) == pytest.approx(np.eye(3)[[2]])


def test_retrieval_counted_by_hand(known, split_of):
    assert retrieval(embed(known, split_of(CAPTIONS, VOCABULARY))) == pytest.approx(EXPECTED)


def circle(count):
    angles = np.linspace(0, 3, count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def embedded(pictures, sentences, picture):
    return Embedded(pictures, sentences, np.asarray(picture), lambda token_ids: np.zeros((len(token_ids), 2)))


def test_the_1k_protocol_averages_whole_parts(monkeypatch):
    monkeypatch.setattr(evaluation, "_PROTOCOL", 3)
    pictures = circle(8)
    # The first part is all right; the second one mistakes 3 for 4 and 4 for 3. The third would be alone with 2.
    sentences = pictures[[0, 1, 2, 4, 3, 5, 7, 6]]
    found = retrieval(embedded(pictures, sentences, range(8)))
    assert found["i2t R@1"] == found["t2i R@1"] == pytest.approx((100 + 100 / 3) / 2)
    assert found["i2t R@5"] == 100
    assert found["t2i median_rank"] == (1 + 2) / 2
    # Of all eight together three are mistaken, not two of six: the protocol is another measure.
    monkeypatch.setattr(evaluation, "_PROTOCOL", 1000)
    assert retrieval(embedded(pictures, sentences, range(8)))["i2t R@1"] == 50


def test_several_sentences_stay_with_their_part(monkeypatch):
    monkeypatch.setattr(evaluation, "_PROTOCOL", 2)
    pictures = circle(4)
    picture = np.array([0, 0, 0, 1, 2, 3, 3])
    found = retrieval(embedded(pictures, pictures[picture], picture))
    assert found["i2t R@1"] == found["t2i R@1"] == 100


def test_the_protocol_is_of_a_thousand():
    assert evaluation._PROTOCOL == 1000


def test_an_embedding_of_one_point_is_the_worst():
    pictures = np.ones((20, 2), np.float32) / np.sqrt(2).astype(np.float32)
    found = retrieval(embedded(pictures, pictures, range(20)))
    assert {key: value for key, value in found.items() if "R@" in key} == dict.fromkeys(
        (f"{way} R@{k}" for way in ("i2t", "t2i") for k in (1, 5, 10)), 0.0
    )
    assert found["i2t median_rank"] == found["t2i median_rank"] == 20


# --- the references ---


def test_chance_is_chance(split_of):
    split = split_of([[["a"]]] * 400, VOCABULARY, features=np.ones((400, 3), np.float32))
    space = trivial_spaces(split, split, 3)["chance"]
    again = trivial_spaces(split, split, 3)["chance"]
    assert np.array_equal(space.pictures, again.pictures)
    found = retrieval(embedded(space.pictures, space.sentences, range(400)))
    assert found["t2i R@10"] == pytest.approx(2.5, abs=2.5)
    assert found["t2i median_rank"] == pytest.approx(200, abs=40)


def test_the_ridge_regression_learns_words_from_features(split_of):
    rng = np.random.default_rng(0)
    words = rng.integers(0, 3, 60)
    captions = [[[VOCABULARY[word]]] for word in words]
    features = np.eye(3, dtype=np.float32)[words] * 7 + 0.1 * rng.normal(size=(60, 3)).astype(np.float32)
    split = split_of(captions, VOCABULARY, features=features)
    space = trivial_spaces(split, split, 3)["ridge to words"]
    assert np.linalg.norm(space.pictures, axis=1) == pytest.approx(np.ones(60), abs=1e-5)
    # A word alone is its axis; so is the sentence; and each picture comes nearest to its word.
    assert space.embed_text(np.array([[3, 0], [2, 0]])) == pytest.approx(np.eye(3)[[1, 0]], abs=1e-6)
    assert np.array_equal(space.sentences.argmax(axis=1), words)
    assert np.array_equal(space.pictures.argmax(axis=1), words)


def test_unknown_words_and_padding_are_no_words_to_the_ridge_regression(split_of):
    split = split_of(CAPTIONS, VOCABULARY)
    embed_text = trivial_spaces(split, split, 3)["ridge to words"].embed_text
    assert np.array_equal(embed_text(np.array([[2, 1, 1, 4]])), embed_text(np.array([[4, 2, 0, 0]])))
    assert embed_text(np.array([[1, 1, 0, 0]])).tolist() == [[0, 0, 0]]


def test_the_model_stands_beside_its_references(known, split_of):
    split = split_of(CAPTIONS, VOCABULARY)
    rows = evaluate(known, Splits(split, split, split, {}, "three"), split)
    assert list(rows) == ["model", "chance", "ridge to words"]
    # Too few pictures share a word for edited queries.
    assert rows["model"] == pytest.approx(EXPECTED)
    assert all(row.keys() == EXPECTED.keys() for row in rows.values())


def test_edits_are_measured_where_pictures_share_words(split_of):
    vocabulary = ("red", "blue", "dog", "grass")
    captions = [[["red", "dog", "grass"]]] * 25 + [[["blue", "dog", "grass"]]] * 25
    colour = np.repeat(np.eye(2, dtype=np.float32), 25, axis=0)
    split = split_of(captions, vocabulary, features=colour)
    model = VisualSemantic(image_encoder(2, 2), bow_encoder(4, 2, 2, 6), vocabulary=vocabulary)
    unit = np.eye(2, dtype="float32")
    model.image_encoder.get_layer("projection").set_weights([unit, np.zeros(2)])
    model.text_encoder.get_layer("projection").set_weights([unit])
    words = [[0, 0], [0, 0], [1, 0], [0, 1], [0.1, 0.1], [0.1, 0.1]]
    model.text_encoder.get_layer("words").set_weights([np.array(words, "float32")])
    rows = evaluate(model, Splits(split, split, split, {}, "colours"), split)
    found = {key: value for key, value in rows["model"].items() if key.startswith("edit")}
    # What is red becomes blue, the other reds being duplicates; without an edit it stays red.
    assert found == {
        "edit p@10 kiros 1": 100,
        "edit p@10 direction": 100,
        "edit p@10 anchored": 100,
        "edit p@10 nearest": 0,
        "edit p@10 added word": 100,
    }
    assert rows["chance"]["edit p@10 kiros 1"] == pytest.approx(50, abs=25)


# --- callbacks ---


def test_what_recall_lacks_is_logged(known, split_of):
    callback = ValidationRecall(split_of(CAPTIONS, VOCABULARY))
    callback.set_model(known)
    logs = {"loss": 1.0}
    callback.on_epoch_end(0, logs)
    # 600 - (66.67 + 100 + 100 + 80 + 100 + 100)
    assert logs == {"loss": 1.0, "val_missed_recall": pytest.approx(160 / 3)}


def test_the_learning_rate_is_divided_once(known):
    known.compile(keras.optimizers.Adam(5.0))
    callback = DecayOnce(0.5, 2)
    callback.set_model(known)
    rates = []
    for epoch in (0, 1, 2, 3, 30, 1):
        callback.on_epoch_begin(epoch)
        rates.append(float(known.optimizer.learning_rate))
    assert rates == pytest.approx([0.5, 0.5, 0.05, 0.05, 0.05, 0.5])
