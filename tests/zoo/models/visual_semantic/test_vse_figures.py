"""What the figures of an embedding show: recall of every predictor, and the hits of every measure."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zoo.data.batches import Splits
from zoo.models.visual_semantic import figures
from zoo.models.visual_semantic.edits import EditQueries
from zoo.models.visual_semantic.evaluation import Embedded, word_vectors
from zoo.models.visual_semantic.figures import draw_edits, draw_figures, draw_recall
from zoo.models.visual_semantic.model import VisualSemantic, bow_encoder, image_encoder
from zoo.search.measures import MEASURES

VOCABULARY = ("a", "b", "c")


def unit(*angles):
    turned = np.deg2rad(angles)
    return np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)


def queries():
    """Picture 0 has "red"; picture 1 is the same in blue, picture 2 something blue."""
    return EditQueries(
        np.array([0]),
        ("red",),
        ("blue",),
        ("colour",),
        np.array([[False, True, True, False]]),
        np.array([[True, True, False, True]]),
    )


def test_bars_are_recalls_the_first_predictor_at_the_top_and_the_spread_where_it_is_known():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    rows = {
        "model": {"t2i R@1": 10.0, "t2i R@5": 30.0, "t2i R@10": 50.0},
        "published": {"t2i R@1": 12.0},
    }
    draw_recall(axes, "t2i", rows, {"model": {"t2i R@1": (9.0, 11.0)}})
    widths = sorted(bar.get_width() for bar in axes.patches if np.isfinite(bar.get_width()))
    assert widths == [10.0, 12.0, 30.0, 50.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["model", "published"]
    bottom, top = axes.get_ylim()
    assert bottom > top
    assert [list(line.get_xdata()) for line in axes.lines] == [[9.0, 11.0]]
    assert axes.get_title() == "sentence to picture"


def test_a_run_on_features_draws_recall_alone(tmp_path, split_of):
    model = VisualSemantic(image_encoder(3, 3), bow_encoder(3, 3, 3, 6), vocabulary=VOCABULARY)
    split = split_of([[["a"], ["b"]], [["b"], ["b"]], [["c"]]], VOCABULARY)
    splits = Splits(split, split, split, {}, "three")
    drawn = draw_figures(model, splits, split, tmp_path)
    assert drawn == [tmp_path / "recall.png"]
    with Image.open(drawn[0]) as opened:
        assert opened.size[0] == 990


def test_vectors_of_the_words_of_queries():
    asked = []

    def embed_text(token_ids):
        asked.append(token_ids.tolist())
        return unit(10, 20)

    embedded = Embedded(np.empty((0, 2)), np.empty((0, 2)), np.empty(0), embed_text)
    found = word_vectors(embedded, queries(), ("green", "red", "blue"), 3)
    assert asked == [[[4, 0, 0], [3, 0, 0]]]  # sorted: blue, red
    assert found["blue"] == pytest.approx(unit(10)[0])
    assert found["red"] == pytest.approx(unit(20)[0])


def test_a_sheet_has_a_row_per_measure_without_the_query_and_says_what_fulfils_the_wish(
    tmp_path, monkeypatch
):
    shown = []
    monkeypatch.setattr(figures, "contact_sheet", lambda rows, path: shown.append((rows, path)))
    paths = [tmp_path / f"{row}.jpg" for row in range(4)]
    # From the angle 0 towards 90: picture 1 lies that way, picture 2 far that way, picture 3 the other way.
    pictures = unit(0, 40, 80, -40)
    words = {"red": unit(0)[0], "blue": unit(90)[0]}
    draw_edits(queries(), [0], pictures, words, paths, tmp_path / "sheet.png")
    ((rows, path),) = shown
    assert path == tmp_path / "sheet.png"
    assert [row.title for row in rows] == list(MEASURES)
    for row in rows:
        assert (row.query, row.minus, row.plus) == (paths[0], ["red"], ["blue"])
        assert paths[0] not in [hit.picture for hit in row.found]
        named = {hit.picture.stem: hit.name for hit in row.found}
        assert named == {"1": "as asked", "2": "has it", "3": ""}
    direction = next(row for row in rows if row.title == "direction")
    # d points to 135 degrees; X - q to 110, 130 and -110 degrees.
    assert [hit.picture.stem for hit in direction.found] == ["2", "1", "3"]
    expected = np.cos(np.deg2rad([135 - 130, 135 - 110, 135 + 110]))
    assert [hit.score for hit in direction.found] == pytest.approx(expected, abs=1e-5)
