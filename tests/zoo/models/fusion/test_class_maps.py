"""Figures of class maps and of singular values; bilinear enlargement and heat against other ways to get them."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.errors import ConfigError, DataError
from zoo.fitting.class_vectors import cumulative_contribution
from zoo.models.fusion import class_maps
from zoo.models.fusion.class_maps import HEAT, ClassMaps, draw_class_maps, enlarge, overlay
from zoo.models.fusion.spectrum import draw_spectrum

PNG = b"\x89PNG"


def grey(height, width, value=100):
    return np.full((height, width, 3), value, np.uint8)


def test_enlarging_by_hand():
    assert enlarge(np.array([[0.0, 4.0]]), 1, 4) == pytest.approx(np.array([[0, 1, 3, 4]]))
    assert enlarge(np.array([[0.0], [6.0]]), 3, 1) == pytest.approx(np.array([[0], [3], [6]]))


@pytest.mark.parametrize("shape", [(7, 7), (1, 1), (4, 9)])
def test_enlarging_is_that_of_tensorflow(shape):
    import tensorflow as tf

    values = np.random.default_rng(0).normal(size=shape).astype("float32")
    expected = tf.image.resize(values[..., None], [37, 50], method="bilinear").numpy()[..., 0]
    assert enlarge(values, 37, 50) == pytest.approx(expected, abs=1e-5)


def test_the_least_is_dark_and_the_greatest_bright():
    image = grey(1, 3)
    opaque = overlay(image, np.array([[-5.0, -1.0, 3.0]]), opacity=1.0)
    assert opaque[0].tolist() == [HEAT[0].tolist(), HEAT[4].tolist(), HEAT[8].tolist()]
    blended = overlay(image, np.array([[-5.0, -1.0, 3.0]]), opacity=0.25)
    assert blended[0, 2].tolist() == [138, 139, 116]  # 0.75 * 100 + 0.25 * (252, 255, 164)
    assert (blended.dtype, blended.shape) == (np.uint8, (1, 3, 3))
    np.testing.assert_array_equal(overlay(image, np.array([[1.0, 2.0]]), opacity=0.0), image)


def test_colours_between_two_entries_are_interpolated():
    places = np.array([[0.0, 1 / 16, 1.0]])
    assert overlay(grey(1, 3), places, opacity=1.0)[0, 1] == pytest.approx((HEAT[0] + HEAT[1]) / 2, abs=0.51)


def test_a_constant_map_is_dark():
    np.testing.assert_array_equal(overlay(grey(4, 4), np.full((2, 2), 7.0), 1.0), np.tile(HEAT[0], (4, 4, 1)))


@pytest.mark.parametrize(
    ("image", "values", "what"),
    [
        (np.zeros((4, 4, 3)), np.ones((2, 2)), "The picture is float64 (4, 4, 3)."),
        (grey(4, 4)[..., :1], np.ones((2, 2)), "The picture is uint8 (4, 4, 1)."),
        (grey(4, 4), np.ones((2, 2, 3)), "The map has shape (2, 2, 3)."),
        (grey(4, 4), np.array([[np.nan]]), "The map has shape (1, 1) and is not finite."),
    ],
    ids=["float", "grey", "all classes", "nan"],
)
def test_no_overlay(image, values, what):
    with pytest.raises(DataError) as caught:
        overlay(image, values)
    assert caught.value.what == what


def test_a_row_says_the_range_of_every_map(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(class_maps, "save_figure", lambda figure, path: drawn.append(figure) or path)
    cam = np.stack([np.array([[-1.0, 3.0]]), np.array([[5.0, -5.0]])], axis=-1)
    row = ClassMaps(grey(8, 8), cam, cam / 10, 0, "shoe $hop")
    draw_class_maps([row, row], tmp_path / "maps.png")
    titles = [axes.get_title() for axes in drawn[0].axes]
    assert titles[:5] == [
        "shoe $hop",
        "CAM: -1 .. 3",
        "SVD-CAM: -0.1 .. 0.3",
        "mean |CAM|: 3 .. 4",
        "mean |SVD-CAM|: 0.3 .. 0.4",
    ]
    assert len(titles) == 10
    np.testing.assert_array_equal(
        drawn[0].axes[1].get_images()[0].get_array(), overlay(row.image, cam[..., 0])
    )


def test_the_figure_is_written(tmp_path):
    cam = np.random.default_rng(0).normal(size=(3, 3, 4))
    path = draw_class_maps([ClassMaps(grey(8, 8), cam, cam, 3, "d")], tmp_path / "new" / "maps.png")
    assert path.read_bytes().startswith(PNG)


@pytest.mark.parametrize(
    ("svd_cam", "column", "what"),
    [
        (np.zeros((2, 2, 3)), 0, "CAM is (2, 2, 4), SVD-CAM (2, 2, 3), the class number 0."),
        (np.zeros((2, 2, 4)), 4, "CAM is (2, 2, 4), SVD-CAM (2, 2, 4), the class number 4."),
    ],
    ids=["left factor", "class"],
)
def test_maps_that_do_not_belong_together(svd_cam, column, what):
    with pytest.raises(ConfigError) as caught:
        ClassMaps(grey(4, 4), np.zeros((2, 2, 4)), svd_cam, column, "a")
    assert caught.value.what == what


def test_no_row(tmp_path):
    with pytest.raises(ConfigError, match=r"^A figure of no picture\."):
        draw_class_maps([], tmp_path / "maps.png")


def test_the_spectrum_marks_half_the_dimensions(tmp_path, monkeypatch):
    from zoo.models.fusion import spectrum

    drawn = []
    monkeypatch.setattr(spectrum, "save_figure", lambda figure, path: drawn.append(figure) or path)
    heads = {
        "a": cumulative_contribution([4.0, 3.0, 2.0, 1.0]),
        "b": cumulative_contribution([1.0, 1.0, 1.0]),
    }
    draw_spectrum(heads, tmp_path / "spectrum.png")
    sums, squares = drawn[0].axes
    labels = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in (sums, squares)]
    assert labels[0] == ["a: 70.0 % in 2 of 4", "b: 33.3 % in 1 of 3", "80% line"]
    assert labels[1][0] == "a: 83.3 % in 2 of 4"
    curve, point = sums.get_lines()[:2]
    assert curve.get_xdata().tolist() == [0, 25, 50, 75, 100]
    assert curve.get_ydata() == pytest.approx([0, 40, 70, 90, 100])
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (50, pytest.approx(70))


def test_the_spectrum_is_written(tmp_path):
    path = draw_spectrum({"a": cumulative_contribution([2.0, 1.0])}, tmp_path / "spectrum.png")
    assert path.read_bytes().startswith(PNG)
