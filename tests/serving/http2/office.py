"""Turns without connections."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from serving.server.errors import StatusError
from serving.server.http2.call import Call
from serving.server.http2.headers import Request
from serving.server.http2.inbox import Message
from serving.server.http2.pace import ByPace, Placing, Task
from serving.server.http2.turns import Turns

SMALL = Message(b"x")


class Office:
    """Turns, with a note of how each call ended and where it ran; to be used in a loop."""

    def __init__(
        self, threads: int = 1, most: int = 0, limit: int = 0, placing: Placing | None = None
    ) -> None:
        loop = asyncio.get_running_loop()
        self.turns = Turns(loop, threads, most=most, limit=limit, placing=placing or ByPace())
        self.ended: dict[int, bytes | StatusError | None] = {}
        self.in_loop: dict[int, bool] = {}
        self._count, self._here = 0, threading.current_thread()

    def reply(self, stream: int, message: bytes) -> None:
        self.finish(stream, message)

    def finish(self, stream: int, found: bytes | StatusError | None) -> None:
        assert stream not in self.ended and threading.current_thread() is self._here
        self.ended[stream] = found

    def take(
        self,
        answer: Callable[[], object] = lambda: None,
        path: str = "/a",
        timeout: float | None = None,
        message: Message = SMALL,
    ) -> Call:
        self._count += 1
        call = Call(Request(path, timeout, "", ()), self._count, "unix:", self)  # type: ignore[arg-type]

        def answered(raw: bytes, call: Call) -> bytes:
            self.in_loop[call.stream] = threading.current_thread() is self._here
            answer()
            return raw

        self.turns.take(Task(call, message, answered))
        return call

    async def all_ended(self) -> None:
        await self.until(lambda: len(self.ended) == self._count)

    @staticmethod
    async def until(true: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not true():
            assert time.monotonic() < end, "never so"
            await asyncio.sleep(0.001)

    async def quick(self) -> None:
        """Takes calls until they run in the loop."""
        for _ in range(1000):
            if (await self.places(1))[0]:
                return
        raise AssertionError("no call ran in the loop")

    async def places(self, count: int, answer: Callable[[], object] = lambda: None, **options) -> list[bool]:
        """Takes calls one after another; returns which ran in the loop."""
        found = []
        for _ in range(count):
            call = self.take(answer, **options)
            await self.all_ended()
            found.append(self.in_loop[call.stream])
        return found
