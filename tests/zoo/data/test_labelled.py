"""Which reader opens what."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zoo.data.cifar import write_cifar
from zoo.data.labelled import LabelledImages, LabelledPart, open_labelled
from zoo.errors import DataError
from zoo.recipe import DataOptions

OPTIONS = DataOptions()


def make_cifar(folder, layout="cifar-100"):
    labels = np.arange(40, dtype=np.int32) % 2
    part = LabelledPart(np.zeros((40, 32, 32, 3), np.uint8), labels, tuple(map(str, labels)))
    return write_cifar(folder, LabelledImages("x", ("cat", "dog"), part, part), layout)


@pytest.mark.parametrize("layout", ["cifar-10", "cifar-100"])
def test_the_name_is_that_of_the_folder(layout, tmp_path):
    data = open_labelled(make_cifar(tmp_path / "tiny-imagenet", layout), OPTIONS, validation_fraction=0.2)
    assert data.name == "tiny-imagenet"
    assert [len(data[name]) for name in ("train", "validation", "test")] == [32, 8, 40]
    assert data["validation"].counts(2).tolist() == [4, 4]


def test_class_folders(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (4, 4)).save(tmp_path / "pets" / name / f"{number}.png")
    data = open_labelled(tmp_path / "pets", OPTIONS, validation_fraction=0.25, test_fraction=0.2, seed=1)
    assert data.name == "pets"
    assert [data[n].counts(2).tolist() for n in ("train", "validation", "test")] == [[6, 6], [2, 2], [2, 2]]


def test_a_folder_comes_before_a_name_of_keras(tmp_path, monkeypatch):
    make_cifar(tmp_path / "cifar10")
    monkeypatch.chdir(tmp_path)
    assert open_labelled("cifar10", OPTIONS).classes == ("cat", "dog")


FORMATS = (
    "a folder in the CIFAR binary layout", "train.bin, test.bin, fine_label_names.txt",
    "a folder of class folders with pictures", "(cifar10, cifar100, mnist, fashion_mnist)", "'shapes'",
)  # fmt: skip


def refusal(data):
    with pytest.raises(DataError) as error:
        open_labelled(data, OPTIONS)
    return error.value


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    error = refusal(tmp_path)
    assert error.what == f"{tmp_path} is no set of labelled pictures that is known here; it holds notes.txt."
    assert all(name in error.expected for name in FORMATS)


def test_an_archive(tmp_path):
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"\x1f\x8b")
    error = refusal(tmp_path / "cifar-10-binary.tar.gz")
    assert error.what.endswith("is no set of labelled pictures that is known here; it holds one file.")
    assert error.fix == "point to one of these; unpack archives first"


def test_a_name_that_is_nearly_right():
    error = refusal("fashion-mnist")
    assert error.what == "There is no folder and no data set 'fashion-mnist'. Did you mean 'fashion_mnist'?"
    assert all(name in error.expected for name in FORMATS)


def test_a_path_that_is_not_there(tmp_path):
    (tmp_path / "here").mkdir()
    error = refusal(tmp_path / "there")
    assert error.what == f"the data {tmp_path / 'there'} does not exist."
    assert error.fix == f"check the path; {tmp_path} holds here"
