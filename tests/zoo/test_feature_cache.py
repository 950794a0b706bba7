"""The feature cache: values, what is computed again, damage, two processes at once."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from zoo.backbones import build_backbone
from zoo.cache import cache_folder
from zoo.data.feature_cache import extract_features
from zoo.errors import DataError
from zoo.preprocessing.reading import load_images

SIZE = 32


class Counting:
    """A backbone that counts the pictures it is shown; everything else is the real one's."""

    def __init__(self, model):
        self.model, self.shown = model, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def predict_on_batch(self, batch):
        self.shown += len(batch)
        return self.model.predict_on_batch(batch)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return build_backbone("tiny_cnn", image_size=SIZE)


@pytest.fixture
def backbone(model):
    return Counting(model)


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(6):
        image = Image.fromarray(rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8))
        image.save(tmp_path / f"{number}.png")
        made.append(tmp_path / f"{number}.png")
    return made


def extract(paths, backbone, tmp_path, **options):
    options = {"key": {"backbone": "tiny_cnn"}, "image_size": SIZE, "batch_size": 1, **options}
    return extract_features(paths, backbone, cache_dir=tmp_path / "cache", **options)


def test_values_are_those_of_the_backbone(paths, backbone, model, tmp_path):
    expected = model.predict(load_images(paths, SIZE).array, verbose=0)
    features = extract(paths, backbone, tmp_path, batch_size=4)
    assert features.array.dtype == np.float32
    assert np.allclose(features.array, expected, atol=1e-6)
    assert features.kept.tolist() == list(range(6))
    assert features.bad == ()


def test_only_new_pictures_are_computed_in_any_order(paths, backbone, tmp_path):
    first = extract(paths[:4], backbone, tmp_path)
    assert backbone.shown == 4
    second = extract(paths[::-1], backbone, tmp_path)
    assert backbone.shown == 6
    assert np.array_equal(second.array[::-1][:4], first.array)
    third = extract(paths, backbone, tmp_path)
    assert backbone.shown == 6
    assert np.array_equal(third.array, second.array[::-1])


def test_content_counts_not_the_name(paths, backbone, tmp_path):
    copy = tmp_path / "copy.png"
    copy.write_bytes(paths[0].read_bytes())
    features = extract([paths[0], copy, paths[1], paths[0]], backbone, tmp_path)
    assert backbone.shown == 2
    assert np.array_equal(features.array[[0, 0, 2, 0]], features.array)
    Image.new("RGB", (9, 9), "#123456").save(paths[0])
    changed = extract([paths[0]], backbone, tmp_path)
    assert backbone.shown == 3
    assert not np.allclose(changed.array[0], features.array[0])


def test_everything_that_changes_features_is_in_the_key(paths, backbone, tmp_path, monkeypatch):
    extract(paths[:1], backbone, tmp_path)
    extract(paths[:1], backbone, tmp_path, key={"backbone": "other"})
    assert backbone.shown == 2
    other_weights = Counting(build_backbone("tiny_cnn", image_size=SIZE))
    extract(paths[:1], other_weights, tmp_path)
    assert other_weights.shown == 1
    other_scaling = Counting(build_backbone("tiny_cnn", image_size=SIZE, scaling="unit"))
    other_scaling.set_weights(backbone.get_weights())
    extract(paths[:1], other_scaling, tmp_path)
    assert other_scaling.shown == 1
    monkeypatch.setitem(
        __import__("zoo.preprocessing.image", fromlist=["x"]).INPUT_CONTRACT, "preprocessing_version", 99
    )
    extract(paths[:1], backbone, tmp_path)
    assert backbone.shown == 3
    keys = [json.loads(path.read_text()) for path in (tmp_path / "cache").rglob("key.json")]
    assert len(keys) == 5
    assert {key["image_size"] for key in keys} == {SIZE}


def test_bad_pictures(paths, backbone, tmp_path, caplog):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff nothing")
    mixed = [paths[0], tmp_path / "bad.jpg", tmp_path / "away.png", paths[1]]
    with pytest.raises(DataError, match=r"away\.png cannot be read: No such file"):
        extract(mixed, backbone, tmp_path)
    with pytest.raises(DataError, match=r"bad\.jpg cannot be read: Invalid JPEG data"):
        extract([paths[0], tmp_path / "bad.jpg", paths[1]], backbone, tmp_path)
    with caplog.at_level(logging.WARNING):
        features = extract(mixed, backbone, tmp_path, skip_bad=True)
    assert features.bad == (tmp_path / "bad.jpg", tmp_path / "away.png")
    assert features.kept.tolist() == [0, 3]
    assert features.array.shape == (2, 96)
    assert "2 of 4 pictures cannot be read" in caplog.text
    assert np.array_equal(features.array, extract([paths[0], paths[1]], backbone, tmp_path).array)


def test_what_was_computed_before_an_error_is_kept(paths, backbone, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    with pytest.raises(DataError):
        extract([*paths[:3], tmp_path / "bad.jpg"], backbone, tmp_path)
    assert backbone.shown == 3
    extract(paths[:3], backbone, tmp_path)
    assert backbone.shown == 3


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-5], lambda raw: raw[:40] + b"\0\1\2\3" + raw[44:], lambda raw: b""]
)
def test_damaged_shard_is_computed_anew_with_a_warning(paths, backbone, tmp_path, caplog, damage):
    before = extract(paths, backbone, tmp_path)
    (shard,) = (tmp_path / "cache").rglob("*.shard")
    shard.write_bytes(damage(shard.read_bytes()))
    with caplog.at_level(logging.WARNING):
        after = extract(paths, backbone, tmp_path)
    assert f"{shard} is damaged" in caplog.text
    assert backbone.shown == 12
    assert np.array_equal(after.array, before.array)
    extract(paths, backbone, tmp_path)
    assert backbone.shown == 12


def test_two_runs_at_once(paths, model, tmp_path):
    """A second run starts in the middle of a first one's work, computes everything, and ends before it."""

    class Interrupted(Counting):
        inner = None

        def predict_on_batch(self, batch):
            if self.inner is None:
                self.inner = Counting(model)
                extract(paths, self.inner, tmp_path)
            return super().predict_on_batch(batch)

    outer = Interrupted(model)
    first = extract(paths, outer, tmp_path, batch_size=4)
    assert (outer.shown, outer.inner.shown) == (8, 6)  # two batches of 4, six of 1
    last = Counting(model)
    assert np.allclose(extract(paths, last, tmp_path).array, first.array, atol=1e-6)
    assert last.shown == 0
    assert not list((tmp_path / "cache").rglob(".*"))


def test_sizes_and_maps_are_checked(paths, backbone, tmp_path):
    with pytest.raises(DataError, match=r"\(32, 32\).*image_size is 64"):
        extract(paths, backbone, tmp_path, image_size=64)
    with pytest.raises(DataError, match="pool='avg'"):
        extract(paths, build_backbone("tiny_cnn", image_size=SIZE, pool=None), tmp_path)


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MIZOO_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("MIZOO_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "mizoo"
