"""Texts from data and from people inside Markdown: shown as they are, never taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

# An underscore between letters is no markup.
_MARKUP = re.compile(r"([\\`*\[\]<>#|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")
_URL = re.compile(r"(https?://[^\s<>()\[\]|\\]*[\w/])")


def plain(value: object) -> str:
    """Escapes a text for a line of Markdown; web addresses become links."""
    parts = _URL.split(" ".join(str(value).split()))
    return "".join(
        f"<{part}>" if place % 2 else _MARKUP.sub(r"\\\1", part) for place, part in enumerate(parts)
    )


def code(value: object) -> str:
    """Returns a text as inline code, also within a table."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if "`" in text or not text else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", r"\|")


def block(text: str, language: str) -> str:
    """Returns lines as a fenced block."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Formats a Markdown table; the cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(*lines: str) -> str:
    """Formats a list; the lines are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def number(value: float) -> str:
    """Formats a metric with four digits after the point, whole numbers and counts as they are."""
    return str(value) if isinstance(value, int) else f"{value:.4f}"
