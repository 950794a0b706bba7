"""How long work on an index tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Told of the stage, e.g. "embedding", how much of it is done, and of how much."""


def silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""
