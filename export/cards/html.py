"""A card as one HTML page that loads nothing: pictures and style are in it, and there are no scripts."""

from __future__ import annotations

import base64
from collections.abc import MutableMapping, Sequence
from functools import partial
from html import escape
from typing import Any

from export.cards.content import Card
from export.cards.style import STYLE

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""


def to_html(card: Card) -> str:
    """Returns the page.

    Tags in the texts of the card are shown and not obeyed, and no picture but the card's own is drawn.

    Raises:
        MissingExtraError: matplotlib or Pillow is not installed.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    sources = {name: _data_uri(draw()) for name, draw in card.figures.items()}
    parser.renderer.rules |= {  # type: ignore[attr-defined]
        "image": partial(_image, sources),
        "table_open": lambda *_: '<div class="table" tabindex="0"><table>\n',
        "table_close": lambda *_: "</table></div>\n",
    }
    return _PAGE.format(
        title=escape(f"{card.name}: model card"), style=STYLE, body=parser.render(card.markdown)
    )


def _data_uri(png: bytes | None) -> str | None:
    return "data:image/png;base64," + base64.b64encode(png).decode() if png else None


def _image(
    sources: dict[str, str | None],
    tokens: Sequence[Any],
    place: int,
    options: MutableMapping[str, Any],
    environment: MutableMapping[str, Any],
) -> str:
    del options, environment
    token = tokens[place]
    said = escape(token.content.replace("\\", ""))
    source = sources.get(str(token.attrs.get("src", "")).removeprefix("figure:"))
    if source is None:
        return said
    return f'<img src="{source}" alt="{said}" title="{said}">'
