"""A card as Markdown: the text alone, readable in a terminal."""

from __future__ import annotations

import re

from export.cards.content import Card

_ALONE = re.compile(r"\n\n!\[[^\]]*\]\(figure:[^)\s]*\)(?=\n\n|\n$)")
_INLINE = re.compile(r"!\[([^\]]*)\]\(figure:[^)\s]*\)")


def to_markdown(card: Card) -> str:
    """Returns the text; figures are left out, pictures in a table are described."""
    return _INLINE.sub(r"\1", _ALONE.sub("", card.markdown))
