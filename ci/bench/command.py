"""A `mizoo` command in a process of its own, with its time and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence


def measured(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> dict[str, float]:
    """Runs a command, whose progress and errors are seen, and ends the bench if it fails.

    Args:
        arguments: What follows `mizoo`.
        environment: Of the process; None: that of this one.

    Returns:
        `seconds`, wall time; `peak_gb`, the peak resident memory that the operating system counted, in 10^9 bytes.
    """
    started = time.perf_counter()
    command = [sys.executable, "-c", "from zoo.cli import main; main()", *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"mizoo {arguments[0]} ended with status {os.waitstatus_to_exitcode(status)}")
    return {"seconds": time.perf_counter() - started, "peak_gb": usage.ru_maxrss * 1024 / 1e9}
