"""What a served caption GAN answers: from Keras, and from the SavedModel of all of its signatures."""

from __future__ import annotations

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.golden import TOLERANCE, difference
from export.prediction_log import Golden
from export.signatures import write_saved_model
from zoo.data.examples import example_images
from zoo.errors import DataError, ExportError
from zoo.models.captioning import networks
from zoo.models.captioning.autoencoder import SentenceAutoencoder
from zoo.models.captioning.signatures import caption_signatures, codes_of_seeds
from zoo.models.captioning.trio import CaptionTrio

FEATURES, CODE, ROWS = 6, 3, 5
NAMES = ["serving_default", "tensor", "sample", "infer_code"]
SAID = ["caption", "token_ids", "log_prob"]
SEEDS = np.array([0, -1, 2**63 - 1, -(2**63), 2**32], np.int64)


def colour_encoder(size=20):
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    return keras.Model(image, keras.layers.Dense(FEATURES)(x), name="backbone")


def grey_encoder():
    return networks.image_encoder(64, FEATURES, filters=(2,))


@pytest.fixture(scope="module")
def digits(make_trio):
    """Stage A: grey pictures of 64 pixels, one word."""
    trio = make_trio()
    return with_encoder(trio, trio.autoencoder, grey_encoder())


@pytest.fixture(scope="module")
def sentences(make_trio):
    """Stage B: pictures in colour of any size, sentences."""
    words = ("a", "dog's", "cat", "runs")
    autoencoder = SentenceAutoencoder(vocabulary=words, sentence_size=4, word_size=6, units=8, max_words=4)
    return with_encoder(make_trio(), autoencoder, colour_encoder())


def with_encoder(trio, autoencoder, encoder):
    return CaptionTrio(trio.generator, trio.discriminator, trio.recovery, autoencoder, image_encoder=encoder)


def named(trio):
    return {signature.name: signature for signature in caption_signatures(trio)}


def codes(rows, scale=5.0):
    """Far from each other, so that a tiny network says different things."""
    return scale * np.random.default_rng(1).standard_normal((rows, CODE), dtype=np.float32)


def files(rows):
    return np.array(example_images(rows), object)


def captions(*texts):
    return np.array([text.encode() for text in texts], object)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def assert_same(found, expected):
    assert difference(Golden("", {}, expected), found) <= TOLERANCE, (found, expected)
    assert {name: found[name].dtype for name in found} == {name: expected[name].dtype for name in found}


# --- what they are ---


def test_inputs_and_their_examples(digits, sentences):
    for trio, image in ((digits, (None, 64, 64, 1)), (sentences, (None, None, None, 3))):
        signatures = caption_signatures(trio)
        assert [signature.name for signature in signatures] == NAMES
        inputs = {signature.name: list(signature.inputs) for signature in signatures}
        assert inputs == {
            "serving_default": ["image_bytes", "code"],
            "tensor": ["image", "code"],
            "sample": ["image_bytes", "seed"],
            "infer_code": ["image_bytes", "caption"],
        }
        assert signatures[1].inputs["image"].shape == image
        for signature in signatures:
            for rows in (1, 5):
                examples = signature.examples(rows)
                assert examples.keys() == signature.inputs.keys()
                assert {len(values) for values in examples.values()} == {rows}, signature.name
            few = signature.examples(3)
            for alias, spec in signature.inputs.items():
                assert tf.constant(few[alias]).dtype.name == spec.dtype
                assert np.array_equal(few[alias], signature.examples(3)[alias])


def test_a_caption_is_that_of_the_trio_and_the_autoencoder(digits):
    image = np.random.default_rng(0).integers(0, 256, (ROWS, 64, 64, 1), np.uint8)
    answer = named(digits)["tensor"].answer({"image": image, "code": codes(ROWS)})
    assert list(answer) == SAID
    sentence = digits({"image": image, "code": codes(ROWS)})["sentence"]
    tokens, log_prob = digits.autoencoder.decode(sentence, 3)
    assert np.array_equal(answer["token_ids"], tokens)
    assert answer["log_prob"] == pytest.approx(log_prob.numpy(), abs=1e-5)
    word = {4: "one", 5: "two"}
    said = [" ".join(word[token] for token in row if token in word) for row in tokens.numpy()]
    assert [text.decode() for text in answer["caption"]] == said
    assert len(set(said)) > 1  # else a wrong code would not be noticed


def of_file(trio, pixels):
    return named(trio)["serving_default"].answer(
        {"image_bytes": np.array([png(pixels)], object), "code": codes(1)}
    )


def of_grey(trio, grey):
    return named(trio)["tensor"].answer({"image": grey[None, ..., None], "code": codes(1)})


def test_a_grey_file_reaches_the_encoder_as_its_own_pixels(digits):
    grey = np.resize(np.arange(256, dtype=np.uint8), (64, 64))
    answer = of_grey(digits, grey)
    for name, values in of_file(digits, grey).items():
        assert np.array_equal(values, answer[name]), name
    other = np.maximum(grey, 1) - 1  # the encoder looks at the largest values anywhere
    assert of_grey(digits, other)["log_prob"] != answer["log_prob"]  # a single step of grey can be told


def test_a_file_in_colour_becomes_grey(digits):
    red = np.zeros((40, 50, 3), np.uint8)
    red[..., 0] = 255
    assert_same(of_file(digits, red), of_grey(digits, np.full((64, 64), 76, np.uint8)))  # .2989 * 255 = 76.2


def test_pixels_in_colour_are_resized_as_files_are(sentences):
    by = named(sentences)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 45, 3), np.uint8)
    from_pixels = by["tensor"].answer({"image": pixels[None], "code": codes(1)})
    assert_same(from_pixels, of_file(sentences, pixels))


# --- seeds ---


def test_a_seed_is_its_code_whatever_stands_beside_it():
    compiled = tf.function(
        lambda seed: codes_of_seeds(seed, CODE), input_signature=[tf.TensorSpec([None], tf.int64)]
    )
    together = compiled(SEEDS).numpy()
    for row, seed in enumerate(SEEDS):
        pair = tf.constant([seed, 0], tf.int64)
        direct = tf.random.stateless_normal([CODE], pair, alg="philox").numpy()
        assert np.array_equal(together[row], direct), seed
        assert np.array_equal(compiled(SEEDS[row : row + 1]).numpy()[0], direct), seed
    assert np.array_equal(compiled(np.tile(SEEDS[::-1], 9)).numpy(), np.tile(together[::-1], (9, 1)))
    assert np.array_equal(codes_of_seeds(tf.constant(SEEDS), CODE).numpy(), together)
    assert len(np.unique(together, axis=0)) == len(SEEDS)
    assert compiled(SEEDS[:0]).shape == (0, CODE)


def test_seeds_in_a_row_give_independent_standard_normal_codes():
    drawn = tf.function(lambda seed: codes_of_seeds(seed, CODE))(tf.range(4000, dtype=tf.int64)).numpy()
    assert np.abs(drawn.mean(axis=0)).max() < 4 / np.sqrt(4000)
    assert np.cov(drawn.T) == pytest.approx(np.eye(CODE), abs=4 * np.sqrt(2 / 4000))
    assert (drawn**4).mean() == pytest.approx(3, abs=0.4)
    after = [np.corrcoef(drawn[:-1, column], drawn[1:, column])[0, 1] for column in range(CODE)]
    assert np.abs(after).max() < 4 / np.sqrt(4000)


def test_a_sample_is_the_answer_to_the_code_that_it_returns(digits):
    by = named(digits)
    sample = by["sample"].answer({"image_bytes": files(ROWS), "seed": SEEDS})
    assert list(sample) == [*SAID, "code"]
    code = sample.pop("code")
    assert np.array_equal(code, codes_of_seeds(tf.constant(SEEDS), CODE).numpy())
    assert_same(sample, by["serving_default"].answer({"image_bytes": files(ROWS), "code": code}))


# --- codes read back ---


def test_a_code_is_what_the_recovery_network_reads_in_the_words(sentences):
    by = named(sentences)
    texts = captions("A dog's cat!", "cat runs cat runs a zebra", "zebra cat", "", "5")
    answer = by["infer_code"].answer({"image_bytes": files(ROWS), "caption": texts})
    tokens = np.array(
        [[2, 4, 5, 6, 3, 0], [2, 6, 7, 6, 7, 3], [2, 1, 6, 3, 0, 0], [2, 3, 0, 0, 0, 0], [2, 3, 0, 0, 0, 0]]
    )
    assert np.array_equal(answer["token_ids"], tokens)
    counted = {name: answer[name].tolist() for name in ("known_words", "unknown_words", "cut_words")}
    assert counted == {
        "known_words": [3, 4, 1, 0, 0],
        "unknown_words": [0, 0, 1, 0, 0],
        "cut_words": [0, 2, 0, 0, 0],
    }
    image = by["tensor"].examples(ROWS)["image"]  # of the same files
    features = sentences.image_encoder(image)
    expected = sentences.recovery([sentences.autoencoder.encode(tokens.astype(np.int32)), features])
    assert answer["code"] == pytest.approx(expected.numpy(), abs=1e-5)
    assert answer["code"].dtype == np.float32


# --- the SavedModel ---


@pytest.fixture(scope="module")
def served(digits, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("export") / "1")
    write_saved_model(folder, caption_signatures(digits))
    return tf.saved_model.load(folder)


def ask(served, name, inputs):
    outputs = served.signatures[name](**{alias: tf.constant(rows) for alias, rows in inputs.items()})
    return {alias: values.numpy() for alias, values in outputs.items()}


INPUTS = {
    "serving_default": lambda: {"image_bytes": files(ROWS), "code": codes(ROWS)},
    "tensor": lambda: {
        "image": np.random.default_rng(2).integers(0, 256, (ROWS, 64, 64, 1), np.uint8),
        "code": codes(ROWS),
    },
    "sample": lambda: {"image_bytes": files(ROWS), "seed": SEEDS},
    "infer_code": lambda: {
        "image_bytes": files(ROWS),
        "caption": captions("one", "TWO.", "xyzzy", "one two", "2"),
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_the_saved_model_answers_as_keras_and_every_row_alone_as_in_a_batch(digits, served, name):
    inputs = INPUTS[name]()
    together = ask(served, name, inputs)
    assert_same(together, named(digits)[name].answer(inputs))
    for row in range(ROWS):
        alone = ask(served, name, {alias: rows[row : row + 1] for alias, rows in inputs.items()})
        assert_same(alone, {alias: rows[row : row + 1] for alias, rows in together.items()})
        if name == "sample":
            assert np.array_equal(alone["code"][0], together["code"][row])


def test_a_graph_takes_pictures_in_colour_of_any_size(sentences):
    tensor = named(sentences)["tensor"]
    specs = [tf.TensorSpec(spec.shape, spec.dtype) for spec in tensor.inputs.values()]
    graph = tf.function(tensor.function, input_signature=specs)
    for height, width in ((20, 20), (31, 12)):
        pixels = np.random.default_rng(3).integers(0, 256, (2, height, width, 3), np.uint8)
        found = {key: values.numpy() for key, values in graph(pixels, codes(2)).items()}
        assert_same(found, tensor.answer({"image": pixels, "code": codes(2)}))


# --- wrong use ---


@pytest.mark.parametrize("length", [2, 4])
def test_a_code_of_another_length(digits, served, length):
    inputs = {"image_bytes": files(2), "code": np.zeros((2, length), np.float32)}
    with pytest.raises(DataError) as caught:
        named(digits)["serving_default"].answer(inputs)
    assert str(caught.value) == (
        f"The code has the shape (2, {length}).\nExpected: [batch, 3]\nFix: pass 3 numbers for each picture"
    )
    # A server compares shapes with the declared one first; what the graph itself says without that:
    declared = served.signatures["serving_default"].structured_input_signature[1]["code"]
    assert declared.shape.as_list() == [None, CODE]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Matrix size-incompatible"):
        ask(served, "serving_default", inputs)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["nan", "infinite"])
def test_a_code_that_is_not_finite_is_seen_and_spoils_no_other_row(digits, served, value):
    inputs = {"image_bytes": files(3), "code": codes(3)}
    right = ask(served, "serving_default", inputs)
    inputs["code"][1, 0] = value
    for answer in (ask(served, "serving_default", inputs), named(digits)["serving_default"].answer(inputs)):
        assert np.isnan(answer["log_prob"]).tolist() == [False, True, False]
        assert (answer["caption"][1], answer["token_ids"][1].tolist()) == (b"", [0, 0, 0])
        others = ({key: values[[0, 2]] for key, values in said.items()} for said in (answer, right))
        assert_same(*others)


def test_a_trio_over_features(make_trio):
    with pytest.raises(ExportError) as caught:
        caption_signatures(make_trio())
    assert str(caught.value) == (
        "'caption_gan' was trained on features, and does not have the network that makes them of a picture.\n"
        "Expected: a trio with its image encoder\n"
        "Fix: build CaptionTrio of the same networks with backbone=<that of the features>"
    )


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((None, None, 3), "None x None pixels and 3 channels"),
        ((8, 9, 3), "8 x 9 pixels and 3 channels"),
        ((8, 8, 2), "8 x 8 pixels and 2 channels"),
    ],
    ids=["open", "not square", "two channels"],
)
def test_an_image_encoder_for_other_pictures(make_trio, shape, text):
    image = keras.Input(shape)
    x = keras.layers.GlobalAveragePooling2D()(image)
    encoder = keras.Model(image, keras.layers.Dense(FEATURES)(x))
    with pytest.raises(ExportError) as caught:
        caption_signatures(make_trio(image_encoder=encoder))
    assert str(caught.value) == (
        f"The image encoder of 'caption_gan' takes pictures of {text}.\n"
        "Expected: square pictures of a fixed size, with 1 or 3 channels\n"
        "Fix: build it on keras.Input((size, size, 3))"
    )
