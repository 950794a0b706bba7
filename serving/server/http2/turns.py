"""Whose turn it is: calls begin in the order of their coming, and one too many is refused."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from concurrent import futures

from serving.server.errors import StatusError, unforeseen
from serving.server.http2.pace import InThreads, Place, Placing, Task
from serving.server.waiting import Abandoned, Fiber, in_loop

ALONE_SECONDS = 0.03


class Turns:
    """Gives calls their turns in the order of their coming.

    One that stays in the loop may overtake one that was handed to a thread and has not begun there, never one of its
    own kind.

    Args:
        loop: Where all methods are called.
        threads: Calls that run at once, but for those that stay in the loop from beginning to end.
        most: Calls that may wait; 0: no bound.
        limit: Most bytes of a message, inflated; 0: no limit.
        placing: Where they run; None: in threads.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        threads: int,
        *,
        most: int,
        limit: int,
        placing: Placing | None = None,
    ) -> None:
        self._loop, self._threads, self._most, self._limit = loop, threads, most, limit
        self._placing = placing or InThreads()
        self._waiting: deque[Task] = deque()
        self._pool = futures.ThreadPoolExecutor(threads, thread_name_prefix="grpc")
        self._running = 0
        self._turn_given = False
        self._alone_by: float | None = None  # until then calls wait for one that is to run alone

    @property
    def waiting(self) -> int:
        """Calls that are there and wait to run."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Calls that run, or wait to."""
        return self._running + len(self._waiting)

    def full(self) -> str:
        """Returns why one more call is one too many; empty where it is not."""
        if self._most and len(self._waiting) >= self._most:
            self._drop_late()
        if not self._most or len(self._waiting) < self._most:
            return ""
        return f"The request queue is full: {self._most} requests wait to run already"

    def take(self, task: Task) -> None:
        """Runs a call as soon as it is its turn: at once, unless another one ran here since the loop saw to sockets."""
        self._waiting.append(task)
        if not self._turn_given:
            self._turn()

    def close(self) -> None:
        """Ends the threads; what runs in them is not waited for, and what waits never runs."""
        self._waiting.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _turn(self) -> None:
        """Starts what can be started; of the calls that run here, one, and the next after a look at the sockets."""
        self._turn_given = False
        while self._waiting:
            task = self._waiting[0]
            place = self._placing.place(task)
            if task.call.expired():
                self._drop_late()
            elif place is Place.LOOP_ALONE and self._running:
                if not self._waits_to_be_alone(task):
                    continue
                return
            elif place in (Place.LOOP, Place.LOOP_ALONE):
                self._again()
                self._waiting.popleft()
                self._alone_by = None
                self._finish(task, self._timed(task, in_loop=True))
                return
            elif self._running >= self._threads:
                return
            else:
                self._waiting.popleft()
                self._running += 1
                if place is Place.FIBER:
                    self._again()
                    self._in_fiber(task)
                    return
                self._pool.submit(self._aside, task)

    def _again(self) -> None:
        if not self._turn_given:
            self._turn_given = True
            self._loop.call_soon(self._turn)

    def _waits_to_be_alone(self, task: Task) -> bool:
        """Whether the calls that run may end soon; if they did not, the call is one for a thread after all."""
        now = self._loop.time()
        if self._alone_by is None:
            self._alone_by = now + ALONE_SECONDS
            self._loop.call_later(ALONE_SECONDS, self._again)
        if now < self._alone_by:
            return True
        self._alone_by = None
        self._placing.put_off(task)
        return False

    def _drop_late(self) -> None:
        """Ends the calls for which nobody waits any more."""
        late = [task for task in self._waiting if task.call.expired()]
        self._waiting = deque(task for task in self._waiting if not task.call.expired())
        for task in late:
            task.call.finish(StatusError("DEADLINE_EXCEEDED", "the deadline passed before the call ran"))

    def _in_fiber(self, task: Task) -> None:
        Fiber(lambda: self._back(task, answered(task, self._limit)), self._loop, self._pool).switch()

    def _aside(self, task: Task) -> None:
        found = self._timed(task, in_loop=False)
        in_loop(self._loop, self._back, task, found)

    def _back(self, task: Task, found: bytes | StatusError) -> None:
        self._running -= 1
        if self._waiting:
            self._again()
        self._finish(task, found)

    def _timed(self, task: Task, *, in_loop: bool) -> bytes | StatusError:
        begun = time.perf_counter()
        found = answered(task, self._limit)
        self._placing.learn(task, time.perf_counter() - begun, in_loop=in_loop)
        return found

    @staticmethod
    def _finish(task: Task, found: bytes | StatusError) -> None:
        if isinstance(found, StatusError):
            task.call.finish(found)
        else:
            task.call.reply(found)


def answered(task: Task, limit: int) -> bytes | StatusError:
    """Returns the reply to a call, or its refusal."""
    try:
        return task.answer(task.message.opened(limit), task.call)
    except StatusError as error:
        return error
    except Abandoned:
        raise
    except BaseException:  # even SystemExit: a call without an outcome would hold its place for ever
        return unforeseen()
