"""Asking again: what failed for a moment may work a moment later."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from export.store.source import SourceError

TRIES = 4
FIRST_PAUSE_SECONDS = 0.25

T = TypeVar("T")


def pause(failures: int) -> None:
    """Sleeps after that many failures in a row: twice as long each time, by chance up to a half less."""
    time.sleep(FIRST_PAUSE_SECONDS * 2 ** (failures - 1) * random.uniform(0.5, 1))


def patiently(ask: Callable[[], T]) -> T:
    """Returns what `ask` returns, which is called again after transient failures.

    Raises:
        SourceError: The last failure of TRIES, or the first that is not transient.
    """
    for failures in range(1, TRIES):
        try:
            return ask()
        except SourceError as error:
            if not error.transient:
                raise
        pause(failures)
    return ask()
