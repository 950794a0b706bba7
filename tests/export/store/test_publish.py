"""Publishing: everything in place and named by the index last, or the store as it was."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from export.store.change import STAGING_PREFIX, read_index
from export.store.inspect import check_store
from export.store.publish import publish
from export.store.unpack import unpack
from tests.export.store.small_models import FREE, tree, write_small_model
from zoo.errors import StoreError


@pytest.fixture
def model(tmp_path):
    return write_small_model(tmp_path / "models" / "m" / "1")


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def key_pair(tmp_path):
    return make_keys(tmp_path)


def make_keys(folder):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "key.pem", folder / "key.pub"
    form = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, *form))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return private, public


def faults(store):
    return [finding for finding in check_store(store) if finding.level == "error"]


def test_first_publishing(model, store, tmp_path):
    (model / "assets.extra" / "card.html").write_text("<p>card</p>")
    done = publish(model, store)
    assert done.written == ("m/1.tar.gz", "m/1.md", "m/1.html", "index.json")
    assert sorted(tree(store)) == ["index.json", "m/1.html", "m/1.md", "m/1.tar.gz"]
    assert done.difference == (
        "+ m@1",
        f"+ m/1.tar.gz ({(store / 'm' / '1.tar.gz').stat().st_size} bytes)",
        "+ m/1.md (7 bytes)",
        "+ m/1.html (11 bytes)",
    )
    index, _ = read_index(store)
    assert (index.sequence, index.previous) == (1, None)
    entry = index.find("m")
    assert entry == done.entry
    assert (entry.key_id, entry.signature) == (None, None)
    assert vars(entry.licence) == FREE
    unpack(store / entry.archive.path, entry, tmp_path / "unpacked")
    assert tree(tmp_path / "unpacked") == tree(model)
    assert (store / "m" / "1.html").read_text() == "<p>card</p>"
    assert {path.stat().st_mode & 0o777 for path in store.rglob("*.*") if path.name != ".lock"} == {0o644}
    assert list(store.glob(f"{STAGING_PREFIX}*")) == []


def test_each_publishing_is_a_link_of_the_chain(model, store):
    first = publish(model, store)
    raw = (store / "index.json").read_bytes()
    write_small_model(model.parent / "2", weights=b"other")
    second = publish(model.parent, store)
    index, _ = read_index(store)
    assert (index.sequence, list(index.models["m"])) == (2, [1, 2])
    assert index.find("m", 1) == first.entry
    assert index.find("m") == second.entry
    assert (store / "history" / f"{index.previous}.json").read_bytes() == raw
    assert second.written == ("m/2.tar.gz", "m/2.md", f"history/{index.previous}.json", "index.json")
    assert faults(store) == []


def test_the_same_again_changes_nothing(model, store, tmp_path):
    first = publish(model, store)
    before = tree(store)
    for path in model.rglob("*"):
        os.utime(path, (1, 1))
    copy = shutil.copytree(model, tmp_path / "elsewhere" / "m" / "1", copy_function=shutil.copyfile)
    again = publish(copy, store)
    assert (again.entry, again.written, again.difference) == (first.entry, (), ())
    assert tree(store) == before


def test_other_content_under_a_published_version_is_refused(model, store):
    publish(model, store)
    before = tree(store)
    (model / "variables" / "variables.index").write_bytes(b"WEIGHTS")
    with pytest.raises(StoreError, match=r"has another m@1 already: archive\.sha256") as caught:
        publish(model, store)
    assert "files.variables/variables.index.sha256" in caught.value.what
    assert caught.value.fix == "publish it as the next version, e.g. rename the folder 1 to 2"
    (model / "variables" / "variables.index").write_bytes(b"weights")
    with pytest.raises(StoreError) as caught:
        publish(model, store, data="CC-BY-4.0")
    assert caught.value.what.endswith('already: licence.data: "CC0-1.0" -> "CC-BY-4.0".')
    assert tree(store) == before


def test_dry_run_tells_the_difference_and_touches_nothing(model, store):
    done = publish(model, store, dry_run=True)
    assert not store.exists()
    assert done.written == ()
    assert done.difference[0] == "+ m@1"
    real = publish(model, store)
    assert replace(done.entry, published=real.entry.published) == real.entry
    before = tree(store)
    assert publish(model, store, dry_run=True).difference == ()
    done = publish(model, store, dry_run=True, weights="MIT")
    assert done.difference == ('licence.weights: "CC0-1.0, drawn by hand" -> "MIT"',)
    assert tree(store) == before


def test_research_only_is_refused_and_then_marked(store, tmp_path):
    terms = {"code": "MIT", "weights": "ImageNet, research", "data": "Flickr", "research_only": True}
    model = write_small_model(tmp_path / "models" / "m" / "1", licence=terms)
    with pytest.raises(StoreError) as caught:
        publish(model, store)
    assert str(caught.value) == (
        "m@1 may be used for research only. Weights: ImageNet, research. Data: Flickr.\n"
        "Expected: --research-only, so that it is marked as such in the store\n"
        "Fix: publish with --research-only, to a store for research"
    )
    with pytest.raises(StoreError, match="research only"):
        publish(model, store, weights="none", data="none")
    assert not store.exists()
    assert publish(model, store, research_only=True).entry.licence.research_only is True
    free = write_small_model(tmp_path / "models" / "free" / "1")
    assert publish(free, store, research_only=True).entry.licence.research_only is True


def test_a_foreign_model_needs_terms(store, tmp_path):
    model = write_small_model(tmp_path / "models" / "m" / "1", licence=None)
    with pytest.raises(StoreError, match="--code-licence TEXT --weights-licence TEXT --data-licence TEXT"):
        publish(model, store)
    entry = publish(model, store, code="MIT", weights="own", data="none").entry
    assert vars(entry.licence) == {"code": "MIT", "weights": "own", "data": "none", "research_only": False}


def test_a_store_around_its_models_is_refused(model):
    with pytest.raises(StoreError, match="lies inside the store"):
        publish(model, model.parent.parent)
    assert sorted(path.name for path in model.parent.parent.iterdir()) == ["m"]


def test_links_in_the_folder_are_refused(model, store):
    (model / "assets").mkdir()
    (model / "assets" / "labels.txt").symlink_to("/etc/passwd")
    with pytest.raises(StoreError, match="neither a file nor a folder"):
        publish(model, store)
    assert tree(store) == {}


def test_signing(model, store, key_pair, tmp_path):
    private, public = key_pair
    done = publish(model, store, sign_key=private)
    assert done.entry.signature.path == "m/1.sig"
    assert len(done.entry.key_id) == 64
    (found,) = [f for f in check_store(store, public_keys=[public]) if f.subject == "m@1"]
    assert found.text == f"hash ok, signature ok, by key {done.entry.key_id}"
    # Every signature has other bytes; by the same key it is the same.
    assert publish(model, store, sign_key=private).written == ()
    with pytest.raises(StoreError, match="has another m@1 already: key_id"):
        publish(model, store)
    other = make_keys(write_small_model(tmp_path / "other" / "x" / "1").parent)
    (wrong,) = [f for f in check_store(store, public_keys=other[1:]) if f.subject == "m@1"]
    assert wrong.level == "error"
    assert "is not accepted" in wrong.text


def test_a_signature_in_the_folder_is_published_along(model, store, key_pair):
    from serving.signing import sign

    (model / "model.sig").write_bytes(sign(model, key_pair[0]))
    done = publish(model, store)
    assert (store / "m" / "1.sig").read_bytes() == (model / "model.sig").read_bytes()
    assert "model.sig" not in done.entry.files
    findings = check_store(store, public_keys=[key_pair[1]])
    assert [f.text for f in findings if f.subject == "m@1"] == [
        f"hash ok, signature ok, by key {done.entry.key_id}"
    ]


@pytest.mark.parametrize("content", [None, b"no key"], ids=["missing", "no key"])
def test_keys_that_cannot_sign(content, model, store, tmp_path):
    key = tmp_path / "key.pem"
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(StoreError, match="cannot be signed with"):
        publish(model, store, sign_key=key)
    (model / "model.sig").write_bytes(b"{}")
    with pytest.raises(StoreError, match="This is no signature by a key"):
        publish(model, store)
    assert not store.exists()


def test_stores_that_cannot_be_written(model, store, tmp_path):
    store.write_text("a file")
    with pytest.raises(StoreError, match="cannot be used: FileExistsError"):
        publish(model, store)
    store.unlink()
    publish(model, store)
    write_small_model(model.parent / "2", weights=b"other")
    (store / "history").write_text("a file")
    before = tree(store)
    with pytest.raises(StoreError, match="cannot be used: FileExistsError"):
        publish(model.parent, store)
    assert tree(store) == before
    (store / "index.json").write_text("{}")
    with pytest.raises(StoreError, match="is no index of a store"):
        publish(model.parent, store)


def test_a_real_model_with_golden_answers(tmp_path):
    from export.golden import difference
    from export.prediction_log import record
    from export.store.goldens import golden_from_json
    from serving.protocol import tfrecord
    from tests.serving.saved_models import save_pair

    tf = pytest.importorskip("tensorflow")
    folder, store = tmp_path / "models" / "pair" / "1", tmp_path / "store"
    save_pair(folder)
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "contract.json").write_text(json.dumps({"licence": FREE}))
    inputs = {"text": np.array(["one", "犬"], object)}
    outputs = {"length": np.array([3, 3], np.int32), "text": np.array([b"one", "犬".encode()], object)}
    goldens = folder / "assets.extra" / "golden_predictions"
    wrong = outputs | {"length": np.array([3, 1], np.int32)}
    tfrecord.write(goldens, [record("pair", "length", inputs, wrong)])
    with pytest.raises(StoreError) as caught:
        publish(folder, store)
    assert caught.value.what == (
        "pair@1 was not published: pair, length by SavedModel: off by 2; "
        "pair, length by server and client: off by 2"
    )
    assert not store.exists()
    tfrecord.write(goldens, [record("pair", "length", inputs, outputs)])
    entry = publish(folder, store, verify_goldens=False).entry  # a second process would cost seconds
    assert entry.requires["tensorflow"] == tf.__version__
    assert entry.signatures["serving_default"] == {
        "inputs": {alias: {"dtype": "float32", "shape": [None, 2]} for alias in "ab"},
        "outputs": {
            "count": {"dtype": "int32", "shape": [2]},
            "raw": {"dtype": "string", "shape": [None]},
            "sum": {"dtype": "float32", "shape": [None, 2]},
            "total": {"dtype": "float32", "shape": []},
        },
    }
    (pair,) = read_index(store)[0].find("pair").golden["pairs"]
    golden = golden_from_json(pair)
    unpack(store / entry.archive.path, entry, tmp_path / "unpacked")
    loaded = tf.saved_model.load(str(tmp_path / "unpacked")).signatures["length"]
    said = loaded(**{alias: tf.constant(array) for alias, array in golden.inputs.items()})
    assert difference(golden, {alias: tensor.numpy() for alias, tensor in said.items()}) == 0
