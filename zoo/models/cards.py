"""The CARD.md of a model family: its order, and its sections."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from zoo.spec import ModelSpec

# The order of every card: those of families, of runs, and of exported versions.
SECTIONS = (
    "What it is",
    "Input and output",
    "Measured",
    "Examples",
    "Made with",
    "Limits",
    "Licence",
)
# What a family has to say; examples and settings belong to a trained model.
FAMILY_SECTIONS = ("What it is", "Input and output", "Measured", "Limits", "Licence")


def read_sections(text: str) -> dict[str, str]:
    """Returns heading -> text of the second-level sections of a Markdown file, in its order."""
    parts = re.split(r"(?m)^## +(.+?) *$", text)
    return {title: body.strip() for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def family_card(spec: ModelSpec) -> Path | None:
    """Returns the CARD.md beside a model's recipe, or None where its authors wrote none."""
    found = importlib.util.find_spec(spec.recipe.partition(":")[0])
    path = Path(found.origin).with_name("CARD.md") if found and found.origin else None
    return path if path and path.is_file() else None


def limits_of(spec: ModelSpec) -> str:
    """Returns the limits that the family's card states, in Markdown; empty where it states none."""
    path = family_card(spec)
    return read_sections(path.read_text(encoding="utf-8")).get("Limits", "") if path else ""
