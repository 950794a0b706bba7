"""How a call waits for another thread: a thread sleeps, and in a server's loop the call gives way to other calls.

A server that batches holds as many calls as a batch has rows, each of which waits for the thread that runs the batch.
A thread for each would spend more time on handing Python's lock around than the model takes. Who waits for a signal
holds no lock: another call of the same loop could wait for that one for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

from greenlet import GreenletExit, greenlet

Result = TypeVar("Result")
Abandoned = GreenletExit  # what a fiber that still waits meets when its loop is gone


class Fiber(greenlet):
    """A call in the loop that can wait: a stack of its own, in the thread of the loop.

    Args:
        run: What it does.
        loop: Where it runs; `switch` starts it, and returns when it waits or has ended.
        pool: For what would block the loop.
    """

    def __init__(
        self, run: Callable[[], object], loop: asyncio.AbstractEventLoop, pool: futures.Executor
    ) -> None:
        super().__init__(run)
        self.loop, self.pool = loop, pool


def current() -> Fiber | None:
    """Returns the fiber that this is called in; None in a thread of its own."""
    found = greenlet.getcurrent()
    return found if isinstance(found, Fiber) else None


def in_loop(loop: asyncio.AbstractEventLoop, doing: Callable[..., object], *arguments: Any) -> None:
    """Has something done in a loop, from any thread; in one that has ended, nothing is left to do."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(doing, *arguments)


class Signal:
    """Something that happens once; made by who waits for it, and set by another thread."""

    __slots__ = ("_event", "_fiber", "_set", "_waits")

    def __init__(self) -> None:
        self._fiber = current()
        self._event = threading.Event() if self._fiber is None else None
        self._set = self._waits = False

    @property
    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._set

    def set(self) -> None:
        """Says that it has happened."""
        self._set = True
        if self._event is not None:
            self._event.set()
        elif self._fiber is not None:
            in_loop(self._fiber.loop, self._resume, self._fiber)

    def wait(self) -> None:
        """Returns when it has happened; called where the signal was made."""
        if self._event is not None:
            self._event.wait()
            return
        while not self._set:
            assert self._fiber is not None and self._fiber.parent is not None
            self._waits = True
            self._fiber.parent.switch()

    def _resume(self, fiber: Fiber) -> None:
        if self._waits:
            self._waits = False
            fiber.switch()


def blocking(run: Callable[[], Result]) -> Result:
    """Calls what takes its time: in this thread, or in one of the pool while a fiber waits."""
    fiber = current()
    if fiber is None:
        return run()
    done = Signal()
    future = fiber.pool.submit(run)
    future.add_done_callback(lambda _: done.set())
    done.wait()
    return future.result()
