"""Contact sheets like the report's Figs. 5 and 6: query, minus, plus, and what was found; a row per measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, MissingExtraError
from zoo.files import write_atomically

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_SIDE, _GAP, _CAPTION, _TITLE = 160, 12, 48, 26
_PAPER, _TILE, _INK, _FAINT = "white", "#eeeeee", "black", "#666666"
_FONT, _LARGE = 13, 20


@dataclass(frozen=True)
class Found:
    """A result: its picture, what stands below it, and its score."""

    picture: Path
    name: str
    score: float


@dataclass(frozen=True)
class SheetRow:
    """One ranking.

    Attributes:
        title: Stands above it, e.g. the measure.
        query: A picture file, or a sentence.
        minus: Words that were removed.
        plus: Words that were added.
        found: The results, best first.
    """

    title: str
    query: Path | str
    found: Sequence[Found]
    minus: Sequence[str] = ()
    plus: Sequence[str] = ()


def contact_sheet(rows: Sequence[SheetRow], path: Path) -> None:
    """Draws rankings below each other into a PNG.

    A picture file that is missing or cannot be read is a grey field that says so; its caption still names it.

    Args:
        rows: At least one.
        path: To write.

    Raises:
        ConfigError: There is no row.
        MissingExtraError: pillow is not installed.
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise MissingExtraError("pillow", "zoo", "Drawing contact sheets") from error

    if not rows:
        raise ConfigError("a contact sheet of no row", fix="give at least one ranking")
    fonts = ImageFont.load_default(_FONT), ImageFont.load_default(_LARGE)
    cells = [_cells(row) for row in rows]
    step, height = _SIDE + _GAP, _TITLE + _SIDE + _CAPTION
    width = _GAP + step * max(map(len, cells))
    sheet = Image.new("RGB", (width, _GAP + height * len(rows)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for line, (row, own) in enumerate(zip(rows, cells, strict=True)):
        top = _GAP + line * height
        draw.text((_GAP, top), row.title, _INK, fonts[0])
        for column, (content, caption, note) in enumerate(own):
            corner = (_GAP + column * step, top + _TITLE)
            _draw_content(sheet, draw, corner, content, fonts)
            below = corner[1] + _SIDE + 3
            draw.text((corner[0], below), _shortened(caption, fonts[0]), _INK, fonts[0])
            draw.text((corner[0], below + _FONT + 3), note, _FAINT, fonts[0])
    write_atomically(path, lambda file: sheet.save(file, "PNG"))


def _cells(row: SheetRow) -> list[tuple[Path | str, str, str]]:
    """Content, caption and note of each cell of a row."""
    name = row.query.name if isinstance(row.query, Path) else ""
    cells: list[tuple[Path | str, str, str]] = [(row.query, name, "query")]
    for words, sign, note in ((row.minus, "-", "removed"), (row.plus, "+", "added")):
        if words:
            cells.append(("\n".join(f"{sign} {word}" for word in words), "", note))
    return cells + [(found.picture, found.name, f"{found.score:.3f}") for found in row.found]


def _draw_content(
    sheet: Image, draw: ImageDraw, corner: tuple[int, int], content: Path | str, fonts: tuple[Any, Any]
) -> None:
    picture = _thumbnail(content) if isinstance(content, Path) else None
    if picture is not None:
        left, top = ((_SIDE - side) // 2 for side in picture.size)
        sheet.paste(picture, (corner[0] + left, corner[1] + top))
        return
    draw.rectangle((*corner, corner[0] + _SIDE - 1, corner[1] + _SIDE - 1), fill=_TILE)
    text, font = (content, fonts[1]) if isinstance(content, str) else (_problem(content), fonts[0])
    lines = [part for line in text.split("\n") for part in _wrapped(line, font)]
    spacing = int(font.size) + 4
    for line, part in enumerate(lines[: (_SIDE - 8) // spacing]):
        draw.text((corner[0] + 8, corner[1] + 8 + line * spacing), part, _INK, font)


def _thumbnail(path: Path) -> Image | None:
    """The picture as large as a square takes it, turned as a viewer shows it; None where it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            opened.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    # What Pillow raises on files that are none depends on how they are broken.
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return ImageOps.contain(picture, (_SIDE, _SIDE))


def _problem(path: Path) -> str:
    return "cannot be read:\n" + path.name if path.exists() else "is missing:\n" + path.name


def _wrapped(text: str, font: Any) -> list[str]:
    """Lines that are as wide as a cell, broken at blanks, and within words that are wider."""
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}".strip()
        if font.getlength(joined) <= _SIDE - 16:
            lines[-1] = joined
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > _SIDE - 16:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def _shortened(text: str, font: Any) -> str:
    """The end of a text that is wider than a cell: that is where file names differ."""
    if font.getlength(text) <= _SIDE:
        return text
    while font.getlength("..." + text) > _SIDE:
        text = text[1:]
    return "..." + text
