"""From a folder of pictures and captions to pairs; and what is refused on the way."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pytest

from zoo.backbones import build_backbone
from zoo.data.batches import ImageFiles
from zoo.data.shapes import write_shapes
from zoo.errors import ConfigError, DataError
from zoo.models.visual_semantic.config import VisualSemanticConfig
from zoo.models.visual_semantic.data import pictures_of, read_splits, sentences_of
from zoo.preprocessing.text import tokenize
from zoo.recipe import DataOptions


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_shapes(tmp_path_factory.mktemp("data") / "shapes", images=20)


@pytest.fixture(scope="module")
def captions(drawn):
    """Picture -> its captions, read independently."""
    found: dict[str, list[str]] = {}
    for line in (drawn / "Flickr8k.token.txt").read_text().splitlines():
        name, text = line.split("\t")
        found.setdefault(name.split("#")[0], []).append(text)
    return found


def read(folder, **settings):
    settings = {"image_size": 32, "min_count": 1} | settings
    return read_splits(folder, VisualSemanticConfig(**settings), DataOptions(cache=folder.parent / "cache"))


def names(folder, part):
    return (folder / f"Flickr_8k.{part}Images.txt").read_text().split()


def test_a_row_is_one_caption_of_a_picture(drawn, captions):
    splits = read(drawn)
    assert [len(splits[name]) for name in ("train", "validation", "test")] == [80, 10, 10]
    train, pictures = splits.train, names(drawn, "train")
    assert list(train.ids) == [f"{name}#{k}" for name in pictures for k in range(5)]
    assert train.targets["picture"].dtype == np.int32
    assert train.targets["picture"].tolist() == [[row // 5] for row in range(80)]
    files = train.inputs["image"]
    assert isinstance(files, ImageFiles)
    assert [path.name for path in files.paths] == [name for name in pictures for _ in range(5)]
    words = np.array(["", "?", *splits.facts["vocabulary"]])
    for token_ids, name in zip(train.inputs["token_ids"], train.ids, strict=True):
        picture, _, number = name.rpartition("#")
        said = [word for word in words[token_ids] if word]
        assert said == tokenize(captions[picture][int(number)])


def test_the_vocabulary_is_of_training_captions_alone(drawn, captions):
    counts = Counter(
        word for name in names(drawn, "train") for text in captions[name] for word in set(tokenize(text))
    )
    for least in (1, 4):
        expected = sorted((-count, word) for word, count in counts.items() if count >= least)
        assert read(drawn, min_count=least).facts["vocabulary"] == tuple(word for _, word in expected)


def test_a_word_of_the_test_captions_stays_unknown(drawn, tmp_path):
    folder = shutil.copytree(drawn, tmp_path / "shapes")
    name = names(folder, "test")[0]
    token = folder / "Flickr8k.token.txt"
    lines = [
        f"{line.split(chr(9))[0]}\tzebra zebra circle" if line.startswith(f"{name}#") else line
        for line in token.read_text().splitlines()
    ]
    token.write_text("\n".join(lines) + "\n")
    splits = read(folder)
    assert "zebra" not in splits.facts["vocabulary"]
    circle = 2 + splits.facts["vocabulary"].index("circle")
    assert splits.test.inputs["token_ids"][:5, :4].tolist() == [[1, 1, circle, 0]] * 5


def test_captions_are_cut_after_max_words(drawn):
    long, short = (read(drawn, max_words=words).train.inputs["token_ids"] for words in (20, 2))
    assert short.shape == (80, 2)
    assert short.dtype == np.int32
    assert np.array_equal(short, long[:, :2])


def test_pictures_and_sentences_of_a_split(drawn):
    test = read(drawn).test
    pictures, sentences = pictures_of(test), sentences_of(test)
    assert list(pictures.ids) == names(drawn, "test")
    assert [path.name for path in pictures.inputs["image"].paths] == names(drawn, "test")
    assert list(pictures.inputs) == ["image"]
    assert len(sentences) == 10
    assert np.array_equal(sentences.inputs["token_ids"], test.inputs["token_ids"])


def test_features_of_a_frozen_backbone(drawn, tmp_path):
    backbone = build_backbone("tiny_cnn", image_size=32)
    backbone.get_layer("tiny_cnn").save_weights(tmp_path / "tiny.weights.h5")
    splits = read(drawn, weights=str(tmp_path / "tiny.weights.h5"))
    assert splits.facts["feature_size"] == 96
    assert len(splits.facts["backbone_sha256"]) == 64
    features = splits.test.inputs["features"]
    assert features.shape == (10, 96)
    expected = backbone.predict(pictures_of(read(drawn).test).arrays()["image"], verbose=0)
    assert pictures_of(splits.test).inputs["features"] == pytest.approx(expected, abs=1e-5)
    assert np.array_equal(features, np.repeat(features[::5], 5, axis=0))


def test_word_vectors_are_a_fact_in_the_order_of_the_vocabulary(drawn, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("circle 1 2\nzebra 9 9\na 3 4\n")
    facts = read(drawn, word_vectors=str(path), word_dimensions=2).facts
    expected = {"circle": [1, 2], "a": [3, 4]}
    assert facts["vectors"].tolist() == [expected.get(word, [0, 0]) for word in facts["vocabulary"]]


def test_word_vectors_of_another_length_are_refused(drawn, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("circle 1 2\na 3 4\n")
    with pytest.raises(ConfigError) as error:
        read(drawn, word_vectors=str(path), word_dimensions=3)
    assert str(error.value) == (
        f"The vectors in {path} have 2 dimensions; word_dimensions is 3.\nFix: --set word_dimensions=2"
    )


def test_a_split_without_pictures_is_refused(drawn, tmp_path):
    folder = shutil.copytree(drawn, tmp_path / "shapes")
    for part in ("train", "dev", "test"):
        (folder / f"Flickr_8k.{part}Images.txt").unlink()
    with pytest.raises(DataError, match=r"shapes has no 'validation' images\."):
        read(folder, validation_fraction=0.0)


def test_no_word_is_frequent_enough(drawn):
    with pytest.raises(DataError, match=r"is used by 1000 training captions(?s:.*)--set min_count="):
        read(drawn, min_count=1000)


def test_an_unreadable_picture_is_named_or_left_out_with_its_captions(drawn, captions, tmp_path):
    folder = shutil.copytree(drawn, tmp_path / "shapes")
    bad, after = names(folder, "train")[3:5]
    (folder / "Images" / bad).write_bytes(b"no picture")
    with pytest.raises(DataError, match=bad):
        read(folder)
    config = VisualSemanticConfig(image_size=32, min_count=1)
    splits = read_splits(folder, config, DataOptions(skip_bad_images=True))
    train = splits.train
    assert len(train) == 75
    assert not any(name.startswith(bad) for name in train.ids)
    # Pictures are numbered without a gap, and the rows after it keep their captions.
    assert train.targets["picture"].tolist() == [[row // 5] for row in range(75)]
    assert train.ids[15] == f"{after}#0"
    assert train.inputs["image"].paths[15].name == after
    words = ["", "?", *splits.facts["vocabulary"]]
    said = [words[number] for number in train.inputs["token_ids"][15] if number]
    assert said == tokenize(captions[after][0])


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        *[
            pytest.param({name: 0}, rf"{name} is 0\.\nExpected: more than 0", id=name)
            for name in (
                "dimensions",
                "word_dimensions",
                "min_count",
                "max_words",
                "margin",
                "clip_norm",
                "decay_epoch",
                "batch_size",
                "epochs",
                "learning_rate",
                "patience",
                "image_size",
            )
        ],
        pytest.param(
            {"warmup_epochs": -1}, r"warmup_epochs is -1\.\nExpected: 0 or more", id="warmup_epochs"
        ),
    ],
)
def test_settings_that_cannot_be_trained_with(settings, shown):
    with pytest.raises(ConfigError, match=shown):
        VisualSemanticConfig(**settings)
