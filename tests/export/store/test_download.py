"""One file from mirrors that misbehave in every way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from export.store import patience, web
from export.store.download import download, part_of
from export.store.entry import Blob
from export.store.hashing import FollowingHash
from export.store.source import open_source
from tests.export.store.fake_store import random_bytes
from tests.export.store.http_store import HttpStore, serving
from zoo.errors import StoreError

BODY = random_bytes(1_000_000)
BLOB = Blob(len(BODY), hashlib.sha256(BODY).hexdigest(), "m/1.tar.gz")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.001)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Callable[[], HttpStore]]:
    """Starts hosts of the right file."""
    with contextlib.ExitStack() as hosts:

        def start() -> HttpStore:
            folder = tmp_path / f"host{len(list(tmp_path.iterdir()))}"
            (folder / "m").mkdir(parents=True)
            (folder / "m" / "1.tar.gz").write_bytes(BODY)
            return hosts.enter_context(serving(folder))

        yield start


@pytest.fixture
def host(mirror: Callable[[], HttpStore]) -> HttpStore:
    return mirror()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "archives" / "archive.tar.gz"


def get(target: Path, *hosts: HttpStore) -> str:
    """Downloads from hosts; returns which of them gave the file."""
    path, url = download(BLOB, [open_source(host.url) for host in hosts], target)
    assert path == target
    assert path.read_bytes() == BODY
    assert list(target.parent.iterdir()) == [target]
    return url


def refusal(target: Path, *hosts: HttpStore) -> str:
    with pytest.raises(StoreError) as caught:
        get(target, *hosts)
    assert not target.exists()
    return str(caught.value)


def leave(target: Path, part: bytes, url: str | None = None, validator: str | None = None) -> None:
    """Leaves what a killed process would have left."""
    target.parent.mkdir(exist_ok=True)
    part_of(target, BLOB).write_bytes(part)
    if url:
        origin = {"url": url, "validator": validator}
        part_of(target, BLOB).with_suffix(".origin").write_text(json.dumps(origin))


def test_downloads_with_progress(host: HttpStore, target: Path) -> None:
    seen: list[tuple[int, int]] = []
    download(BLOB, [open_source(host.url)], target, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert host.sent == len(BODY)
    assert host.archive_requests()[0][0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("etag", "modified", "condition"),
    [("strong", True, "etag"), ("weak", True, "date"), (None, True, "date"), ("weak", False, None)],
    ids=["strong-etag", "weak-etag-and-date", "date", "weak-etag"],
)
def test_a_cut_connection_is_continued(
    etag: str | None, modified: bool, condition: str | None, host: HttpStore, target: Path
) -> None:
    host.etag, host.modified, host.cut, host.cuts = etag, modified, 300_000, 2
    get(target, host)
    (_, first), (second, status), (third, _) = host.archive_requests()
    assert (first, status) == (200, 206)
    assert (second["range"], third["range"]) == ("bytes=300000-", "bytes=600000-")
    given = second.get("if-range")
    assert given is None if condition is None else given.startswith('"') == (condition == "etag")
    assert host.sent == len(BODY)


def test_what_a_killed_process_left_is_continued(host: HttpStore, target: Path) -> None:
    etag = f'"{BLOB.sha256[:16]}"'
    leave(target, BODY[:700_000], host.url, etag)
    get(target, host)
    assert host.sent == 300_000
    assert host.archive_requests()[0][0]["if-range"] == etag


def test_a_whole_part_is_only_hashed(host: HttpStore, target: Path) -> None:
    leave(target, BODY)
    get(target, host)
    assert host.requests == []


@pytest.mark.parametrize(
    "part", [BODY + b"more", b"x" * len(BODY), b"x" * 1000], ids=["long", "wrong", "begun"]
)
def test_a_part_that_does_not_fit_is_begun_again_at_the_same_mirror(
    part: bytes, host: HttpStore, target: Path
) -> None:
    leave(target, part)
    assert get(target, host) == host.url
    assert "range" not in host.archive_requests()[-1][0]


def test_a_file_that_has_changed_is_begun_again(host: HttpStore, target: Path) -> None:
    leave(target, b"x" * 1000, host.url, '"of the file before"')
    get(target, host)
    assert [(headers["range"], status) for headers, status in host.archive_requests()] == [
        ("bytes=1000-", 200)
    ]


def test_another_mirror_continues_without_the_first_ones_etag(
    mirror: Callable[[], HttpStore], target: Path
) -> None:
    first, second = mirror(), mirror()
    leave(target, BODY[:400_000], first.url, '"x"')
    first.statuses = [("gz", 404)]
    assert get(target, first, second) == second.url
    assert second.sent == 600_000
    assert "if-range" not in second.archive_requests()[0][0]


def test_a_host_without_ranges_is_read_from_the_beginning(host: HttpStore, target: Path) -> None:
    host.ranges, host.cut, host.cuts = False, 300_000, 1
    get(target, host)
    assert [status for _, status in host.archive_requests()] == [200, 200]
    assert host.sent == 1_300_000


@pytest.mark.parametrize(
    "answer",
    [(416, "bytes */1000000"), (206, "bytes 5-999999/1000000"), (206, "nonsense")],
    ids=["416", "another-range", "no-range"],
)
def test_a_refused_range_is_begun_again(answer: tuple[int, str], host: HttpStore, target: Path) -> None:
    leave(target, BODY[:1000])
    host.range_answer = answer
    get(target, host)
    assert [status for _, status in host.archive_requests()] == [answer[0], 200]


@pytest.mark.parametrize("length", [7, -7], ids=["more", "fewer"])
def test_a_wrong_content_length_is_refused_at_once(length: int, host: HttpStore, target: Path) -> None:
    host.length = length
    assert refusal(target, host) == (
        "m/1.tar.gz cannot be downloaded:\n"
        f"  {host.url}: m/1.tar.gz has {1_000_000 + length} bytes instead of 1000000\n"
        f"Expected: 1000000 bytes with SHA-256 {BLOB.sha256}\n"
        "Fix: try again later (what is here is kept and continued), or name another mirror"
    )
    assert len(host.archive_requests()) == 1
    assert not part_of(target, BLOB).exists()


def test_a_body_without_end_is_refused(host: HttpStore, target: Path) -> None:
    host.length, host.longer = None, 50_000_000
    assert "m/1.tar.gz has more than 1000000 bytes" in refusal(target, host)
    assert host.sent < 20_000_000
    assert list(target.parent.iterdir()) == []


def test_wrong_bytes_are_dropped_and_the_next_mirror_asked(
    mirror: Callable[[], HttpStore], target: Path
) -> None:
    wrong, right = mirror(), mirror()
    wrong.wrong = True
    assert get(target, wrong, right) == right.url
    assert (len(wrong.archive_requests()), right.sent) == (1, len(BODY))
    target.unlink()
    found = hashlib.sha256(BODY[:-1] + bytes([BODY[-1] ^ 1])).hexdigest()
    assert f"  {wrong.url}: m/1.tar.gz has other bytes: their SHA-256 is {found}\n" in refusal(target, wrong)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [500, 503])
def test_a_passing_failure_is_asked_again(status: int, host: HttpStore, target: Path) -> None:
    host.statuses = [("gz", status)] * 3
    get(target, host)
    assert len(host.archive_requests()) == 4


def test_every_mirror_has_its_reason(mirror: Callable[[], HttpStore], target: Path, tmp_path: Path) -> None:
    broken, without, short = mirror(), mirror(), mirror()
    broken.statuses = [("gz", 500)] * 4
    without.statuses = [("gz", 404)]
    short.cut, short.length = 0, None
    with serving(tmp_path) as gone:
        pass
    lines = refusal(target, broken, without, short, gone).splitlines()
    assert lines[:4] == [
        "m/1.tar.gz cannot be downloaded:",
        f"  {broken.url}: /m/1.tar.gz gives 500 Internal Server Error",
        f"  {without.url}: /m/1.tar.gz gives 404 Not Found",
        f"  {short.url}: m/1.tar.gz ended after 0 of 1000000 bytes",
    ]
    assert lines[4].startswith(f"  {gone.url}: ConnectError: ")
    assert [len(host.archive_requests()) for host in (broken, without, short)] == [4, 1, 4]


def test_a_redirected_file_is_continued_where_it_is(mirror: Callable[[], HttpStore], target: Path) -> None:
    first, second = mirror(), mirror()
    first.redirects = {"/m/1.tar.gz": f"{second.url}/m/1.tar.gz"}
    second.cut, second.cuts = 300_000, 1
    assert get(target, first) == first.url
    assert (first.sent, second.sent) == (0, len(BODY))
    assert [status for _, status in second.archive_requests()] == [200, 206]


def test_a_host_that_falls_silent_is_left(
    mirror: Callable[[], HttpStore], target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "READ_SECONDS", 0.1)
    silent, right = mirror(), mirror()
    silent.rate = 1000.0
    seen: list[int] = []
    sources = [open_source(silent.url), open_source(right.url)]
    assert download(BLOB, sources, target, lambda done, _all: seen.append(done))[1] == right.url
    assert len(silent.archive_requests()) == 4
    assert right.sent < len(BODY)


def test_tries_that_advance_are_not_counted(host: HttpStore, target: Path) -> None:
    host.cut = 100_000
    get(target, host)
    assert len(host.archive_requests()) == 10
    assert host.sent == len(BODY)


def test_the_part_is_kept_for_the_next_call_where_a_mirror_fails(host: HttpStore, target: Path) -> None:
    host.cut, host.cuts = 400_000, 1

    def stop(done: int, _all: int) -> None:
        if done >= 400_000:
            host.statuses = [("gz", 404)]

    with pytest.raises(StoreError):
        download(BLOB, [open_source(host.url)], target, stop)
    assert part_of(target, BLOB).read_bytes() == BODY[:400_000]
    get(target, host)
    assert host.sent == len(BODY)


def test_a_folder_is_read_in_place(host: HttpStore, target: Path, tmp_path: Path) -> None:
    folder = host.folder
    path, url = download(BLOB, [open_source(folder.as_uri())], target)
    assert (path, url) == (folder / "m" / "1.tar.gz", folder.as_uri())
    assert not target.exists()
    (tmp_path / "bad" / "m").mkdir(parents=True)
    sources = [open_source(str(tmp_path / "bad")), open_source(host.url)]
    for content, reason in [
        (BODY[:-1], "999999 bytes instead of 1000000"),
        (BODY[:-1] + b"x", "other bytes"),
    ]:
        (tmp_path / "bad" / "m" / "1.tar.gz").write_bytes(content)
        assert download(BLOB, sources, target) == (target, host.url)
        with pytest.raises(StoreError, match=reason):
            download(BLOB, sources[:1], target)


def test_an_empty_file_is_downloaded(tmp_path: Path, target: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with serving(tmp_path) as host:
        blob = Blob(0, hashlib.sha256(b"").hexdigest(), "empty")
        assert download(blob, [open_source(host.url)], target)[0].read_bytes() == b""


def test_a_growing_file_is_hashed_behind_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(BODY[:10])
    with FollowingHash(path) as sha256, path.open("ab", buffering=0) as file:
        sha256.advance(10)
        for begin in range(10, len(BODY), 77_777):
            file.write(BODY[begin : begin + 77_777])
            sha256.advance(path.stat().st_size)
        assert sha256.result() == BLOB.sha256


def test_a_hash_that_is_not_asked_for_ends_its_thread(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt), FollowingHash(tmp_path / "file") as sha256:
        sha256.advance(0)
        raise KeyboardInterrupt
    time.sleep(0.01)
    assert threading.active_count() == before
