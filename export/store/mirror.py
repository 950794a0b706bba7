"""Copies a store, or some of its models, into a folder: only what is missing, the index last."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from export.store.chain import Former, former_states
from export.store.change import Change, changing, history_path
from export.store.collect import PARTS
from export.store.download import Progress, download
from export.store.entry import Blob
from export.store.hashing import digest_of
from export.store.index import INDEX_FILE, MAX_INDEX_BYTES, Index
from export.store.source import Source, open_source
from export.store.space import check_space
from zoo.errors import StoreError
from zoo.files import write_atomically


@dataclass(frozen=True)
class Mirrored:
    """The outcome.

    Attributes:
        index: Of the target now.
        copied: Paths of the models' files that were copied.
        size: Their bytes.
    """

    index: Index
    copied: tuple[str, ...]
    size: int


def mirror(
    url: str | Path,
    target: Path,
    *,
    names: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Mirrored:
    """Makes a folder a copy of a store; run again, it copies what is new.

    A mirror of all models has the same index and history, byte by byte. A mirror of some has an index of its own,
    with their entries unchanged, whose `previous` is the source's index: its history goes on with the source's.
    Models that a target has already stay in it. What a run that failed has copied is kept for the next.

    Args:
        url: URL or folder of the source.
        target: The folder; made where it is missing.
        names: Models to copy; None copies all.
        progress: Called with the bytes that are copied and the bytes in all.

    Raises:
        StoreError: The source has no such model or is damaged, the target has states that the source never had,
            or the target cannot be written.
    """
    with closing(open_source(str(url))) as source:
        raw = source.read(INDEX_FILE, MAX_INDEX_BYTES)
        index = Index.from_bytes(raw, f"{source.url}/{INDEX_FILE}")
        for name in names or ():
            index.find(name)
        with changing(target, keep=True) as change:
            states = _new_states(change, source, Former(hashlib.sha256(raw).hexdigest(), raw, index))
            wanted = set(index.models) if names is None else {*names, *change.index.models}
            if wanted == set(index.models):
                new, new_raw = index, raw
                states = states[1:]
            else:
                models = {name: index.models[name] for name in sorted(wanted)}
                new = Index(models, index.sequence + 1, states[0].sha256)
                new_raw = new.to_bytes()
            copied = _copy_blobs(change, source, new, progress)
            for state in states:
                if not (target / history_path(state.sha256)).is_file():
                    change.place_bytes(state.raw, history_path(state.sha256))
            if new_raw != change.raw:
                change.commit(new_raw)
            shutil.rmtree(target / PARTS, ignore_errors=True)
            return Mirrored(new, tuple(blob.path for blob in copied), sum(blob.size for blob in copied))


def _new_states(change: Change, source: Source, current: Former) -> list[Former]:
    """Returns the source's states since the target's last mirroring, the newest first, at least the current one.

    Raises:
        StoreError: The target has states that the source never had.
    """
    if change.raw is None:
        return [current, *former_states(source, current.index)]
    # An index of some models is in no other store; the state that it was taken from is.
    own = {hashlib.sha256(change.raw).hexdigest(), change.index.previous}
    if _holds(current.index, change.index):
        states = [current]
        former = former_states(source, current.index)
        while states[-1].sha256 not in own and (state := next(former, None)):
            states.append(state)
        if states[-1].sha256 in own:
            return states
    if (change.store / history_path(current.sha256)).is_file() and _holds(change.index, current.index):
        what = f"{source.url} is older than {change.store}"
    else:
        what = f"{change.store} and {source.url} have changed apart from each other"
    raise StoreError(
        f"{what}.",
        expected="a target that is empty, or was mirrored from that source and not published to",
        fix="mirror into another folder",
    )


def _holds(index: Index, part: Index) -> bool:
    return all(index.models.get(entry.name, {}).get(entry.version) == entry for entry in part)


def _copy_blobs(change: Change, source: Source, new: Index, progress: Progress | None) -> list[Blob]:
    listed = {blob.path for entry in change.index for blob in entry.blobs()}
    blobs = [blob for entry in new for blob in entry.blobs()]
    missing = [blob for blob in blobs if not _is_here(change.store / blob.path, blob, blob.path in listed)]
    total, done = sum(blob.size for blob in missing), 0
    check_space(f"What {source.url} has", [(change.store, total, "copied")])

    def report(part: int, _of: int) -> None:
        if progress is not None:
            progress(done + part, total)

    for blob in missing:
        _copy(change, source, blob, report)
        done += blob.size
    return missing


def _is_here(path: Path, blob: Blob, listed: bool) -> bool:
    """Whether a file needs no copying; what no index of the target has vouched for is hashed."""
    if not path.is_file() or path.stat().st_size != blob.size:
        return False
    return listed or digest_of(path).sha256 == blob.sha256


def _copy(change: Change, source: Source, blob: Blob, report: Progress) -> None:
    part = change.store / PARTS / blob.sha256
    part.parent.mkdir(exist_ok=True)
    here, _ = download(blob, [source], part, report)
    if here != part:
        with here.open("rb") as file:
            write_atomically(part, lambda copy: shutil.copyfileobj(file, copy, 2**20))
        if digest_of(part).sha256 != blob.sha256:
            part.unlink()
            raise StoreError(f"{here} changed while it was copied.", fix="mirror again")
    change.place(part, blob.path)
