from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from export.store.unpack import unpack
from zoo.errors import StoreError

from .archives import FILES, entry_of, good, gz, tree

FOLDERS: dict[str, bytes | None] = {"assets": None, "variables": None}
TAR = good() + bytes(1024)
ARCHIVES = [gz(good()), gzip.compress(TAR, compresslevel=0, mtime=0)]


@pytest.fixture
def no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spares a busy disk thousands of waits; that all is synced is tested elsewhere."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["flip", "delete", "insert"]),
    inside=st.booleans(),
    which=st.integers(0, 1),
    place=st.floats(0, 1, exclude_max=True),
    data=st.binary(min_size=1, max_size=8),
)
@example(kind="delete", inside=True, which=0, place=0.999, data=b"x")  # a shorter end mark is none
def test_mutations(
    tmp_path: Path, no_sync: None, kind: str, inside: bool, which: int, place: float, data: bytes
) -> None:
    """Whatever happens to a sound archive, or to the tar in it, gives the right files or none."""
    raw = TAR if inside else ARCHIVES[which]
    start = int(place * len(raw))
    if kind == "flip":
        touched = raw[start : start + len(data)]
        middle = bytes(old ^ new for old, new in zip(touched, data, strict=False))
        mutated = raw[:start] + middle + raw[start + len(middle) :]
    else:
        mutated = raw[:start] + (data + raw[start:] if kind == "insert" else raw[start + len(data) :])
    archive = tmp_path / "3.tar.gz"
    archive.write_bytes(gzip.compress(mutated, compresslevel=which, mtime=0) if inside else mutated)
    target = tmp_path / "new" / "3"
    try:
        unpack(archive, entry_of(archive), target)
    except StoreError:
        assert list(tree(tmp_path)) == ["3.tar.gz"]
    else:
        assert tree(target) == FILES | FOLDERS
        shutil.rmtree(target.parent)
