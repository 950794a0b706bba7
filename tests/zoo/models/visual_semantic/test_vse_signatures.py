"""What a served embedding answers, and search by edits inside the graph against search in Python."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.signatures import write_saved_model
from zoo.backbones import build_backbone
from zoo.data.examples import example_images
from zoo.models.visual_semantic.analogy_signatures import Collection, analogy_signatures
from zoo.models.visual_semantic.model import VisualSemantic, bow_encoder, image_encoder, lstm_encoder
from zoo.models.visual_semantic.signatures import embedding_signatures
from zoo.models.visual_semantic.words import WordTable
from zoo.search.exact import ExactStore
from zoo.search.index import AnalogyIndex
from zoo.search.measures import MEASURES

VOCABULARY = ("a", "dog", "cat", "dog's", "on", "grass", "snow")
PICTURES = [bytes(data) for data in example_images(3)]
TOP = 5
# Nothing asked for: no words, unknown words alone, the same added and removed.
NOTHING = [("", ""), ("xyzzy plugh", "42"), ("cat dog", "dog cat")]


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def make(text_encoder):
    keras.utils.set_random_seed(2)
    backbone = build_backbone("tiny_cnn", image_size=32)
    return VisualSemantic(
        image_encoder(backbone, 8), text_encoder(len(VOCABULARY), 8, 6, 5), vocabulary=VOCABULARY
    )


@pytest.fixture(scope="module", params=[bow_encoder, lstm_encoder], ids=["bow", "lstm"])
def model(request):
    return make(request.param)


@pytest.fixture(scope="module")
def collection():
    rng = np.random.default_rng(0)
    return Collection(
        [f"{number:02d}.jpg" for number in range(40)],
        unit(rng.normal(size=(40, 8))),
        rng.normal(size=8) * 0.2,
    )


def index_of(collection):
    store = ExactStore(8)
    store.add(list(collection.ids), collection.vectors)
    return AnalogyIndex(store, mean_text=collection.mean_text)


def ask(model, collection, measure, rows, top=TOP, weight=None, pictures=PICTURES):
    """Answers of one signature to (picture, add, remove)."""
    signatures = {signature.name: signature for signature in analogy_signatures(model, collection, top)}
    signature = signatures[f"analogy_{measure}"]
    inputs = {
        "image_bytes": np.array([pictures[picture] for picture, _, _ in rows], object),
        "add": np.array([add.encode() for _, add, _ in rows], object),
        "remove": np.array([remove.encode() for _, _, remove in rows], object),
    }
    if "weight" in signature.inputs:
        inputs["weight"] = np.full(len(rows), weight, np.float32)
    return signature.answer(inputs)


def embeddings(model, picture, *texts):
    """The vector of a picture, and those of the known words of each text."""
    serving, *_, embed_text = embedding_signatures(model)
    image = serving.answer({"image_bytes": np.array([PICTURES[picture]], object)})["embedding"][0]
    words = embed_text.answer({"text": np.array([word.encode() for word in VOCABULARY], object)})["embedding"]
    known = dict(zip(VOCABULARY, words, strict=True))
    return image, *([known[word] for word in text.lower().split() if word in known] for text in texts)


# --- embeddings ---


def test_texts_are_embedded_as_the_encoder_does_and_unknown_words_counted(model):
    *_, embed_text = embedding_signatures(model)
    texts = ["A dog's cat!", "xyzzy dog PLUGH 7", "", "a a a a a dog xyzzy"]
    answer = embed_text.answer({"text": np.array([text.encode() for text in texts], object)})
    token_ids = np.array([[2, 5, 4, 0, 0], [1, 3, 1, 0, 0], [0] * 5, [2] * 5], "int32")
    assert answer["embedding"] == pytest.approx(model.text_encoder.predict(token_ids, verbose=0), abs=1e-6)
    assert answer["unknown_words"].tolist() == [0, 2, 0, 1]
    assert answer["unknown_words"].dtype == np.int32
    assert np.linalg.norm(answer["embedding"], axis=1) == pytest.approx([1, 1, 0, 1], abs=1e-6)


def test_files_and_pixels_give_the_same_picture(model):
    by_name = {signature.name: signature for signature in embedding_signatures(model)}
    assert list(by_name) == ["serving_default", "embed_image", "tensor", "embed_text"]
    files = by_name["serving_default"].examples(3)
    from_files = by_name["serving_default"].answer(files)["embedding"]
    assert np.array_equal(by_name["embed_image"].answer(files)["embedding"], from_files)
    pixels = by_name["tensor"].examples(3)
    assert by_name["tensor"].answer(pixels)["embedding"] == pytest.approx(from_files, abs=1e-5)
    assert from_files == pytest.approx(model.image_encoder.predict(pixels["image"], verbose=0), abs=1e-5)
    assert np.linalg.norm(from_files, axis=1) == pytest.approx(np.ones(3), abs=1e-6)


@pytest.mark.parametrize("rows", [1, 12])
def test_examples_have_so_many_rows(model, collection, rows):
    for signature in [*embedding_signatures(model), *analogy_signatures(model, collection, TOP)]:
        examples = signature.examples(rows)
        assert examples.keys() == signature.inputs.keys()
        assert {len(values) for values in examples.values()} == {rows}, signature.name


# --- search by edits ---

QUERIES = [
    (0, "dog", "cat"),
    (1, "grass snow", "dog's"),
    (2, "Dog on grass", "a CAT xyzzy"),  # an unknown word is left out
    (0, "snow", ""),  # the mean text stands for what is not said
    (1, "", "cat"),
    (2, "dog", "42 plugh"),
]


WEIGHTS = [("kiros", 1.0), ("kiros", 0.25), ("direction", None), ("anchored", 0.3)]


@pytest.mark.parametrize(("measure", "weight"), WEIGHTS)
def test_the_graph_finds_what_the_index_finds(model, collection, measure, weight):
    index = index_of(collection)
    found = ask(model, collection, measure, QUERIES, weight=weight)
    assert found["unknown_words"].tolist() == [0, 0, 1, 0, 0, 1]
    for row, (picture, add, remove) in enumerate(QUERIES):
        query, added, removed = embeddings(model, picture, add, remove)
        hits = index.search(query, added, removed, measure=measure, weight=weight, top=TOP)
        assert [name.decode() for name in found["ids"][row]] == [hit.id for hit in hits], (add, remove)
        for output, field in (("scores", "score"), ("along", "along"), ("off", "off"), ("keep", "keep")):
            expected = [getattr(hit, field) for hit in hits]
            assert found[output][row] == pytest.approx(expected, abs=2e-5), (output, add, remove)


def test_every_measure_has_its_signature(model, collection):
    signatures = analogy_signatures(model, collection, TOP)
    assert [signature.name for signature in signatures] == [f"analogy_{measure}" for measure in MEASURES]
    for signature in signatures:
        assert ("weight" in signature.inputs) == (signature.name != "analogy_direction")


@pytest.mark.parametrize("measure", MEASURES)
def test_where_nothing_is_asked_for_the_others_of_the_batch_are_answered(model, collection, measure):
    rows = [QUERIES[0], *((1, *nothing) for nothing in NOTHING), QUERIES[1]]
    found = ask(model, collection, measure, rows, weight=1.0)
    assert found["ids"][1:4].tolist() == [[b""] * TOP] * 3
    for name in ("scores", "along", "off", "keep"):
        assert found[name][1:4].tolist() == [[0] * TOP] * 3
    assert found["unknown_words"].tolist() == [0, 0, 2, 0, 0]
    alone = ask(model, collection, measure, [QUERIES[0], QUERIES[1]], weight=1.0)
    assert found["ids"][[0, 4]].tolist() == alone["ids"].tolist()
    assert found["scores"][[0, 4]] == pytest.approx(alone["scores"], abs=1e-5)


@pytest.mark.parametrize("nothing", NOTHING[:2], ids=["no words", "unknown words"])
def test_a_batch_in_which_nobody_asks_for_anything(model, collection, nothing):
    found = ask(model, collection, "direction", [(0, *nothing), (1, *nothing)])
    assert found["ids"].tolist() == [[b""] * TOP] * 2


def test_of_a_small_collection_all_are_returned(model, collection):
    few = Collection(collection.ids[:3], collection.vectors[:3], collection.mean_text)
    found = ask(model, few, "kiros", [QUERIES[0]], top=50, weight=1.0)
    assert found["ids"].shape == found["scores"].shape == (1, 3)
    assert sorted(found["ids"][0].tolist()) == [name.encode() for name in few.ids]


@pytest.mark.parametrize("measure", MEASURES)
def test_the_query_and_its_duplicate_are_left_out(model, collection, measure):
    query, *_ = embeddings(model, 0)
    vectors = collection.vectors[:4].copy()
    vectors[1] = vectors[2] = query
    few = Collection(collection.ids[:4], vectors, collection.mean_text)
    found = ask(model, few, measure, [QUERIES[0]], top=4, weight=1.0)
    assert sorted(found["ids"][0].tolist()) == [b"", b"", b"00.jpg", b"03.jpg"]
    assert found["ids"][0, 2:].tolist() == [b"", b""]  # what is missing comes last
    assert found["scores"][0, 2:].tolist() == found["keep"][0, 2:].tolist() == [0, 0]


def test_each_row_has_a_weight_of_its_own(model, collection):
    signature = analogy_signatures(model, collection, TOP)[0]
    inputs = {
        "image_bytes": np.array([PICTURES[0]] * 2, object),
        "add": np.array([b"dog"] * 2, object),
        "remove": np.array([b"cat"] * 2, object),
        "weight": np.array([0, 100], np.float32),
    }
    found = signature.answer(inputs)
    query, added, removed = embeddings(model, 0, "dog", "cat")
    without = collection.vectors @ query
    alone = collection.vectors @ (added[0] - removed[0])
    for row, scores in enumerate((without, without + 100 * alone)):
        best = np.argsort(-scores)[:TOP]
        assert found["ids"][row].tolist() == [collection.ids[i].encode() for i in best]


def test_an_exported_graph_carries_the_collection(collection, tmp_path):
    model = make(bow_encoder)
    signatures = analogy_signatures(model, collection, TOP)[1:]  # without a weight, and with one
    write_saved_model(str(tmp_path / "1"), signatures)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    for signature in signatures:
        inputs = signature.examples(3)
        served = loaded.signatures[signature.name](**{key: tf.constant(rows) for key, rows in inputs.items()})
        for key, expected in signature.answer(inputs).items():
            if expected.dtype == object:
                assert served[key].numpy().tolist() == expected.tolist(), key
            else:
                assert served[key].numpy() == pytest.approx(expected, abs=1e-5), key


def test_words_of_a_text_are_split_as_in_training(model, collection):
    # "dog's" is one word of the vocabulary, not "dog" and "s".
    found = ask(model, collection, "kiros", [(0, "DOG'S,on", "cat")], weight=1.0)
    again = ask(model, collection, "kiros", [(0, "on dog's", "cat")], weight=1.0)
    assert found["ids"].tolist() == again["ids"].tolist()
    assert found["unknown_words"].tolist() == [0]
    ids, _ = WordTable(VOCABULARY, 5).ids(tf.constant(["DOG'S,on"]))
    assert ids.numpy().tolist() == [[5, 6, 0, 0, 0]]
