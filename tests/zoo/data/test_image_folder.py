"""Folders of class folders."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zoo.data.image_folder import find_classes, read_image_folder
from zoo.errors import DataError


def fill(folder, **pictures):
    for name, count in pictures.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            suffix = (".jpg", ".PNG")[number % 2]
            Image.fromarray(np.full((5, 6, 3), number, np.uint8)).save(folder / name / f"{number}{suffix}")
    return folder


def test_classes_are_the_sorted_names_of_the_folders(tmp_path):
    fill(tmp_path, zebra=2, ape=3)
    (tmp_path / "ape" / "notes.txt").write_text("no picture")
    (tmp_path / ".git").mkdir()
    (tmp_path / "README.md").write_text("no class")
    data = read_image_folder(tmp_path, "zoo")
    assert find_classes(tmp_path) == data.classes == ("ape", "zebra")
    assert data.train.ids == ("ape/0.jpg", "ape/1.PNG", "ape/2.jpg", "zebra/0.jpg", "zebra/1.PNG")
    assert data.train.images[1] == tmp_path / "ape" / "1.PNG"
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1] and data.train.labels.dtype == np.int32
    assert data.test is None and data.validation is None


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_parts_are_kept(validation, tmp_path):
    fill(tmp_path / "train", ape=2, bee=2)
    fill(tmp_path / validation, ape=1, bee=1)
    fill(tmp_path / "test", bee=3)
    data = read_image_folder(tmp_path, "zoo")
    assert data["validation"].ids == (f"{validation}/ape/0.jpg", f"{validation}/bee/0.jpg")
    assert data["test"].labels.tolist() == [1, 1, 1]
    assert data.train.ids[0] == "train/ape/0.jpg"


def test_other_folders_have_no_classes(tmp_path):
    assert find_classes(tmp_path) == ()
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "a.txt").write_text("")
    (tmp_path / "a.jpg").write_bytes(b"")
    assert find_classes(tmp_path) == ()


def test_a_class_without_pictures(tmp_path):
    fill(tmp_path, ape=2, bee=0, cat=1)
    with pytest.raises(DataError, match=r"^zoo: no training picture belongs to bee"):
        read_image_folder(tmp_path, "zoo")


def test_parts_with_other_classes(tmp_path):
    fill(tmp_path / "train", ape=2, bee=2)
    fill(tmp_path / "test", ape=2, wasp=2)
    with pytest.raises(
        DataError, match=r"test has classes without training pictures: wasp\.\nExpected: .*ape, bee"
    ):
        read_image_folder(tmp_path, "zoo")


def test_two_validation_folders(tmp_path):
    fill(tmp_path / "train", ape=1, bee=1)
    for name in ("val", "validation"):
        fill(tmp_path / name, ape=1)
    with pytest.raises(DataError, match=r"has validation, val\.\nExpected: one validation folder"):
        read_image_folder(tmp_path, "zoo")
