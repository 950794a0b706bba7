"""One queue of one model: what a caller calls instead of the model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from serving.server.batching import assembly
from serving.server.batching.backlog import Backlog, Task
from serving.server.batching.execution import Execution, Observer, Run, tell
from serving.server.batching.parameters import BatchingParameters
from serving.server.errors import StatusError
from serving.server.waiting import blocking, current


@dataclass
class Slots:
    """How many batches may start now; guarded by the scheduler's lock."""

    free: int


class Queue:
    """Runs the requests of many callers as batches; made by `Scheduler.queue`.

    Args:
        run: The model: arrays by alias to arrays by alias. What it gets is valid during the call only.
        parameters: Sizes and bounds.
        observer: What to tell.
        lock: The scheduler's; guards all queues.
        work: On that lock: there may be something to take.
        slots: On that lock too: a batch runs in one, whoever's thread it is.
        forget: Called when the queue is closed and empty.
    """

    def __init__(
        self,
        run: Run,
        parameters: BatchingParameters,
        observer: Observer,
        *,
        lock: threading.Lock,
        work: threading.Condition,
        slots: Slots,
        forget: Callable[[Queue], None],
    ) -> None:
        self._observer, self._lock, self._work, self._forget = observer, lock, work, forget
        self._slots = slots
        # Not `work`: a signal for a batch thread must not wake one who waits for the end.
        self._idle = threading.Condition(lock)
        self._backlog = Backlog(parameters)
        self._execution = Execution(run, parameters, observer)
        self._running = 0
        self._closed = False

    def __call__(self, inputs: assembly.Arrays, expired: Callable[[], bool]) -> dict[str, np.ndarray]:
        """Runs one request as part of a batch and returns its own outputs; blocks until they are there.

        A request with a scalar input, without rows or without inputs runs alone in the calling thread.

        Args:
            inputs: Arrays by alias, with equal dimension 0; not to be changed before this returns.
            expired: Tells whether the caller has stopped waiting; asked when the batch is formed.

        Returns:
            The outputs by alias, as views of the batch's.

        Raises:
            StatusError: INVALID_ARGUMENT, UNAVAILABLE (full or closed), DEADLINE_EXCEEDED, or what the model
                raised for this request.
        """
        rows = assembly.rows_of(inputs)
        task = Task(inputs, rows or 0, expired)
        with self._lock:
            if self._closed:
                raise StatusError(
                    "UNAVAILABLE", "The batch scheduling queue to which this task was submitted is closed"
                )
            parts = [] if rows is None else self._enqueue(task)
            # A free batch thread would do nothing else: the caller runs the batch and saves two thread switches.
            # One that runs in a server's loop does not: the loop has other calls to see to.
            runs = parts and self._slots.free and current() is None
            batch = self.take(time.monotonic()) if runs else None
            if batch is not None:
                self._slots.free -= 1
            elif parts:
                self._work.notify()
        if rows is None:
            return blocking(lambda: self._execution.alone(task))
        if batch is not None:
            self.process(batch)
        for part in parts:
            part.wait()
        return assembly.join([part.result() for part in parts])

    def _enqueue(self, task: Task) -> list[Task]:
        parts = self._backlog.add(task, time.monotonic())
        tell(self._observer.depth, self._backlog.tasks)
        return parts

    def close(self) -> None:
        """Refuses new requests, runs those that wait without further delay, and returns when none is left."""
        with self._lock:
            self.flush()
            self._work.notify_all()
            self._idle.wait_for(lambda: not self._running and not self._backlog.tasks)
        self._forget(self)

    def flush(self) -> None:
        """Refuses new requests and makes those that wait due; for the scheduler, with its lock held."""
        self._closed = True
        self._backlog.flush()

    def due(self) -> float | None:
        """Returns when the next batch is due; for the scheduler, with its lock held."""
        return self._backlog.due()

    def take(self, now: float) -> list[Task] | None:
        """Returns a batch that is due, which must be given to `process` by one who took a slot; with the lock
        of the scheduler held."""
        tasks = self._backlog.take(now)
        if tasks is not None:
            self._running += 1
            tell(self._observer.depth, self._backlog.tasks)
        return tasks

    def process(self, tasks: list[Task]) -> None:
        """Runs a batch in the calling thread and gives its slot back; every task has its outcome afterwards."""
        self._execution.batch(tasks)
        with self._lock:
            self._running -= 1
            self._slots.free += 1
            self._work.notify()
            self._idle.notify_all()
