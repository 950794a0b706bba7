"""What the figures of classifiers show."""

from __future__ import annotations

import builtins

import keras
import numpy as np
import pytest
from PIL import Image

from zoo.data.batches import Split
from zoo.errors import ConfigError, MissingExtraError
from zoo.models.distillation import figures
from zoo.models.distillation.classifier import Classifier
from zoo.models.distillation.figures import (
    Curve,
    confusion,
    confusions,
    draw_confusion,
    draw_learning_curves,
)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, beside their files."""
    found, save = [], figures.save_figure
    monkeypatch.setattr(
        figures, "save_figure", lambda figure, path: found.append(figure) or save(figure, path)
    )
    return found


def test_shares_of_each_class():
    labels, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 2, 0, 1])
    shares = confusion(labels, predicted, 3)
    np.testing.assert_allclose(shares, [[0.75, 0, 0.25], [0.5, 0.5, 0], [0, 0, 0]])
    assert confusions(shares, ("a", "b", "c")) == [("b", "a", 0.5), ("a", "c", 0.25)]
    assert confusions(shares, ("a", "b", "c"), most=1) == [("b", "a", 0.5)]


def brightness_classifier(classes):
    """Says the class whose number is the pictures' grey value."""
    image = keras.Input((2, 2, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1.0)(image))
    dense = keras.layers.Dense(classes)
    network = keras.Model(image, dense(mean))
    number = np.arange(classes)
    # -(x - n)^2 + x^2 = 2 n x - n^2 is largest for the n nearest to x.
    dense.set_weights([np.stack([2 * number, 0 * number, 0 * number]), -(number**2)])
    return Classifier(network, classes=[f"${n}" for n in number])


def grey(values, labels):
    image = np.broadcast_to(np.array(values, np.uint8)[:, None, None, None], (len(values), 2, 2, 3))
    return Split({"image": image}, {"label": np.array(labels, np.int32)}, tuple(map(str, range(len(values)))))


def test_few_classes_are_named_at_the_axes(drawn, tmp_path):
    path = draw_confusion(brightness_classifier(3), grey([0, 1, 2, 2], [0, 1, 2, 1]), tmp_path / "c.png")
    axes = drawn[0].axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[1, 0, 0], [0, 0.5, 0.5], [0, 0, 1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["$0", "$1", "$2"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["$0", "$1", "$2"]
    with Image.open(path) as opened:
        assert opened.size == (770, 660)


def test_of_many_classes_the_largest_confusions_are_listed(drawn, tmp_path):
    draw_confusion(brightness_classifier(21), grey([20, 4, 3, 3], [20, 3, 3, 3]), tmp_path / "c.png")
    axes, beside = drawn[0].axes[:2]
    assert not len(axes.get_xticks()) and not len(axes.get_yticks())
    assert beside.texts[0].get_text().splitlines() == [
        "largest confusions, true → predicted:",
        "",
        " 33%  $3 → $4",
    ]


def curves():
    epochs = np.array([1, 2])
    return [
        Curve("baseline", np.array([1, 2, 3]), np.array([0.4, 0.6, 0.7]), np.array([1e9, 2e9, 3e9])),
        Curve("whole", epochs, np.array([0.3, 0.5]), np.array([2e9, 4e9])),
        Curve(
            "blockwise",
            epochs,
            np.array([[0.4, 0.6], [0.5, np.nan], [0.6, 0.7]]),
            np.array([3e9, 5e9]),
            {"joined": (1e9, 0.1), "recalibrated": (1.5e9, 0.25)},
        ),
        Curve("thinner_net", epochs, np.array([0.2, 0.3]), np.array([1e9, 2e9])),
    ]


def test_accuracy_over_epochs_and_over_compute(drawn, tmp_path):
    path = draw_learning_curves(curves(), tmp_path / "curves.png")
    left, right = drawn[0].axes
    legend = [text.get_text() for text in right.get_legend().get_texts()]
    assert legend == [
        "baseline: the teacher",
        "(1) whole",
        "(2) blockwise",
        "(2) blockwise: joined",
        "(2) blockwise: recalibrated",
        "thinner net",
    ]
    lines = {line.get_label(): line for line in right.lines}
    assert list(lines["baseline: the teacher"].get_ydata()) == [0.7, 0.7]
    np.testing.assert_allclose(lines["(2) blockwise"].get_xydata(), [[3e9, 0.5], [5e9, 0.65]])
    np.testing.assert_allclose(lines["(2) blockwise: joined"].get_xydata(), [[1e9, 0.1]])
    over_epochs = {line.get_label(): line for line in left.lines}
    np.testing.assert_allclose(over_epochs["(2) blockwise"].get_xydata(), [[1, 0.5], [2, 0.65]])
    assert any(list(line.get_ydata()) == [0.4, 0.6, 0.7] for line in left.lines)  # the teacher's own curve
    assert over_epochs["(1) whole"].get_color() == lines["(1) whole"].get_color() == "tab:blue"
    # Only the strategy with several seeds has a band, from the worst to the best.
    for axes in (left, right):
        (band,) = axes.collections
        heights = band.get_paths()[0].vertices[:, 1]
        assert (heights.min(), heights.max()) == (0.4, 0.7)
    assert path.stat().st_size > 0


def test_a_curve_whose_arrays_do_not_belong_together():
    with pytest.raises(ConfigError) as caught:
        Curve("whole", np.arange(3), np.zeros((2, 3)), np.arange(2))
    assert str(caught.value) == (
        "The curve 'whole' has 3 epochs, accuracy of shape (2, 3) and multiply-adds at 2.\n"
        "Expected: one of each for every epoch, at least one epoch\n"
        "Fix: cut them to the same epochs"
    )
    with pytest.raises(ConfigError, match="has 0 epochs"):
        Curve("whole", np.zeros(0), np.zeros(0), np.zeros(0))


def test_without_matplotlib(monkeypatch, tmp_path):
    real = builtins.__import__

    def refuse(name, *arguments, **named):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match="Drawing learning curves needs matplotlib"):
        draw_learning_curves(curves(), tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())
