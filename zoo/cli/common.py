"""What several commands do alike."""

from __future__ import annotations

from pathlib import Path


def say(text: str) -> None:
    """Prints a line to the terminal as it is."""
    from rich.console import Console

    Console(highlight=False).print(text, markup=False, soft_wrap=True)


def absolute(name: str) -> str:
    """A path is recorded so that the work can be continued from another folder; any other name stays a name."""
    return str(Path(name).resolve()) if name != "shapes" and Path(name).exists() else name
