from __future__ import annotations

import re
import resource
import signal
import tarfile
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from export.store.unpack import unpack
from zoo.errors import StoreError

from .archives import FILES, ZEROS, Case, entry_of, good, gz, member, tree
from .hostile_members import MEMBERS
from .hostile_streams import STREAMS

CASES = MEMBERS | STREAMS
MEMORY = 16 * 2**20
LARGEST_FILE = 4 * 2**20


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Makes the kernel refuse files over LARGEST_FILE."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def refusal(folder: Path, raw: bytes, files: Mapping[str, bytes] = FILES) -> str:
    """Returns the text of the refusal, after checking that the folder is as before and memory was bounded."""
    archive = folder / "3.tar.gz"
    archive.write_bytes(raw)
    (folder / "models").mkdir()
    (folder / "models" / "1").write_bytes(b"mine")
    entry, before = entry_of(archive, files), tree(folder)
    tracemalloc.start()
    try:
        with pytest.raises(StoreError) as caught:
            unpack(archive, entry, folder / "models" / "tagger" / "3")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert tree(folder) == before
    assert peak < MEMORY
    return str(caught.value)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_refused(case: Case, tmp_path: Path, small_disk: None) -> None:
    text = refusal(tmp_path, case.raw, case.files)
    assert [part for part in case.texts if part not in text] == [], text
    assert re.search(r"\nExpected: .+\nFix: .+$", text)


def test_absolute_name(tmp_path: Path) -> None:
    text = refusal(tmp_path, gz(member(f"{tmp_path}/evil", b"x") + good()))
    assert text.startswith(f"The path '{tmp_path}/evil' is not one of a model's files.\n")


@pytest.mark.parametrize("through", ["variables", "assets"])
def test_link_that_is_written_through(tmp_path: Path, through: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "labels.txt").write_bytes(b"mine, too")
    link = member(through, kind=tarfile.SYMTYPE, link=str(tmp_path / "outside"))
    assert f"'{through}' is a symbolic link" in refusal(tmp_path, gz(link + good()))


def test_disk_is_full(tmp_path: Path, small_disk: None) -> None:
    files = {"saved_model.pb": b"x", "variables/large": ZEROS * 5}
    text = refusal(tmp_path, gz(good(files)), files)
    assert re.match(r".*3.tar.gz could not be unpacked to .*/tagger/3: \[Errno 27\] File too large", text)
