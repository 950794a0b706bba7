"""Several processes at once, killed processes, and a server that polls meanwhile."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from ci.store_kill import soak
from export.store.cache import Cache
from export.store.entry import Entry
from export.store.local import difference
from tests.export.store.fake_store import add_version, random_bytes
from tests.export.store.fetching import end_fetch, start_fetch
from tests.export.store.http_store import serving


class Poller(threading.Thread):
    """Looks at a models folder every 2 ms, as a server does."""

    def __init__(self, folder: Path, entry: Entry) -> None:
        super().__init__()
        self.folder, self.entry = folder, entry
        self.done = threading.Event()
        self.looks = 0
        self.partial: list[str] = []

    def run(self) -> None:
        while not self.done.wait(0.002):
            self.looks += 1
            versions = [path for path in self.folder.glob("*") if path.name.isdecimal()]
            found = [difference(path, self.entry.files, contents=False) for path in versions]
            self.partial += [what for what in found if what is not None]


@pytest.mark.parametrize("version", [1, "latest"])
def test_eight_processes_share_one_download(version: int | str, tmp_path: Path) -> None:
    entry = add_version(tmp_path / "store", random_bytes(4_000_000))
    cache = Cache(tmp_path / "cache" / "store")
    with serving(tmp_path / "store") as host:
        host.rate = 8e6
        poller = Poller(cache.models / "tagger", entry)
        poller.start()
        fetches = [start_fetch(tmp_path / "cache", host.url, version) for _ in range(8)]
        assert all(end_fetch(fetch, 60) for fetch in fetches)
        poller.done.set()
        poller.join()
        assert len(host.archive_requests()) == 1
        assert host.sent < 1.1 * entry.archive.size
    assert poller.looks > 50
    assert poller.partial == []
    assert difference(cache.models / "tagger" / "1", entry.files, contents=True) is None
    assert sorted(path.name for path in (cache.models / "tagger").iterdir()) == [".1.receipt.json", "1"]


def test_a_waiting_process_goes_on_where_a_killed_one_was(tmp_path: Path) -> None:
    entry = add_version(tmp_path / "store", random_bytes(4_000_000))
    with serving(tmp_path / "store") as host:
        host.rate = 4e6
        first = start_fetch(tmp_path / "cache", host.url, 1)
        while host.sent < 2_000_000:
            time.sleep(0.005)
        second = start_fetch(tmp_path / "cache", host.url, 1)
        time.sleep(0.1)
        first.kill()
        first.join()
        assert first.exitcode == -signal.SIGKILL
        assert end_fetch(second, 60)
        assert host.sent < 1.2 * entry.archive.size
        assert [status for _, status in host.archive_requests()] == [200, 206]


def test_fetches_into_two_folders_at_once_both_succeed(tmp_path: Path) -> None:
    entry = add_version(tmp_path / "store", random_bytes(1_000_000))
    with serving(tmp_path / "store") as host:
        models = [tmp_path / "one", tmp_path / "two"]
        fetches = [start_fetch(tmp_path / "cache", host.url, 1, folder) for folder in models]
        assert all(end_fetch(fetch, 60) for fetch in fetches)
    assert [difference(folder / "tagger" / "1", entry.files, contents=True) for folder in models] == [
        None,
        None,
    ]


def test_users_with_caches_of_their_own_share_a_models_folder(tmp_path: Path) -> None:
    entry = add_version(tmp_path / "store", random_bytes(1_000_000))
    with serving(tmp_path / "store") as host:
        fetches = [
            start_fetch(tmp_path / f"cache{user}", host.url, 1, tmp_path / "models") for user in range(3)
        ]
        assert all(end_fetch(fetch, 60) for fetch in fetches)
    assert difference(tmp_path / "models" / "tagger" / "1", entry.files, contents=True) is None


def test_kills_at_random_moments_leave_nothing_half(tmp_path: Path) -> None:
    tally = soak(tmp_path, kills=10, seed=1, sizes=(2**20,))
    assert tally.phases.total() >= 10
    assert (tally.half_models, tally.failed_retries, tally.left) == (0, 0, [])
    assert tally.sent <= tally.without_resume
