"""The load, from h2load (Debian's nghttp2-client): a caller that takes hardly any time from the server beside it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from ci.bench.serving_load import Caller, Load, once, summary

_DATA = re.compile(r"^traffic: .*\((\d+)\) data$", re.MULTILINE)
_FAILED = re.compile(r"^requests: .* (\d+) failed", re.MULTILINE)


def measure(caller: Caller, concurrency: int, seconds: float) -> Load:
    """Lets as many connections send one request after another for so long, after a tenth of it that does not count.

    gRPC says in its trailers whether a call went well, which h2load does not read: a reply of another length than the
    one to a single call counts as an error.
    """
    size = len(once(caller)) + caller.framing
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(caller.body)
        command = [
            *("h2load", f"--duration={seconds:g}", f"--warm-up-time={round(100 * seconds)}ms"),
            *(
                f"--clients={concurrency}",
                "--max-concurrent-streams=1",
                f"--data={body}",
                f"--log-file={log}",
            ),
            *(f"--header={name}: {value}" for name, value in caller.headers.items()),
            *([] if caller.framing else ["--h1"]),
            caller.url,
        ]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines = [line.split("\t") for line in log.read_text().splitlines()]
    data, failed = _DATA.search(told), _FAILED.search(told)
    if data is None or failed is None:
        raise RuntimeError(f"{' '.join(command)}: what it printed is not understood\n{told}")
    taken = [int(micros) / 1e6 for _, status, micros in lines if status == "200"]
    other = len(lines) - len(taken) + int(failed[1])
    short = max(0, len(taken) - int(data[1]) // size)
    return summary(taken, seconds, other + short)


def require() -> None:
    """Raises SystemExit where h2load is not installed."""
    if shutil.which("h2load") is None:
        raise SystemExit(
            "h2load is not installed.\nFix: apt install nghttp2-client, or --load=asyncio (a Python client, which "
            "takes half a core itself)"
        )
