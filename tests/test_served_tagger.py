"""A tagger behind the server: pictures of all kinds, and bytes that mean harm."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image

import zoo
from export.archive import write_version
from serving.client import Client, InvalidInput
from serving.server import Server
from tests.hostile_png import png_bomb
from zoo.data.examples import example_image

NAME = "tagging_binomial"


@pytest.fixture(scope="module")
def client(trained, tmp_path_factory):
    models_dir = tmp_path_factory.mktemp("models")
    done = trained(NAME)
    model = zoo.load_model(done.run.folder)
    write_version(models_dir / NAME / "1", done.recipe.signatures(model), name=NAME, contract={})
    with Server(models_dir, port=0) as server, Client(server.address) as connected:
        yield connected


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


HOSTILE = {
    "truncated": example_image(0)[:300],
    "not an image": b"<html>not a picture</html>",
    "empty": b"",
    "bomb": png_bomb(),
}


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_bad_bytes_in_a_batch_are_named_by_their_position(client, kind):
    good = example_image(1)
    with pytest.raises(InvalidInput) as caught:
        client.predict(NAME, image_bytes=[good, good, HOSTILE[kind], good])
    assert caught.value.code == "INVALID_ARGUMENT"
    assert "image_bytes[2]" in str(caught.value)
    assert client.predict(NAME, image_bytes=good)["tags"].shape[0] == 1


def test_neighbours_in_requests_of_their_own_get_their_answers(client):
    alone = client.predict(NAME, image_bytes=example_image(1))
    answers, errors = [], []

    def ask(picture: bytes) -> None:
        try:
            answers.append(client.predict(NAME, image_bytes=picture))
        except InvalidInput as error:
            errors.append(error)

    threads = [threading.Thread(target=ask, args=(p,)) for p in [example_image(1), HOSTILE["truncated"]] * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(answers), len(errors)) == (8, 8)
    for answer in answers:
        np.testing.assert_allclose(answer["probability"], alone["probability"], atol=1e-6)


def test_an_animation_counts_by_its_first_frame(client):
    first, second = (Image.open(io.BytesIO(example_image(i))).convert("RGB").quantize(64) for i in (1, 4))
    still = client.predict(NAME, image_bytes=encoded(first, "GIF"))
    moving = client.predict(NAME, image_bytes=encoded(first, "GIF", save_all=True, append_images=[second]))
    other = client.predict(NAME, image_bytes=encoded(second, "GIF"))
    np.testing.assert_array_equal(still["probability"], moving["probability"])
    assert not np.allclose(still["probability"], other["probability"])


def test_the_same_pixels_give_the_same_tags_by_every_way(client, trained):
    """PNG file, array, and the Keras model on the decoded picture."""
    pixels = np.asarray(Image.open(io.BytesIO(example_image(1))).convert("RGB").resize((32, 32)))
    by_file = client.predict(NAME, image_bytes=encoded(Image.fromarray(pixels), "PNG"), signature="dense")
    by_array = client.predict(NAME, image=pixels)
    model = zoo.load_model(trained(NAME).run.folder)
    by_keras = model.predict(pixels[None], verbose=0)
    for key in ("probability", "importance"):
        np.testing.assert_allclose(by_file[key], by_array[key], atol=1e-6)
        np.testing.assert_allclose(by_file[key], by_keras[key], atol=1e-5)


def test_default_answer_is_sorted_and_names_columns_of_dense(client):
    picture = example_image(2)
    best = client.predict(NAME, image=picture)
    dense = client.predict(NAME, image_bytes=picture, signature="dense")
    count = dense["probability"].shape[1]
    names = client.predict(NAME, {"index": np.arange(count, dtype=np.int32)}, signature="describe")["tag"]
    order = np.argsort(-dense["probability"][0], kind="stable")[:20]
    assert best["tags"][0].tolist() == names[order].tolist()
    np.testing.assert_allclose(best["importance"][0], dense["importance"][0][order], atol=1e-6)
    assert 0 < best["threshold"][0] < 1


def test_distribution_agrees_with_dense(client):
    picture = example_image(2)
    mention = client.predict(NAME, image_bytes=picture, signature="distribution")["mention"]
    dense = client.predict(NAME, image_bytes=picture, signature="dense")
    assert mention.shape[-1] == 6
    np.testing.assert_allclose(mention.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(1 - mention[..., 0], dense["probability"], atol=1e-5)
    share = (mention[..., 1:] * np.arange(1, 6) / 5).sum(-1) / mention[..., 1:].sum(-1)
    np.testing.assert_allclose(share, dense["importance"], atol=1e-5)
