"""Figures: drawn without a display, written whole, refused with the extra's name where matplotlib is missing."""

from __future__ import annotations

import sys

import pytest

from zoo.drawing import new_figure, save_figure
from zoo.errors import MissingExtraError
from zoo.training.curves import curves


def test_a_figure_is_written_as_png(tmp_path):
    figure = new_figure((3, 2), "Drawing a line")
    figure.subplots().plot([0, 1], [1, 0])
    path = save_figure(figure, tmp_path / "line.png")
    assert path == tmp_path / "line.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]


def test_without_matplotlib_the_error_says_what_was_to_be_drawn(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match="Drawing a line"):
        new_figure((3, 2), "Drawing a line")


def test_losses_and_what_validation_alone_knows_have_a_panel_each():
    history = {"epoch": [1.0, 2.0], "loss": [3.0, 2.0], "val_loss": [3.5, 2.5], "val_accuracy": [0.1, 0.2]}
    losses, watched = curves(history).axes
    assert [line.get_label() for line in losses.get_lines()] == ["loss", "loss, validation"]
    assert [line.get_label() for line in watched.get_lines()] == ["accuracy"]
    assert list(watched.get_lines()[0].get_ydata()) == [0.1, 0.2]
    assert len(curves({"epoch": [1.0], "loss": [1.0]}).axes) == 1
