"""Work that is done a little behind its caller, so that hashing, reading and writing overlap."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

PIECE = 2**20  # bytes that are read and handed on at once
_DEPTH = 8  # calls that may wait; as many pieces are in memory at most


class Behind:
    """A thread that makes calls in their order; a caller that is too far ahead of it waits.

    What a call raises comes out of a later `submit`, or at the end of the `with` block.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._waiting: deque[Future[object]] = deque()

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        while self._waiting and error is None:
            self._waiting.popleft().result()

    def submit(self, call: Callable[..., object], *args: object) -> None:
        """Has `call(*args)` made after all calls that were submitted before."""
        if len(self._waiting) == _DEPTH:
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(call, *args))
