"""Removes what killed fetches left in the cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout

from export.store.cache import Cache
from export.store.collect import SAFE_AGE_SECONDS, Removed, last_change, remove, size_of
from export.store.install import leftovers, remove_leftovers
from export.store.names import NAME, SHA256
from export.store.receipt import Place

_PART, _STAGING = ".part", ".staging-"


def collect_cache(cache: Cache, *, dry_run: bool = False, age: float = SAFE_AGE_SECONDS) -> list[Removed]:
    """Removes unfinished downloads and half unpacked versions that no process is working on.

    Models, complete archives (which may have been put there by hand) and remembered indexes stay.

    Args:
        cache: The cache.
        dry_run: Only tell.
        age: Seconds for which an unfinished download is kept, because the next fetch would go on with it.

    Raises:
        StoreError: Something cannot be removed.
    """
    return [*_parts(cache, dry_run, age), *_stagings(cache, dry_run)]


def _parts(cache: Cache, dry_run: bool, age: float) -> Iterator[Removed]:
    for part in sorted((cache.folder / "archives").glob(f"*{_PART}")):
        if not SHA256.fullmatch(part.stem):
            continue
        try:
            with cache.lock(part.stem).acquire(timeout=0):
                if last_change(part) > time.time() - age:
                    continue
                yield _removed(cache, part)
                if not dry_run:
                    part.with_suffix(".origin").unlink(missing_ok=True)
                    remove(part)
        except Timeout:  # it is being downloaded
            continue


def _stagings(cache: Cache, dry_run: bool) -> Iterator[Removed]:
    for place in sorted(_places(cache), key=str):
        try:
            with cache.lock(str(place.folder.resolve())).acquire(timeout=0):
                found = {folder: _removed(cache, folder) for folder in leftovers(place)}
                if not dry_run:
                    remove_leftovers(place)
                yield from (gone for folder, gone in found.items() if dry_run or not folder.exists())
        except Timeout:  # it is being unpacked
            continue


def _places(cache: Cache) -> set[Place]:
    """Returns the versions that have staging folders."""
    places = set()
    for folder in cache.models.glob(f"*/{_STAGING}*"):
        version = folder.name.removeprefix(_STAGING).partition("-")[0]
        if version.isdecimal() and NAME.fullmatch(folder.parent.name):
            places.add(Place(cache.models, folder.parent.name, int(version)))
    return places


def _removed(cache: Cache, path: Path) -> Removed:
    return Removed(path.relative_to(cache.folder).as_posix(), size_of(path))
