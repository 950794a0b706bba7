"""Where calls run: in threads, or, where that is cheaper, in the loop itself."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from serving.server.http2.call import Call
from serving.server.http2.inbox import Message

QUICK_SECONDS = 0.005  # the loop sees to nothing else for so long
_HOPEFUL = 6  # times longer in a thread beside others, it may still be quick alone
_KNOWN = 4096
_LARGE = 2**20  # bytes: the loop does not even parse these

Answer = Callable[[bytes, Call], bytes]


class Place(enum.Enum):
    """Where a call runs."""

    THREAD = enum.auto()
    LOOP = enum.auto()
    LOOP_ALONE = enum.auto()  # while no thread takes time from it: to find out how long it takes
    FIBER = enum.auto()  # in the loop, and gives way to others when it waits


@dataclass
class Task:
    """A call that waits or runs."""

    call: Call
    message: Message
    answer: Answer
    kind: tuple[str, bytes, int] = field(init=False)

    def __post_init__(self) -> None:
        raw = self.message.raw
        # A message for a model begins with which model it is (field 1), in as many bytes as its second byte says.
        head = raw[: 2 + raw[1]] if raw[:1] == b"\n" and len(raw) > 1 else b""
        self.kind = self.call.request.path, head, len(raw).bit_length()

    @property
    def large(self) -> bool:
        """Whether even reading the message takes its time."""
        return bool(self.message.encoding) or len(self.message.raw) > _LARGE


class Placing(ABC):
    """A rule for where calls run."""

    @abstractmethod
    def place(self, task: Task) -> Place:
        """Returns where a call should run."""

    def learn(self, task: Task, seconds: float, *, in_loop: bool) -> None:  # noqa: B027 - not every rule learns
        """Notes how long a call took, and where."""

    def put_off(self, task: Task) -> None:  # noqa: B027
        """Notes that a call could not run alone: its like are to be tried later."""


class InThreads(Placing):
    """Each in a thread: for models with threads of their own, which gain from calls side by side."""

    def place(self, task: Task) -> Place:
        """See `Placing.place`."""
        del task
        return Place.THREAD


class InFibers(Placing):
    """In the loop, giving way while they wait: for calls that another thread puts together to batches."""

    def place(self, task: Task) -> Place:
        """See `Placing.place`."""
        return Place.THREAD if task.large else Place.FIBER


@dataclass
class _Seen:
    """What is known of calls of one kind."""

    quick: bool = False
    fastest: float = float("inf")
    since: int = 0  # calls in threads since the last trial in the loop
    pause: int = 3  # of them before the next trial


class ByPace(Placing):
    """In the loop if they were quick before: for models that run in the thread of who calls them.

    A thread for such a call, with Python's lock to be handed there and back, costs more than the call. Calls of one
    kind are those of the same method and model, of sizes within a factor of two.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, bytes, int], _Seen] = {}

    def place(self, task: Task) -> Place:
        """See `Placing.place`."""
        if task.large:
            return Place.THREAD
        seen = self._seen.get(task.kind)
        if seen is None:
            return Place.THREAD
        if seen.quick:
            return Place.LOOP
        due = seen.since >= seen.pause and seen.fastest < _HOPEFUL * QUICK_SECONDS
        return Place.LOOP_ALONE if due else Place.THREAD

    def learn(self, task: Task, seconds: float, *, in_loop: bool) -> None:
        """See `Placing.learn`."""
        if len(self._seen) >= _KNOWN:
            self._seen.clear()  # callers can make up kinds without end
        seen = self._seen.setdefault(task.kind, _Seen())
        seen.fastest = min(seen.fastest, seconds)
        seen.since += 1
        if in_loop:
            seen.quick = seconds < (2 if seen.quick else 1) * QUICK_SECONDS
            seen.since = 0
            seen.pause = 3 if seen.quick else min(1000, 2 * seen.pause)

    def put_off(self, task: Task) -> None:
        """See `Placing.put_off`."""
        seen = self._seen.get(task.kind)
        if seen is not None:
            seen.since = 0
