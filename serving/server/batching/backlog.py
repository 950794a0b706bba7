"""The batches of one queue that wait for a thread: how tasks form them, and when they are due."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

import numpy as np

from serving.server.batching import assembly
from serving.server.batching.parameters import BatchingParameters
from serving.server.errors import StatusError, invalid
from serving.server.waiting import Signal

NOW = float("-inf")


class Task:
    """What one caller waits for: the inputs of its request, or of a part of it, and the outcome.

    Args:
        inputs: Arrays with `rows` rows each.
        rows: Length of dimension 0.
        expired: Tells whether the caller has stopped waiting.
    """

    __slots__ = ("_answered", "_error", "_outputs", "expired", "inputs", "rows")

    def __init__(self, inputs: assembly.Arrays, rows: int, expired: Callable[[], bool]) -> None:
        self.inputs, self.rows, self.expired = inputs, rows, expired
        self._answered = Signal()
        self._outputs: dict[str, np.ndarray] = {}
        self._error: StatusError | None = None

    @property
    def answered(self) -> bool:
        """Whether the outcome is there."""
        return self._answered.is_set

    def succeed(self, outputs: dict[str, np.ndarray]) -> None:
        """Hands the caller its outputs."""
        self._outputs = outputs
        self._answered.set()

    def fail(self, error: StatusError) -> None:
        """Hands the caller an error; each caller gets an exception object of its own."""
        self._error = StatusError(error.code, error.message)
        self._answered.set()

    def wait(self) -> None:
        """Blocks until the outcome is there."""
        self._answered.wait()

    def result(self) -> dict[str, np.ndarray]:
        """Blocks until the outcome is there and returns the outputs.

        Raises:
            StatusError: The task failed.
        """
        self._answered.wait()
        if self._error is not None:
            raise self._error
        return self._outputs


@dataclass(slots=True)
class _Batch:
    key: Hashable
    due: float
    tasks: list[Task] = field(default_factory=list)
    rows: int = 0


class Backlog:
    """Forms batches as TF Serving's SharedBatchScheduler does. It neither locks nor reads a clock.

    A task joins the open batch if it fits, else closes it and opens the next one. A batch is due when it is
    full or closed, or when its oldest task has waited for the batch timeout.
    """

    def __init__(self, parameters: BatchingParameters) -> None:
        self._parameters = parameters
        self._size = parameters.execution_size
        self._timeout = parameters.batch_timeout_micros / 1e6
        # Without splitting, SharedBatchScheduler takes a bound of 0 for 1.
        self._bound = max(1, parameters.max_enqueued_batches)
        self._waiting: deque[_Batch] = deque()
        self._open: dict[Hashable, _Batch] = {}

    @property
    def tasks(self) -> int:
        """Tasks that wait."""
        return sum(len(batch.tasks) for batch in self._waiting)

    def add(self, task: Task, now: float) -> list[Task]:
        """Queues a task, split if need be, and returns it or its parts in the order of its rows.

        Args:
            task: With at least one row.
            now: The time, in seconds.

        Raises:
            StatusError: INVALID_ARGUMENT, the task is too large; UNAVAILABLE, the queue is full.
        """
        limit = self._parameters.max_batch_size
        if task.rows > limit:
            raise invalid(f"Task size {task.rows} is larger than maximum input batch size {limit}")
        key = assembly.row_shapes(task.inputs) if self._parameters.group_shapes else None
        room = self._room(key)
        parts = self._parts(task, room)
        started = len(parts) - (parts[0].rows <= room)
        if len(self._waiting) + started > self._bound:
            raise self._full(task.rows, room)
        for part in parts:
            self._place(part, key, now)
        return parts

    def take(self, now: float) -> list[Task] | None:
        """Removes the first batch that is due and returns its tasks, or None."""
        for index, batch in enumerate(self._waiting):
            if batch.due <= now:
                del self._waiting[index]
                if self._open.get(batch.key) is batch:
                    del self._open[batch.key]
                return batch.tasks
        return None

    def due(self) -> float | None:
        """Returns when the next batch is due, in seconds, `NOW` if one is full; None if nothing waits."""
        return min((batch.due for batch in self._waiting), default=None)

    def flush(self) -> None:
        """Makes every batch due, whatever its timeout."""
        for batch in self._waiting:
            batch.due = NOW
        self._open.clear()

    def _room(self, key: Hashable) -> int:
        return self._size - self._open[key].rows if key in self._open else 0

    def _parts(self, task: Task, room: int) -> list[Task]:
        if task.rows <= room or not self._parameters.enable_large_batch_splitting:
            return [task]
        rows = [room] if room else []
        while (left := task.rows - sum(rows)) > 0:
            rows.append(min(left, self._size))
        if len(rows) == 1:
            return [task]
        pieces = assembly.split(task.inputs, rows)
        return [Task(piece, count, task.expired) for piece, count in zip(pieces, rows, strict=True)]

    def _place(self, task: Task, key: Hashable, now: float) -> None:
        batch = self._open.get(key)
        if batch is not None and batch.rows + task.rows > self._size:
            batch.due = NOW
            batch = None
        if batch is None:
            batch = self._open[key] = _Batch(key, now + self._timeout)
            self._waiting.append(batch)
        batch.tasks.append(task)
        batch.rows += task.rows
        if batch.rows == self._size:
            batch.due = NOW
            del self._open[key]

    def _full(self, rows: int, room: int) -> StatusError:
        waiting = len(self._waiting)
        open_rows = self._size - room if waiting else 0
        capacity = (self._bound - waiting) * self._size + room
        return StatusError(
            "UNAVAILABLE",
            "The batch scheduling queue to which this task was submitted is full; "
            f"task size is {rows} but scheduling capacity is only {capacity} "
            f"(num_enqueued_batches={waiting}, max_enqueued_batches={self._bound}, "
            f"open_batch_size={open_rows}, max_execution_batch_size={self._size})",
        )
