"""The two towers and their loss."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.errors import DataError
from zoo.models.visual_semantic.model import (
    VisualSemantic,
    behind_backbone,
    bow_encoder,
    image_encoder,
    lstm_encoder,
    set_word_vectors,
)

WORDS = ("a", "b", "c", "d", "e")
ENCODERS = {"lstm": lstm_encoder, "bow": bow_encoder}
TOKENS = np.array([[2, 3, 0, 0], [4, 0, 0, 0], [3, 1, 6, 0], [2, 3, 4, 5]], "int32")
FEATURES = np.random.default_rng(0).normal(size=(4, 6)).astype("float32")
PICTURE = {"picture": np.array([[0], [0], [1], [2]], "int32")}


def value(tensor):
    return keras.ops.convert_to_numpy(tensor)


def make(kind="bow", **settings):
    keras.utils.set_random_seed(1)
    return VisualSemantic(image_encoder(6, 3), ENCODERS[kind](5, 3, 7, 4), vocabulary=WORDS, **settings)


def outputs(model, tokens=TOKENS, features=FEATURES):
    found = model.predict({"features": features, "token_ids": tokens}, verbose=0)
    return found["image_embedding"], found["text_embedding"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def fixed_outputs(scores):
    """Embeddings whose products are these scores: pictures are the unit vectors."""
    return {"image_embedding": tf.eye(len(scores)), "text_embedding": tf.constant(scores.T, tf.float32)}


@pytest.mark.parametrize("kind", ENCODERS)
def test_vectors_have_length_1_and_follow_from_the_weights(kind):
    images, texts = outputs(make(kind))
    assert images.shape == texts.shape == (4, 3)
    assert images.dtype == texts.dtype == np.float32
    for vectors in (images, texts):
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_the_tower_of_pictures_is_one_linear_map_of_features_of_length_1():
    encoder = image_encoder(6, 3)
    encoder.get_layer("projection").bias.assign([0.5, -1, 2])
    weights, bias = encoder.get_layer("projection").get_weights()
    unit = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    expected = unit @ weights + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert encoder.predict(FEATURES, verbose=0) == pytest.approx(expected, abs=1e-6)


def test_the_scale_of_features_does_not_matter_unless_it_is_to():
    scales = np.array([[1], [10], [0.01], [1e4]], "float32")
    for normalize in (True, False):
        encoder = image_encoder(6, 3, normalize=normalize)
        encoder.get_layer("projection").bias.assign([0.5, -1, 2])
        apart = encoder.predict(FEATURES * scales, verbose=0) - encoder.predict(FEATURES, verbose=0)
        assert (np.abs(apart).max() < 1e-5) == normalize


def test_large_features_do_not_overflow_in_half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        encoder = image_encoder(6, 3)
    finally:
        keras.config.set_dtype_policy("float32")
    # 6 * 300^2 is more than float16 can hold.
    found = encoder.predict(np.full((1, 6), 300, "float32"), verbose=0)
    assert found.dtype == np.float32
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("kind", ENCODERS)
def test_padding_changes_nothing(kind):
    long = ENCODERS[kind](5, 3, 7, 9)
    short = ENCODERS[kind](5, 3, 7, 4)
    short.set_weights(long.get_weights())
    wide = np.pad(TOKENS, ((0, 0), (0, 5)))
    assert long.predict(wide, verbose=0) == pytest.approx(short.predict(TOKENS, verbose=0), abs=1e-6)


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_sentence_without_words_is_all_zeros_and_trains_nothing(kind):
    model = make(kind)
    nothing = np.zeros((2, 4), "int32")
    assert outputs(model, nothing, FEATURES[:2])[1].tolist() == [[0, 0, 0]] * 2
    with tf.GradientTape() as tape:
        found = model({"features": FEATURES[:2], "token_ids": nothing}, training=True)
        loss = model.compute_loss(y={"picture": np.arange(2)[:, None]}, y_pred=found)
    for slope in tape.gradient(loss, [weight.value for weight in model.text_encoder.trainable_weights]):
        assert not np.any(value(tf.convert_to_tensor(slope)))


def test_the_lstm_gives_its_state_after_the_last_word():
    # Keras' order of gates: input, forget, cell, output.
    encoder = lstm_encoder(5, 3, 7, 4)
    table, kernel, recurrent, bias = encoder.get_weights()
    expected = []
    for tokens in TOKENS:
        state, cell = np.zeros(3), np.zeros(3)
        for token in tokens[tokens > 0]:
            i, f, c, o = np.split(table[token] @ kernel + state @ recurrent + bias, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
            state = sigmoid(o) * np.tanh(cell)
        expected.append(state / np.linalg.norm(state))
    assert encoder.predict(TOKENS, verbose=0) == pytest.approx(np.array(expected), abs=1e-5)


def test_the_bag_of_words_is_linear():
    encoder = bow_encoder(5, 3, 7, 4)
    rng = np.random.default_rng(0)
    encoder.set_weights(
        [rng.normal(size=weight.shape) for weight in encoder.get_weights()]
    )  # a bias would show
    before = keras.Model(encoder.input, encoder.get_layer("projection").output)
    a, b, both, swapped, twice = before.predict(
        np.array([[2, 0, 0, 0], [3, 0, 0, 0], [2, 3, 0, 0], [3, 2, 0, 0], [2, 2, 0, 0]], "int32"), verbose=0
    )
    assert both == pytest.approx(a + b, abs=1e-5)
    assert swapped == pytest.approx(both, abs=1e-5)
    assert twice == pytest.approx(2 * a, abs=1e-5)
    found = encoder.predict(np.array([[2, 3, 0, 0]], "int32"), verbose=0)[0]
    assert found == pytest.approx((a + b) / np.linalg.norm(a + b), abs=1e-6)


@pytest.mark.parametrize("kind", ENCODERS)
def test_word_vectors_of_a_file_are_set_and_the_others_left_at_random(kind):
    encoder = ENCODERS[kind](5, 3, 2, 4)
    start = encoder.get_layer("words").get_weights()[0]
    set_word_vectors(encoder, np.array([[1, 2], [0, 0], [3, -4], [0, 0], [0, 5]], "float32"))
    table = encoder.get_layer("words").get_weights()[0]
    assert table[[2, 4, 6]].tolist() == [[1, 2], [3, -4], [0, 5]]
    assert np.array_equal(table[[0, 1, 3, 5]], start[[0, 1, 3, 5]])
    assert np.abs(start).max() <= 0.1
    assert np.abs(start).min() > 0


def test_the_loss_is_the_sum_over_the_batch():
    scores = np.array([[0.5, 0.4, 0.6], [0.2, 0.5, 0.5], [0.5, 0.1, 0.5]])
    targets = {"picture": np.arange(3)[:, None]}
    # 0.6 + 0.3 + 0.7, and 0.5 + 0.3 + 0.5: see tests/zoo/losses/test_pairwise_ranking.py
    for negatives, expected in (("sum", 1.6), ("hardest", 1.3)):
        found = make(negatives=negatives).compute_loss(y=targets, y_pred=fixed_outputs(scores))
        assert float(found) == pytest.approx(expected, abs=1e-5)
    # Rows 0 and 2 are about one picture: 0.1 + 0.3 + 0.2
    targets = {"picture": np.array([[7], [1], [7]])}
    assert float(make().compute_loss(y=targets, y_pred=fixed_outputs(scores))) == pytest.approx(0.6, abs=1e-5)
    weighted = make().compute_loss(
        y=targets, y_pred=fixed_outputs(scores), sample_weight=np.array([10.0, 1.0, 0.0], "float32")
    )
    assert float(weighted) == pytest.approx(1.0 + 0.3, abs=1e-5)


def test_recall_within_the_batch_counts_ties_as_missed():
    model = make()
    scores = np.array([[0.9, 0.1, 0.2], [0.6, 0.5, 0.1], [0.3, 0.3, 0.3]])
    model.compute_loss(y={"picture": np.arange(3)[:, None]}, y_pred=fixed_outputs(scores))
    assert float(model.recall.result()) == pytest.approx(1 / 3)
    model.recall.reset_state()
    # The first two rows are about one picture: what misses its own sentence finds the other's.
    model.compute_loss(y={"picture": np.array([[0], [0], [1]])}, y_pred=fixed_outputs(scores))
    assert float(model.recall.result()) == pytest.approx(2 / 3)


def test_a_replica_without_rows_costs_nothing():
    model = make(negatives="hardest")
    empty = {"image_embedding": tf.zeros([0, 3]), "text_embedding": tf.zeros([0, 3])}
    assert float(model.compute_loss(y={"picture": tf.zeros([0, 1], tf.int32)}, y_pred=empty)) == 0


def test_the_hardest_negative_counts_after_the_warm_up():
    model = make(negatives="hardest", warmup_steps=2)
    arguments = {
        "y": {"picture": np.arange(3)[:, None]},
        "y_pred": fixed_outputs(np.array([[0.5, 0.4, 0.6], [0.2, 0.5, 0.5], [0.5, 0.1, 0.5]])),
    }
    losses = []
    for _ in range(4):
        # Validation always measures the hardest, and is no step.
        assert float(model.compute_loss(**arguments, training=False)) == pytest.approx(1.3, abs=1e-5)
        losses.append(float(model.compute_loss(**arguments)))
    assert losses == pytest.approx([1.6, 1.6, 1.3, 1.3], abs=1e-5)
    assert float(model.steps) == 4


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_saved_model_answers_the_same_and_goes_on_where_it_was(kind, tmp_path):
    model = make(kind, negatives="hardest", warmup_steps=3, margin=0.3, backbone_sha256="abc")
    model.steps.assign(2.0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again, VisualSemantic)
    for left, right in zip(outputs(model), outputs(again), strict=True):
        assert np.array_equal(left, right)
    assert float(again.steps) == 2
    for name in ("vocabulary", "margin", "negatives", "warmup_steps", "backbone_sha256", "max_words", "name"):
        assert getattr(again, name) == getattr(model, name), name


@pytest.mark.parametrize(
    ("targets", "shown"),
    [
        pytest.param(None, r"\{\}", id="none"),
        pytest.param({"picture": np.arange(4)}, r"\{'picture': \(4,\)\}", id="one dimension"),
        pytest.param({"picture": np.zeros((4, 2))}, r"\{'picture': \(4, 2\)\}", id="two columns"),
        pytest.param({"tags": np.zeros((4, 1))}, r"\{'tags': \(4, 1\)\}", id="another name"),
        pytest.param({**PICTURE, "tags": np.zeros((4, 1))}, r"'tags': \(4, 1\)", id="one more"),
        pytest.param(np.zeros((4, 1)), r"\{'\(no name\)': \(4, 1\)\}", id="no name"),
    ],
)
def test_targets_of_another_form_are_refused(targets, shown):
    with pytest.raises(
        DataError, match=rf"The targets have the shapes (?s:.*){shown}(?s:.*)Expected: picture \[batch, 1\]"
    ):
        make().compute_loss(y=targets, y_pred=fixed_outputs(np.eye(4)))


def test_a_tower_behind_its_backbone_is_the_tower_of_its_features():
    backbone = keras.Sequential(
        [keras.Input((8, 8, 3), dtype="uint8"), keras.layers.GlobalAveragePooling2D()]
    )
    pictures = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), "uint8")
    model = VisualSemantic(
        image_encoder(3, 4), bow_encoder(5, 4, 7, 4), vocabulary=WORDS, backbone_sha256="abc"
    )
    served = model.with_image_encoder(behind_backbone(model.image_encoder, backbone))
    expected = model.image_encoder.predict(pictures.mean(axis=(1, 2), dtype="float32"), verbose=0)
    assert served.image_encoder.predict(pictures, verbose=0) == pytest.approx(expected, abs=1e-6)
    assert set(served.input) == {"image", "token_ids"}
    assert served.vocabulary == WORDS
    assert served.backbone_sha256 == "abc"
