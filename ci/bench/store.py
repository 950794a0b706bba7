"""`python -m ci.bench.store`: fetching a model from this machine's loopback, beside cp and sha256sum of the same bytes.

A model with random weights is published to a folder that a host in a process of its own gives by sendfile. Each
repetition runs, in turn and each with fresh targets on the same disk: a fetch in a fresh process (download, SHA-256 of
the archive, unpacking, SHA-256 of each file, everything fsynced), a fetch of the folder itself, `cp` and then
`sha256sum` of the copy, and the same with `sync` of the copy between them. The time of importing what fetching needs
is reported apart. The goal is at least 0.7 times the throughput of cp and sha256sum.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ci.bench.report import write_report
from tests.export.store.fake_store import add_version

GOAL = 0.7
FETCH = """
import sys, time
began = time.perf_counter()
from pathlib import Path
import export.store.web
from export.store.fetch import fetch
imported = time.perf_counter()
fetch("tagger", sources=[sys.argv[1]], to=Path(sys.argv[2]))
print(imported - began, time.perf_counter() - imported)
"""
HASH = """
import hashlib, sys, time
began = time.perf_counter()
with open(sys.argv[1], "rb") as file:
    hashlib.file_digest(file, "sha256").hexdigest()
print(time.perf_counter() - began)
"""


def main() -> None:
    """Measures, prints, writes; exits with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument(
        "--work", type=Path, help="folder on the disk to measure; default: that of temporary files"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.work) as work:
        rows, facts = measure(Path(work), arguments.mib, arguments.repetitions)
    print(f"{'':34s}{'seconds':>9s}{'MB/s':>8s}")
    for row in rows:
        print(f"{row['what']:34s}{row['seconds']:9.2f}{row['mb_per_second']:8.0f}")
    print(f"\nimports {facts['import_seconds']:.2f} s; goal: fetch >= {GOAL} x cp + sha256sum")
    for name, ratio in facts["ratios"].items():
        print(f"{name:60s}{ratio:6.2f}")
    write_report(
        "store",
        command="python -m ci.bench.store",
        data=f"one archive of {arguments.mib} MiB of random weights",
        seeds=[],
        rows=rows,
        extra=facts,
    )
    sys.exit(0 if facts["ratios"]["fetch over HTTP / cp + sha256sum"] >= GOAL else 1)


def measure(work: Path, mib: int, repetitions: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Returns the rows, and the ratios with what else is to be known."""
    store, scratch = work / "store", work / "scratch"
    entry = add_version(store, os.urandom(mib * 2**20))
    shutil.rmtree(work / "store-origin")
    archive = store / entry.archive.path
    imports: list[float] = []
    with hosting(store) as url:
        contenders: dict[str, Callable[[], float]] = {
            "fetch over HTTP": lambda: fetch_once(url, scratch, imports),
            "fetch of a folder": lambda: fetch_once(str(store), scratch, imports),
            "cp + sha256sum": lambda: copy_once(archive, scratch, sync=False),
            "cp + sync + sha256sum": lambda: copy_once(archive, scratch, sync=True),
            "hashlib's SHA-256 alone": lambda: hash_once(archive),
        }
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(repetitions):
            for name, run in contenders.items():
                scratch.mkdir()
                # What the one before has left to write is not this one's.
                os.sync()
                seconds[name].append(run())
                shutil.rmtree(scratch)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    rows = [
        {
            "what": name,
            "seconds": round(medians[name], 3),
            "mb_per_second": round(entry.archive.size / medians[name] / 1e6, 1),
            "all_seconds": [round(value, 3) for value in times],
        }
        for name, times in seconds.items()
    ]
    ratios = {
        f"{ours} / {theirs}": round(medians[theirs] / medians[ours], 3)
        for ours in ("fetch over HTTP", "fetch of a folder")
        for theirs in ("cp + sha256sum", "cp + sync + sha256sum")
    }
    return rows, {
        "goal_ratio": GOAL,
        "ratios": ratios,
        "import_seconds": round(statistics.median(imports), 3),
        "archive_bytes": entry.archive.size,
    }


def fetch_once(source: str, scratch: Path, imports: list[float]) -> float:
    """Fetches in a fresh process with an empty cache; returns the seconds without imports."""
    command = [sys.executable, "-c", FETCH, source, str(scratch / "models")]
    environment = os.environ | {"MIZOO_CACHE": str(scratch / "cache")}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    imported, fetched = map(float, run.stdout.split())
    imports.append(imported)
    return fetched


def copy_once(archive: Path, scratch: Path, sync: bool) -> float:
    """Returns the seconds of cp, sync where it is wanted, and sha256sum."""
    copy = str(scratch / "copy")
    began = time.perf_counter()
    subprocess.run(["cp", str(archive), copy], check=True)
    if sync:
        subprocess.run(["sync", copy], check=True)
    subprocess.run(["sha256sum", copy], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def hash_once(archive: Path) -> float:
    """Returns the seconds of one SHA-256 in Python: fetching computes two, of the archive and of its files."""
    run = subprocess.run(
        [sys.executable, "-c", HASH, str(archive)], stdout=subprocess.PIPE, text=True, check=True
    )
    return float(run.stdout)


@contextmanager
def hosting(folder: Path) -> Iterator[str]:
    """Runs `python -m ci.bench.store_host` over a folder; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ci.bench.store_host", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
