"""The table of all codes, by hand and as a file."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tests.zoo.models.captioning.digit_trio import CODE, ROWS, digit_splits, digit_trio, digit_writer
from zoo.data.grid_digits import label_sets
from zoo.models.captioning.code_report import (
    CodeRow,
    code_report,
    code_rows,
    leading_pairs,
    spelled,
    write_codes,
)
from zoo.models.captioning.code_statistics import accuracies
from zoo.models.captioning.codes import measured_codes
from zoo.models.captioning.evaluation import labelled, write

# Two codes and four pictures of three words; the second code is wrong once and silent once.
SETS = label_sets(np.array([[0, 1], [0, 2], [1, 1], [2, 2]]))[:, :3]
SAID = np.array([[0, 0, 1, 2], [1, 2, 2, -1]])
CODES = np.array([[0.0, 2.0], [3.0, 4.0]], np.float32)


def test_rows_by_hand_the_worst_first():
    worst, best = code_rows(SAID, CODES, SETS, ("a", "b", "c"))
    assert (worst.number, worst.code, worst.length) == (1, (3.0, 4.0), 5.0)
    assert (worst.accuracy, best.accuracy) == (0.5, 1.0)
    assert worst.most_said == (("c", pytest.approx(2 / 3)), ("b", pytest.approx(1 / 3)), ("a", 0.0))
    assert best.most_said == (("a", 0.5), ("b", 0.25), ("c", 0.25))
    assert best.entropy == pytest.approx(1.5 * np.log(2))
    # Half of what they say together is a: 2 of 4, of which the first says all.
    assert best.skew == worst.skew == pytest.approx(0.25)
    assert 0.05 < best.p_value <= 1
    assert best.name == "#0 (+0.0, +2.0)"


def test_a_code_in_a_few_letters():
    assert spelled((0.5, -1.26, -0.04)) == "(+0.5, -1.3, +0.0)"


def test_leading_pairs_in_either_order():
    said = [
        (("three", 0.5), ("eight", 0.3), ("one", 0.1)),
        (("eight", 0.5), ("three", 0.3), ("two", 0.1)),
        (("one", 0.5), ("seven", 0.3), ("two", 0.1)),
        (("one", 1.0), ("two", 0.0), ("six", 0.0)),
    ]
    rows = [CodeRow(number, (0.0,), 1.0, 0.0, 0.0, 1.0, most) for number, most in enumerate(said)]
    assert leading_pairs(rows) == {("eight", "three"): 0.5, ("one", "seven"): 0.25, ("one",): 0.25}


def test_the_table_as_a_file(tmp_path):
    path = write_codes(code_rows(SAID, CODES, SETS, ("a", 'b"', "c,")), tmp_path / "codes.csv")
    with path.open(newline="") as file:
        first, _ = csv.DictReader(file)
    assert " ".join(first) == (
        "number c1 c2 length accuracy entropy skew p_value word_1 share_1 word_2 share_2 word_3 share_3"
    )
    assert [first[key] for key in ("number", "c1", "length", "accuracy")] == ["1", "3", "5", "0.5"]
    assert [first[key] for key in ("word_1", "share_1", "word_2", "word_3")] == ["c,", "0.666667", 'b"', "a"]


def test_the_report_is_of_the_codes_that_are_measured():
    split, codes = digit_splits(pictures=False).test, measured_codes(CODE, ROWS)
    pictures = labelled(digit_trio(), split)
    for far, chosen in ((False, codes.fixed), (True, codes.far)):
        rows = code_report(digit_trio(), split, far=far)
        accuracy = [row.accuracy for row in rows]
        assert accuracy == sorted(accuracy) and {row.number for row in rows} == set(range(32))
        said = write(digit_writer(), pictures.features, chosen)["said"]
        by_number = sorted(rows, key=lambda row: row.number)
        assert [row.accuracy for row in by_number] == accuracies(said, pictures.sets).tolist()
        assert rows[0].code == pytest.approx(chosen[rows[0].number, 0])
