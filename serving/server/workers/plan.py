"""How many workers, with how many threads each, batching or not: measured, and said why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from serving.server.flag_fields import cores
from serving.server.flags import Flags
from serving.server.loader import CALLERS_THREAD

CHEAP_MILLISECONDS = 5.0


@dataclass(frozen=True)
class Measured:
    """What the first worker found.

    Attributes:
        milliseconds: Of one call with one row, by model; None where no such call is known.
        accelerator: Whether TensorFlow computes on one.
    """

    milliseconds: Mapping[str, float | None]
    accelerator: bool


@dataclass(frozen=True)
class Plan:
    """A number of workers, the flags that each gets, and the reason."""

    workers: int
    flags: Flags
    reason: str


def given(flags: Flags) -> Plan | None:
    """Returns the plan that the flags fix, or None where it has to be measured."""
    if isinstance(flags.zoo_workers, int):
        count = flags.zoo_workers
        threads = flags.tensorflow_intra_op_parallelism or flags.tensorflow_session_parallelism
        if count > 1 and not threads:
            flags = single_threaded(flags, max(1, cores() // count))
        return Plan(count, flags, "--zoo_workers says so")
    if flags.enable_batching:
        return Plan(1, flags, "--enable_batching: requests of all callers meet in one process")
    if cores() == 1:
        return Plan(1, single_threaded(flags), "there is one core")
    return None


def measured(flags: Flags, found: Measured) -> Plan:
    """Returns a worker per core where every model is cheap, else one worker that batches."""
    if found.accelerator:
        return Plan(1, replace(flags, enable_batching=True), "there is an accelerator")
    slow = {
        name: took for name, took in found.milliseconds.items() if took is None or took >= CHEAP_MILLISECONDS
    }
    if slow:
        name, took = max(slow.items(), key=lambda item: item[1] or 0.0)
        text = "is not known" if took is None else f"takes {took:.1f} ms"
        reason = f"one call of {name} {text}, {CHEAP_MILLISECONDS:g} ms or more: batching pays"
        return Plan(1, replace(flags, enable_batching=True), reason)
    slowest = max((took or 0.0 for took in found.milliseconds.values()), default=0.0)
    reason = (
        f"the slowest call takes {slowest:.1f} ms, less than {CHEAP_MILLISECONDS:g} ms: Python is the cost"
    )
    return Plan(cores(), single_threaded(flags), reason)


def single_threaded(flags: Flags, intra_op: int = 1) -> Flags:
    """Returns the flags of one process among several: the cores are busy with other requests anyway."""
    inter_op = flags.tensorflow_inter_op_parallelism or CALLERS_THREAD
    return replace(flags, tensorflow_intra_op_parallelism=intra_op, tensorflow_inter_op_parallelism=inter_op)
