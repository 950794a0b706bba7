"""What a search has found, as tables, as JSON, and as a contact sheet."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.search.folder import IndexFolder
    from zoo.search.index import Hit

_PLAIN = {"cosine": "score", "distance": "off"}
_EDITED = {"score": "score", "along": "along", "off": "off", "keep": "keep"}


def print_hits(rankings: Mapping[str, Sequence[Hit]], *, edited: bool) -> None:
    """Prints a table per ranking.

    Args:
        rankings: Title -> hits.
        edited: Whether words were removed or added, so that "along", "off" and "keep" differ.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    columns = _EDITED if edited else _PLAIN
    for title, hits in rankings.items():
        console.print(f"\n{title}", style="bold", markup=False, soft_wrap=True)
        table = Table("", "picture", *columns, box=None, header_style="bold")
        for place, hit in enumerate(hits, 1):
            numbers = [f"{getattr(hit, key):.3f}" for key in columns.values()]
            table.add_row(str(place), Text(hit.id, overflow="fold"), *numbers)
        console.print(table)
    if edited:
        console.print(
            "\nalong: how far the picture lies from the query in the direction asked for; "
            "off: in all others; keep: cosine with the query",
            style="dim",
        )


def print_json(rankings: Mapping[str, Sequence[Hit]], index: IndexFolder) -> None:
    """Prints a line of JSON per ranking."""
    for title, hits in rankings.items():
        rows = [{"id": hit.id, "path": str(index.path(hit.id)), **hit._asdict()} for hit in hits]
        sys.stdout.write(json.dumps({"ranking": title, "hits": rows}) + "\n")


def draw_hits(
    rankings: Mapping[str, Sequence[Hit]],
    index: IndexFolder,
    query: Path | str,
    minus: Sequence[str],
    plus: Sequence[str],
    target: Path,
) -> None:
    """Draws a contact sheet, a row per ranking."""
    from zoo.search.sheet import Found, SheetRow, contact_sheet

    rows = [
        SheetRow(title, query, [Found(index.path(hit.id), hit.id, hit.score) for hit in hits], minus, plus)
        for title, hits in rankings.items()
    ]
    contact_sheet(rows, target)
