"""Rows that belong together, and the parts that are cut where a data set lacks them."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from zoo.data.labelled_images import LabelledImages, LabelledPart
from zoo.errors import DataError, ZooError


def part(sizes, first=0):
    """Pictures whose every pixel is the number of the row."""
    labels = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    rows = np.arange(first, first + len(labels), dtype=np.uint8)
    images = np.tile(rows[:, None, None, None], (1, 2, 2, 3))
    return LabelledPart(images, labels, tuple(f"row {row}" for row in rows))


def test_missing_parts_are_cut_from_the_training_pictures():
    whole = LabelledImages("toy", ("a", "b"), part([60, 40]))
    data = whole.with_all_parts(validation_fraction=0.1, test_fraction=0.2, seed=0)
    counts = {name: data[name].counts(2).tolist() for name in ("train", "validation", "test")}
    # A tenth of the 80 that the test part leaves: shares 4.8 and 3.2.
    assert counts == {"train": [43, 29], "validation": [5, 3], "test": [12, 8]}
    seen = [id for name in counts for id in data[name].ids]
    assert len(set(seen)) == 100
    for name in counts:
        own = data[name]
        assert [f"row {row}" for row in own.images[:, 0, 0, 0]] == list(own.ids)
        assert [int(row >= 60) for row in own.images[:, 0, 0, 0]] == own.labels.tolist()
    again = whole.with_all_parts(validation_fraction=0.1, test_fraction=0.2, seed=0)
    other = whole.with_all_parts(validation_fraction=0.1, test_fraction=0.2, seed=1)
    assert again.train.ids == data.train.ids != other.train.ids


def test_official_parts_are_kept():
    whole = LabelledImages("toy", ("a", "b"), part([10, 10]), part([2, 2], 50))
    data = whole.with_all_parts(validation_fraction=0.2, test_fraction=0.5, seed=0)
    assert data.test is whole.test
    assert len(data["validation"]) == 4
    complete = data.with_all_parts(validation_fraction=0.5, test_fraction=0.5, seed=3)
    assert (complete.train, complete.validation, complete.test) == (data.train, data.validation, data.test)
    with pytest.raises(DataError, match=r"^toy has no validation part"):
        whole["validation"]


def test_files_are_taken_like_arrays():
    files = LabelledPart((Path("a"), Path("b"), Path("c")), np.array([0, 1, 1], np.int32), ("a", "b", "c"))
    some = files.take(np.array([2, 0]))
    assert (some.images, some.labels.tolist(), some.ids) == ((Path("c"), Path("a")), [1, 0], ("c", "a"))


def test_rows_that_do_not_belong_together():
    with pytest.raises(DataError, match=r"^3 pictures have 2 labels and 3 ids"):
        LabelledPart(np.zeros((3, 2, 2, 3), np.uint8), np.zeros(2, np.int32), ("a", "b", "c"))


@pytest.mark.parametrize("bad", [2, -1], ids=["above", "below"])
def test_labels_out_of_range(bad):
    train = part([2, 2])
    test = LabelledPart(train.images, np.array([0, bad, 1, bad], np.int32), train.ids)
    text = rf"^toy: row 1 has the label {bad}; 2 labels are out of range\.\nExpected: 0\.\.1, for there are 2"
    with pytest.raises(DataError, match=text):
        LabelledImages("toy", ("a", "b"), train, test)


def test_one_class_is_none():
    with pytest.raises(DataError, match=r"^toy has 1 classes: a\.\nExpected: two or more classes"):
        LabelledImages("toy", ("a",), part([3]))


def test_uneven_classes_are_reported(caplog):
    with caplog.at_level(logging.WARNING):
        LabelledImages("toy", ("a", "b"), part([9, 1]))
        assert not caplog.records
        LabelledImages("toy", ("a", "b"), part([3, 30]))
    assert [r.getMessage() for r in caplog.records] == ["toy: uneven classes: b has 30 pictures, a 3"]


def test_fractions_that_leave_nothing():
    whole = LabelledImages("toy", ("a", "b"), part([10, 10]), part([2, 2]))
    with pytest.raises(DataError, match=r"^toy: validation_fraction 0\.01 of 20 pictures are none"):
        whole.with_all_parts(validation_fraction=0.01, test_fraction=0.2, seed=0)
    with pytest.raises(ZooError, match=r"^validation_fraction is 1\.5"):
        whole.with_all_parts(validation_fraction=1.5, test_fraction=0.2, seed=0)
    with pytest.raises(DataError, match=r"^toy: no training picture belongs to b"):
        LabelledImages("toy", ("a", "b"), part([30, 1])).with_all_parts(
            validation_fraction=0.1, test_fraction=0.9, seed=0
        )
