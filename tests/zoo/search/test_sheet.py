"""Contact sheets: where everything stands, and pictures that are not there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zoo.errors import ConfigError
from zoo.search.sheet import Found, SheetRow, contact_sheet

SIDE, STEP, TOP, ROW = 160, 172, 12 + 26, 234


@pytest.fixture
def colours(tmp_path):
    paths = {}
    for name, size, kind in (
        ("red", (300, 300), "JPEG"),
        ("lime", (50, 100), "PNG"),
        ("blue", (8, 8), "GIF"),
    ):
        paths[name] = tmp_path / f"{name}.{kind.lower()}"
        Image.new("P" if kind == "GIF" else "RGB", size, None if kind == "GIF" else name).save(
            paths[name], kind
        )
    return paths


def cell(sheet, row, column):
    left, top = 12 + column * STEP, TOP + row * ROW
    return sheet[top : top + SIDE, left : left + SIDE].astype(int)


def test_a_row_is_query_minus_plus_and_hits(colours, tmp_path):
    found = [Found(colours["lime"], "lime.png", 0.5), Found(tmp_path / "gone.png", "gone.png", 0.25)]
    rows = [
        SheetRow("direction", colours["red"], found, ["dog"], ["cat", "sofa"]),
        SheetRow("kiros", colours["red"], found[::-1], ["dog"], ["cat", "sofa"]),
    ]
    target = tmp_path / "new" / "sheet.png"
    contact_sheet(rows, target)
    sheet = np.asarray(Image.open(target))
    assert sheet.shape == (12 + 2 * ROW, 12 + 5 * STEP, 3)
    for row in range(2):
        assert np.abs(cell(sheet, row, 0).mean(axis=(0, 1)) - [255, 0, 0]).max() < 4  # fills its cell
        for words in (1, 2):
            tile = cell(sheet, row, words)
            assert (tile[-1, -1] == 0xEE).all()
            assert (tile < 100).any()  # something is written on it
        ink = [(cell(sheet, row, column) < 100).all(axis=2).sum() for column in (1, 2)]
        assert ink[1] > ink[0]  # two words, not one
        lime, gone = (3, 4) if row == 0 else (4, 3)
        picture = cell(sheet, row, lime)
        assert (picture[:, 42:118] == [0, 255, 0]).all()  # its whole height, in the middle
        assert (picture[:, :40] == 255).all()
        missing = cell(sheet, row, gone)
        assert (missing[-1, -1] == 0xEE).all()
        assert (missing < 100).any()
        caption = sheet[TOP + row * ROW + SIDE : TOP + row * ROW + SIDE + 36, 12 + 3 * STEP :]
        assert (caption < 100).any()
    np.testing.assert_array_equal(cell(sheet, 0, 4), cell(sheet, 1, 3))
    assert not list(target.parent.glob(".*"))


def test_long_names_and_words_stay_in_their_cells(colours, tmp_path):
    found = [Found(colours["blue"], "a/very/long/path/of/a/picture/" * 3 + "x.gif", 1.0)]
    rows = [SheetRow("sentence", "supercalifragilisticexpialidocious " * 30, found)]
    contact_sheet(rows, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (12 + ROW, 12 + 2 * STEP, 3)
    for gap in (0, 1, 2):  # nothing is drawn between cells, and nothing right of the last
        assert (sheet[TOP:, gap * STEP + 1 : gap * STEP + 11] == 255).all()


def test_a_broken_picture_is_told_from_one_that_is_missing(colours, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "cut.jpeg").write_bytes(colours["red"].read_bytes()[:300])
    names = ["broken.png", "cut.jpeg", "absent.png"]
    found = [Found(tmp_path / name, name, 0.0) for name in names]
    contact_sheet([SheetRow("x", "sky", found)], tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    tiles = [cell(sheet, 0, column)[:28] for column in (1, 2, 3)]
    np.testing.assert_array_equal(tiles[0][:20], tiles[1][:20])
    assert (tiles[0] != tiles[2]).any()


def test_no_row_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="a contact sheet of no row\nFix: give at least one ranking"):
        contact_sheet([], tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())
