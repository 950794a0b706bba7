"""The table of all codes, and what the figures show of it."""

from __future__ import annotations

import builtins
import csv

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from tests.zoo.models.captioning.digit_trio import CODE, ROWS, digit_splits, digit_trio, digit_writer
from zoo.data.batches import Split
from zoo.data.grid_digits import label_sets
from zoo.errors import DataError, MissingExtraError
from zoo.models.captioning import sheets
from zoo.models.captioning.code_report import (
    CodeRow,
    spelled,
)
from zoo.models.captioning.code_statistics import accuracies
from zoo.models.captioning.codes import measured_codes
from zoo.models.captioning.data import WORDS
from zoo.models.captioning.evaluation import labelled, write
from zoo.models.captioning.figures import draw_accuracies, draw_figures, draw_frequencies
from zoo.models.captioning.sheets import RIGHT, WRONG, draw_samples, draw_traversal
from zoo.models.captioning.writer import single_words


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    found = []
    save = sheets.save_figure

    def keep(figure, path):
        found.append(figure)
        return save(figure, path)

    for module in ("sheets", "figures"):
        monkeypatch.setattr(f"zoo.models.captioning.{module}.save_figure", keep)
    return found


def row_of(number, accuracy, code=(0.5, -1.0), words=("one", "two")):
    return CodeRow(number, code, accuracy, 1.7, 0.3, 0.01, tuple((word, 0.5) for word in words))


# Four pictures of three words.
SETS = label_sets(np.array([[0, 1], [0, 2], [1, 1], [2, 2]]))[:, :3]


def test_frequencies_of_the_best_the_median_and_the_worst_code(drawn, tmp_path):
    said = np.array([[0, 0, 1, 1], [1, 1, 1, 1], [2, 2, 2, -1]])
    rows = [row_of(2, 0.25), row_of(0, 0.5), row_of(1, 0.975)]
    random = np.array([0, 1, 2, 2])
    path = draw_frequencies(rows, said, random, SETS, ("a", "b", "c"), tmp_path / "f.png")
    panels = drawn[0].axes
    heights = [[bar.get_height() for bar in axes.patches] for axes in panels]
    assert heights == [[0, 1, 0], [0.5, 0.5, 0], [0, 0, 1], [0.25, 0.25, 0.5]]
    assert [axes.get_title() for axes in panels] == [
        "best: 97.5% right, H 1.70, p 0.01\n#1 (+0.5, -1.0)",
        "median: 50.0% right, H 1.70, p 0.01\n#0 (+0.5, -1.0)",
        "worst: 25.0% right, H 1.70, p 0.01\n#2 (+0.5, -1.0)",
        # Right are 0 in {0, 1} and 2 in {2}.
        "a code drawn for each picture:\n50.0% right, H 1.04",
    ]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["a", "b", "c"]
    assert list(panels[0].lines[0].get_ydata()) == [0.25, 0.25, 0.25, 0.5]
    assert path.stat().st_size > 0


def test_all_codes_with_the_misses_named(drawn, tmp_path):
    rows = [row_of(4, 0.9), row_of(0, 0.96), row_of(3, 0.98), row_of(1, 1.0)]
    draw_accuracies(rows, np.array([0.99, 0.97, 1.0, 0.98]), tmp_path / "a.png")
    axes, beside = drawn[0].axes
    assert axes.collections[0].get_offsets()[:, 1].tolist() == [0.9, 0.96, 0.98, 1.0]
    colours = axes.collections[0].get_facecolors().tolist()
    assert colours == [list(to_rgba(c)) for c in ("tab:red", "tab:orange", "tab:green", "tab:green")]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["#4", "#0", "#3", "#1"]
    assert [list(line.get_ydata()) for line in axes.lines] == [
        [0.97, 0.98, 0.99, 1.0],
        [0.98] * 2,
        [0.95] * 2,
    ]
    assert beside.texts[0].get_text().splitlines() == [
        "98% holds for 2 of 4 codes",
        "",
        "90.0%  #4 (+0.5, -1.0)",
        "96.0%  #0 (+0.5, -1.0)",
    ]
    draw_accuracies([row_of(i, 0.5) for i in range(20)], np.ones(20), tmp_path / "a.png")
    lines = drawn[1].axes[1].texts[0].get_text().splitlines()
    assert len(lines) == 19 and lines[-1] == "and 4 more, see codes.csv"


def test_samples_are_the_words_with_the_right_ones_told_apart(drawn, tmp_path):
    split = digit_splits(pictures=True).validation
    codes = measured_codes(CODE, 1).fixed[:5, 0]
    path = draw_samples(digit_writer(), split, codes, tmp_path / "new" / "samples.png", pictures=8)
    (axes,) = drawn[0].axes
    assert [image.get_array().shape for image in axes.images] == [(8, 8)] * 8
    assert np.array_equal(axes.images[3].get_array(), split.inputs["image"][3, ..., 0])
    shown = {text.get_position(): text for text in axes.texts}
    features = digit_trio().image_encoder.predict(split.inputs["image"][:8], verbose=0)
    seen = set()
    for column, code in enumerate(codes):
        assert shown[column + 1.5, -0.1].get_text() == spelled(code).replace(", ", ",\n")
        words = single_words(digit_writer().write(features, code)["tokens"])
        for row, word in enumerate(words):
            text = shown[column + 1.5, row + 0.5]
            good = word >= 0 and split.targets["labels"][row, word] > 0
            assert text.get_text() == (WORDS[word] if word >= 0 else "–")
            assert text.get_color() == (RIGHT if good else WRONG)
            assert text.get_fontweight() == ("normal" if good else "bold")
            seen.add((good, word >= 0))
    assert {good for good, _ in seen} == {True, False}
    with Image.open(path) as opened:
        assert opened.size == (990, 682)


def test_a_traversal_goes_along_each_number_of_the_code(drawn, tmp_path):
    split = digit_splits(pictures=True).test
    draw_traversal(digit_writer(), split, tmp_path / "traversal.png")
    panels = drawn[0].axes
    assert [axes.get_title() for axes in panels] == [f"c{i}, the others 0" for i in (1, 2, 3)]
    features = digit_trio().image_encoder.predict(split.inputs["image"][:10], verbose=0)
    for dimension, axes in enumerate(panels):
        assert len(axes.images) == 10
        titles = [text.get_text() for text in axes.texts if text.get_position()[1] < 0]
        assert titles == ["-2.0", "-1.3", "-0.7", "+0.0", "+0.7", "+1.3", "+2.0"]
        code = np.zeros(CODE)
        code[dimension] = 2.0
        words = single_words(digit_writer().write(features, code)["tokens"])
        last = [text.get_text() for text in axes.texts if text.get_position()[0] == 7.5][:10]
        assert last == [WORDS[word] if word >= 0 else "–" for word in words]


def accuracies_of(split, codes):
    pictures = labelled(digit_trio(), split)
    return accuracies(write(digit_writer(), pictures.features, codes)["said"], pictures.sets)


def test_a_run_draws_all_of_them_and_without_pictures_no_traversal(tmp_path):
    splits = digit_splits(pictures=True)
    found = draw_figures(digit_trio(), splits, splits.test, tmp_path / "a")
    assert [path.name for path in found] == [
        "frequencies.png",
        "accuracies.png",
        "traversal.png",
        "codes.csv",
    ]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(path.name for path in found)
    rows = list(csv.DictReader(found[-1].read_text().splitlines()))
    assert len(rows) == 32
    worst = accuracies_of(splits.test, measured_codes(CODE, 1).fixed).min()
    assert rows[0]["accuracy"] == f"{worst:.6g}"

    on_features = digit_splits(pictures=False)
    found = draw_figures(digit_trio(), on_features, on_features.test, tmp_path / "b")
    assert [path.name for path in found] == ["frequencies.png", "accuracies.png", "codes.csv"]


def test_no_samples_without_pictures(tmp_path):
    split = digit_splits(pictures=False).validation
    with pytest.raises(DataError) as caught:
        draw_samples(digit_writer(), split, np.zeros((1, CODE)), tmp_path / "samples.png")
    assert str(caught.value) == (
        "The split has features.\n"
        "Expected: the input `image`\n"
        "Fix: draw from the split with the pictures, not from their features"
    )


def test_without_matplotlib(monkeypatch, tmp_path):
    real = builtins.__import__

    def refuse(name, *arguments, **named):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    split = Split({"image": np.zeros((ROWS, 8, 8, 1), np.uint8)}, {}, tuple("a" * ROWS))
    with pytest.raises(
        MissingExtraError, match=r"^Drawing samples needs matplotlib, which is not installed\."
    ):
        draw_samples(digit_writer(), split, np.zeros((1, CODE)), tmp_path / "samples.png")
    with pytest.raises(MissingExtraError, match=r"^Drawing accuracies needs matplotlib"):
        draw_accuracies([row_of(0, 1.0)], np.ones(1), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
