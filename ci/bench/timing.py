"""Times that are compared side by side, and their table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table


def turns(calls: Mapping[str, Callable[[], Any]], repetitions: int, rest: float = 0.0) -> dict[str, float]:
    """Median seconds of each call, after three to warm up; before each the machine rests for so many seconds."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    rng = np.random.default_rng(0)
    for round_ in range(repetitions + 3):
        for name in rng.permutation(list(calls)):
            time.sleep(rest)
            start = time.perf_counter()
            calls[name]()
            if round_ >= 3:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Prints rows as a table."""
    table = Table(*rows[0], title=title, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=160).print(table)
