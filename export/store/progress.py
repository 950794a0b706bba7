"""A progress bar with rate and time left, where a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]  # bytes so far, bytes in all


@contextmanager
def bar(what: str) -> Iterator[Progress | None]:
    """Gives a function that draws a bar on standard error; None where that is no terminal.

    Args:
        what: Shown before the bar.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(what, total=None)

        def show(done: int, total: int) -> None:
            drawn.update(task, completed=done, total=total)

        yield show
