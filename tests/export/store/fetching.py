"""Fetches in processes of their own, which start in milliseconds."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from export.store import web
from export.store.fetch import fetch

# A server that has imported everything forks each process, and has none of the caller's threads.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["__main__", "tests.export.store.fetching"])
web.tls()


def start_fetch(cache: Path, url: str, version: int | str, models: Path | None = None) -> ForkServerProcess:
    """Starts a fetch of `tagger` with a cache of its own."""
    process = _PROCESSES.Process(target=_fetch, args=(cache, url, version, models), daemon=True)
    process.start()
    return process


def end_fetch(process: ForkServerProcess, seconds: float) -> bool:
    """Waits so long for a fetch; returns whether it succeeded. One that takes longer is killed."""
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode == 0


def _fetch(cache: Path, url: str, version: int | str, models: Path | None) -> None:
    os.environ["MIZOO_CACHE"] = str(cache)
    fetch("tagger", version, sources=[url], to=models)
