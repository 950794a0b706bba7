"""Counters, gauges and histograms in Prometheus' text format, with TF Serving's names.

A snapshot is plain data, so that the metrics of several processes can be summed.
"""

from __future__ import annotations

import bisect
import resource
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MICROSECONDS = tuple(10 * 1.8**power for power in range(33))  # TF Serving's Exponential(10, 1.8, 33)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# name -> (type, label names, bucket bounds)
TABLE: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    ":tensorflow:serving:request_count": ("counter", ("model_name", "status"), ()),
    ":tensorflow:serving:request_latency": ("histogram", ("model_name", "API", "entrypoint"), MICROSECONDS),
    ":tensorflow:serving:runtime_latency": ("histogram", ("model_name", "API", "runtime"), MICROSECONDS),
    ":tensorflow:serving:request_example_counts": ("histogram", ("model",), ROWS),
    ":tensorflow:serving:request_example_count_total": ("counter", ("model",), ()),
    ":tensorflow:serving:model_warmup_latency": ("histogram", ("model_path", "status"), MICROSECONDS),
    ":tensorflow:serving:model_warmup_records_read": ("counter", ("model_path", "status"), ()),
    ":zoo:batch_size": ("histogram", ("model_name",), ROWS),
    ":zoo:queue_depth": ("gauge", ("model_name",), ()),
    ":zoo:deadline_dropped_total": ("counter", ("model_name",), ()),
    ":zoo:refused_total": ("counter", ("model_name", "status"), ()),
    ":zoo:model_version_state": ("gauge", ("model_name", "version"), ()),
    ":zoo:resident_memory_bytes": ("gauge", (), ()),
}

Labels = tuple[str, ...]
Snapshot = dict[str, dict[Labels, Any]]


class Metrics:
    """The metrics of one process; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Snapshot = {name: {} for name in TABLE}

    def add(self, name: str, *labels: str, amount: float = 1) -> None:
        """Raises a counter."""
        with self._lock:
            values = self._values[name]
            values[labels] = values.get(labels, 0) + amount

    def set(self, name: str, *labels: str, value: float) -> None:
        """Sets a gauge."""
        with self._lock:
            self._values[name][labels] = value

    def observe(self, name: str, *labels: str, value: float) -> None:
        """Enters a value into a histogram."""
        bounds = TABLE[name][2]
        with self._lock:
            values = self._values[name]
            counts, total = values.get(labels) or ([0] * (len(bounds) + 1), 0.0)
            counts[bisect.bisect_left(bounds, value)] += 1
            values[labels] = counts, total + value

    def value(self, name: str, *labels: str) -> float:
        """Returns a counter or gauge, or how many values a histogram has; 0 where there is none yet."""
        with self._lock:
            found = self._values[name].get(labels, 0)
            return sum(found[0]) if isinstance(found, tuple) else found

    def total(self, name: str) -> float:
        """Returns a counter over all its labels, by its name here or in TensorFlow (`/tensorflow/serving/x`); a name
        that is none counts nothing."""
        name = name.replace("/", ":")
        with self._lock:
            values = self._values.get(name, {}) if TABLE.get(name, ("",))[0] == "counter" else {}
            return sum(values.values())

    def snapshot(self) -> Snapshot:
        """Returns a copy of all values."""
        self.set(":zoo:resident_memory_bytes", value=resident_bytes())
        with self._lock:
            return {
                name: {
                    labels: (list(value[0]), value[1]) if isinstance(value, tuple) else value
                    for labels, value in values.items()
                }
                for name, values in self._values.items()
            }


def summed(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Adds the metrics of several processes; a version's state is the least of them."""
    total: Snapshot = {name: {} for name in TABLE}
    for snapshot in snapshots:
        for name, values in snapshot.items():
            for labels, value in values.items():
                total[name][labels] = _added(name, total[name].get(labels), value)
    return total


def _added(name: str, first: Any, second: Any) -> Any:
    if first is None:
        return second
    if isinstance(second, tuple):
        return [a + b for a, b in zip(first[0], second[0], strict=True)], first[1] + second[1]
    return min(first, second) if name == ":zoo:model_version_state" else first + second


def text(snapshot: Mapping[str, Mapping[Labels, Any]]) -> str:
    """Returns the text that Prometheus scrapes."""
    lines = []
    for name, (kind, labels, bounds) in TABLE.items():
        if not snapshot[name]:
            continue
        lines.append(f"# TYPE {name} {kind}")
        for values, value in sorted(snapshot[name].items()):
            named = [f'{label}="{_escaped(text)}"' for label, text in zip(labels, values, strict=True)]
            if kind != "histogram":
                lines.append(
                    f"{name}{_braces(named)} {value:g}"
                    if value % 1
                    else f"{name}{_braces(named)} {value:.0f}"
                )
                continue
            counts, total = value
            reached = 0
            for bound, count in zip((*map("{:g}".format, bounds), "+Inf"), counts, strict=True):
                reached += count
                lines.append(f"{name}_bucket{_braces([*named, f'le={chr(34)}{bound}{chr(34)}'])} {reached}")
            lines.append(f"{name}_sum{_braces(named)} {total:g}")
            lines.append(f"{name}_count{_braces(named)} {reached}")
    return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Returns the resident memory of this process; where /proc is not there, its peak."""
    status = Path("/proc/self/statm")
    if status.is_file():
        return int(status.read_text().split()[1]) * resource.getpagesize()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _braces(named: list[str]) -> str:
    return "{" + ",".join(named) + "}" if named else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
