"""Stores with small versions that no tensorflow wrote: for transfers any folder with a saved_model.pb is a version."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from export.store.archive import pack
from export.store.entry import Blob, Entry, Licence
from export.store.index import INDEX_FILE, Index

FILES = {
    "saved_model.pb": b"a graph",
    "assets.extra/contract.json": b"{}",
    "variables/variables.index": b"index",
}


def random_bytes(size: int, seed: int = 0) -> bytes:
    """The same bytes for the same seed."""
    return random.Random(seed).randbytes(size)


def write_version(folder: Path, weights: bytes) -> Path:
    """Writes a version's folder whose variables are `weights`."""
    for path, content in (FILES | {"variables/variables.data-00000-of-00001": weights}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def add_version(
    store: Path, weights: bytes, *, name: str = "tagger", version: int = 1, signature: bytes | None = None
) -> Entry:
    """Adds a version to a store, as publishing does; returns its entry."""
    folder = write_version(store.parent / f"{store.name}-origin" / name / str(version), weights)
    archive = store / name / f"{version}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    packed = pack(folder, archive)
    entry = Entry(
        name=name,
        version=version,
        archive=Blob(packed.digest.size, packed.digest.sha256, f"{name}/{version}.tar.gz"),
        files=packed.files,
        licence=Licence("Apache-2.0", "own", "own", research_only=False),
        signatures={},
        input_contract={},
        golden={},
        requires={},
        metrics={},
        command="",
        published="2026-01-01T00:00:00+00:00",
    )
    if signature is not None:
        (store / name / f"{version}.sig").write_bytes(signature)
        digest = hashlib.sha256(signature).hexdigest()
        entry = replace(entry, signature=Blob(len(signature), digest, f"{name}/{version}.sig"))
    write_index(store, entry)
    return entry


def write_index(store: Path, entry: Entry) -> None:
    """Has the index of a store name an entry, whatever is true of it."""
    path = store / INDEX_FILE
    raw = path.read_bytes() if path.is_file() else None
    index = Index.from_bytes(raw, str(path)) if raw is not None else Index()
    path.write_bytes(index.with_entry(entry, raw).to_bytes())


def content(folder: Path) -> Mapping[str, bytes]:
    """Returns path -> bytes of all files of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
