"""`python -m ci.store_kill --kills 200`: kill -9 at random moments of a fetch, and what is left each time.

A host on this machine gives archives of several sizes at several rates, so that kills hit download, unpacking and
commit. Each round fetches a version, kills the process at a random moment, and looks at the models folder: every
version that is visible must be complete. A second process then fetches to the end and must be done in time. Prints
the kills by the phase that they hit, half models seen, retries that failed, and the bytes that were sent beside
those that fetching without resume would have cost. Exits with 1 where a model was half or a retry failed.
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from export.store.entry import Entry
from export.store.local import difference
from tests.export.store.fake_store import add_version, random_bytes
from tests.export.store.fetching import end_fetch, start_fetch
from tests.export.store.http_store import HttpStore, serving

SIZES = (2**20, 6 * 2**20, 24 * 2**20)
RATES = (20e6, 80e6, None)
RETRY_SECONDS = 60.0


@dataclass
class Tally:
    """What was seen.

    Attributes:
        phases: Phase that a kill hit -> times.
        half_models: Looks at the models folder that found an incomplete version.
        failed_retries: Fetches after a kill that failed or took too long.
        left: Files and folders besides the version and its receipt that were there after a retry.
        needed: Bytes of the archives that were fetched, each once.
        sent: Bytes that went over the network.
        without_resume: What would have, had each retry begun again.
        slowest_retry: Seconds.
    """

    phases: collections.Counter[str] = field(default_factory=collections.Counter)
    half_models: int = 0
    failed_retries: int = 0
    left: list[str] = field(default_factory=list)
    needed: int = 0
    sent: int = 0
    without_resume: int = 0
    slowest_retry: float = 0.0


def main() -> None:
    """Runs, prints; exits with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        tally = soak(Path(work), arguments.kills, arguments.seed)
    print(table(tally))
    sys.exit(1 if tally.half_models or tally.failed_retries or tally.left else 0)


def soak(work: Path, kills: int, seed: int, sizes: tuple[int, ...] = SIZES) -> Tally:
    """Kills that many fetches; returns what was seen."""
    draw, tally = random.Random(seed), Tally()
    store = work / "store"
    entries = [add_version(store, random_bytes(size), version=i + 1) for i, size in enumerate(sizes)]
    with serving(store) as host:
        moments = {}
        for entry in entries:
            for host.rate in RATES:
                moments[entry.version, host.rate] = _whole(work / "whole", host, entry)
        while tally.phases.total() < kills:
            entry, host.rate = draw.choice(entries), draw.choice(RATES)
            seconds = moments[entry.version, host.rate]
            _round(work / "round", host, entry, seconds, draw, tally)
    return tally


def _whole(folder: Path, host: HttpStore, entry: Entry) -> float:
    """Returns how long a fetch takes that nobody kills."""
    began = time.monotonic()
    if not end_fetch(_start(folder, host, entry), RETRY_SECONDS):
        raise SystemExit("a fetch that nobody killed failed")
    seconds = time.monotonic() - began
    shutil.rmtree(folder)
    return seconds


def _round(
    folder: Path,
    host: HttpStore,
    entry: Entry,
    seconds: float,
    draw: random.Random,
    tally: Tally,
) -> None:
    """Kills one fetch once or several times over, then lets it end."""
    models, host.sent = folder / "models", 0
    complete = models / "tagger" / str(entry.version)
    while True:
        # Connecting takes much of a short fetch; later moments are the more telling ones.
        killed = _kill_after(folder, host, entry, draw.betavariate(2, 1) * seconds, tally)
        tally.half_models += _half_models(models, entry)
        if not killed or draw.random() > 0.3:
            break
    before, missing = host.sent, not complete.exists()
    if killed:
        began = time.monotonic()
        tally.failed_retries += not end_fetch(_start(folder, host, entry), RETRY_SECONDS)
        tally.slowest_retry = max(tally.slowest_retry, time.monotonic() - began)
    tally.failed_retries += difference(complete, entry.files, contents=True) is not None
    there = [path.name for path in (*complete.parent.iterdir(), *folder.glob("cache/store/archives/*"))]
    tally.left += sorted(set(there) - {complete.name, f".{complete.name}.receipt.json"})
    tally.needed += entry.archive.size
    tally.sent += host.sent
    tally.without_resume += before + entry.archive.size * missing
    shutil.rmtree(folder)


def _start(folder: Path, host: HttpStore, entry: Entry) -> ForkServerProcess:
    return start_fetch(folder / "cache", host.url, entry.version, folder / "models")


def _kill_after(folder: Path, host: HttpStore, entry: Entry, seconds: float, tally: Tally) -> bool:
    """Starts a fetch and kills it after so long; returns False where it had ended before."""
    process = _start(folder, host, entry)
    process.join(seconds)
    ended = process.exitcode is not None
    process.kill()
    process.join()
    if ended:
        tally.failed_retries += process.exitcode != 0
    else:
        tally.phases[_phase(folder, entry)] += 1
    return not ended


def _phase(folder: Path, entry: Entry) -> str:
    """Returns how far the killed process had come, by what it left."""
    models, archives = folder / "models" / "tagger", folder / "cache" / "store" / "archives"
    if (models / str(entry.version)).exists():
        return "5 clean up"
    if (models / f".{entry.version}.receipt.json").exists():
        return "4 commit"
    if any(models.glob(f".staging-*/{entry.version}")):
        return "3 unpack"
    if (archives / f"{entry.archive.sha256}.part").exists():
        return "2 download"
    return "1 index and locks"


def _half_models(models: Path, entry: Entry) -> int:
    visible = [path for path in models.glob("tagger/*") if path.name.isdecimal()]
    return sum(difference(path, entry.files, contents=True) is not None for path in visible)


def table(tally: Tally) -> str:
    """Returns the result as text."""
    rows = [(f"killed in {phase}", f"{count}") for phase, count in sorted(tally.phases.items())]
    rows += [
        ("kills", f"{tally.phases.total()}"),
        ("half models seen", f"{tally.half_models}"),
        ("retries that failed", f"{tally.failed_retries}"),
        ("files left after retries", f"{len(tally.left)}"),
        ("slowest retry, s", f"{tally.slowest_retry:.2f}"),
        ("MB needed", f"{tally.needed / 1e6:.1f}"),
        ("MB sent", f"{tally.sent / 1e6:.1f}"),
        ("MB without resume", f"{tally.without_resume / 1e6:.1f}"),
        ("traffic saved", f"{1 - tally.sent / max(1, tally.without_resume):.1%}"),
    ]
    return "\n".join(f"{name:28s}{value:>12s}" for name, value in rows)


if __name__ == "__main__":
    main()
