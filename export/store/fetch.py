"""Fetches a version of a model from a store into a models folder: verified, and all at once or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import Timeout

from export.store.cache import Cache
from export.store.entry import Digest
from export.store.install import commit, copy_version, leftovers, remove_leftovers, staging
from export.store.local import Demands, add_signature
from export.store.lookup import look_up
from export.store.names import SHA256, check_name, check_version
from export.store.progress import Progress
from export.store.receipt import Place, Receipt, find
from export.store.source import open_sources
from export.store.space import check_space
from export.store.supply import Supply
from export.store.unpack import unpack
from zoo.errors import StoreError

OFFLINE = "ZOO_OFFLINE"


def fetch(
    name: str,
    version: int | str = "latest",
    *,
    sources: Sequence[str | Path] | None = None,
    to: Path | None = None,
    offline: bool | None = None,
    verify: bool = False,
    require_signature: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Returns the folder of a version, fetched where it is not here yet.

    A version that is here is not asked for again: its files' sizes are compared with its receipt, and a number or
    digest then needs no network. Several processes may fetch at once, and any of them may be killed at any time.

    Args:
        name: Of the model.
        version: A number, "latest", or "sha256:" and the digest of the archive.
        sources: URLs or folders of the store and its mirrors, in the order to ask; None is `$MIZOO_STORE`.
        to: Models folder; None is the one in the cache.
        offline: Use no network; None asks `$ZOO_OFFLINE`.
        verify: Compare the SHA-256 of every file of a version that is here already.
        require_signature: PEM file of the public key that must have signed the version.
        progress: Called with the archive's bytes so far and in all.

    Returns:
        `<models folder>/<name>/<version>`.

    Raises:
        StoreError: No source gives the version, what they give is wrong, or what is here is damaged or another.
    """
    wanted = _wanted(version)
    cache = Cache.of_user()
    models = cache.models if to is None else to.expanduser().absolute()
    if offline is None:
        offline = os.environ.get(OFFLINE, "") not in {"", "0"}
    demands = Demands(verify, require_signature)
    job = _Job(cache, models, check_name(name), wanted, offline, demands, progress)
    try:
        return job.run(sources)
    except OSError as error:
        raise StoreError(
            f"{name}@{version} cannot be stored: {error}.",
            expected=f"room and permission to write to {models} and {cache.folder}",
            fix="correct that, or choose others: --to for the model, MIZOO_CACHE for the cache",
        ) from error


def _wanted(version: int | str) -> int | str:
    if isinstance(version, str) and (
        version == "latest"
        or (version.startswith("sha256:") and SHA256.fullmatch(version.removeprefix("sha256:")))
    ):
        return version
    try:
        return check_version(version)
    except StoreError as error:
        raise StoreError(
            f"{version!r} is no version.",
            expected='a whole number from 1 on, "latest", or "sha256:" and 64 digits 0-9a-f',
            fix="correct the version",
        ) from error


@dataclass(frozen=True)
class _Job:
    cache: Cache
    models: Path
    name: str
    version: int | str
    offline: bool
    demands: Demands
    progress: Progress | None

    def run(self, urls: Sequence[str | Path] | None) -> Path:
        if found := find(self.models, self.name, self.version):
            self._tidy(*found)
            return self.demands.present(*found)
        if self.offline and (found := find(self.cache.models, self.name, self.version)):
            return self._settle(replace(found[0], models=self.models), found[1], None)
        with contextlib.ExitStack() as opened:
            sources = open_sources(urls)
            for source in sources:
                opened.callback(source.close)
            entry, sources = look_up(self.name, self.version, sources, self.cache, self.offline)
            place = Place(self.models, self.name, entry.version)
            wanted = Receipt(Digest(entry.archive.size, entry.archive.sha256), entry.files, sources[0].url)
            return self._settle(place, wanted, Supply(entry, sources, self.cache, self.offline))

    def _settle(self, place: Place, wanted: Receipt, supply: Supply | None) -> Path:
        """Finds or makes a version; where others made it while this process waited, it finds theirs.

        Without a supply the version is in the cache's models, so that nothing else is needed.
        """
        with self.cache.lock(str(place.folder.resolve())):
            remove_leftovers(place)
            if found := find(self.models, self.name, place.version):
                return self.demands.present(*found, wanted.archive)
            if place.folder.exists():
                return self.demands.adopt(place, wanted, supply)
            cached = find(self.cache.models, self.name, place.version)
            if cached and cached[1].archive == wanted.archive:
                return self._copy(*cached, place, supply)
            if supply is None:
                raise FileNotFoundError(self.cache.models / self.name / str(place.version))
            return self._obtain(place, wanted, supply)

    def _obtain(self, place: Place, wanted: Receipt, supply: Supply) -> Path:
        self.demands.check_signed(supply)
        sha256 = wanted.archive.sha256
        with self.cache.lock(sha256), staging(place) as staged:
            archive, source = supply.archive(place.folder, self.progress)
            unpack(archive, supply.entry, staged)
            self._commit(staged, place, replace(wanted, source=source), supply)
            # What is unpacked is kept; an archive in a store's folder is not ours.
            self.cache.archive(sha256).unlink(missing_ok=True)
        return place.folder

    def _copy(self, origin: Place, known: Receipt, place: Place, supply: Supply | None) -> Path:
        size = sum(digest.size for digest in known.files.values())
        check_space(place.handle, [(place.folder, size, "copied")])
        with staging(place) as staged:
            copy_version(origin.folder, known.files, staged)
            self._commit(staged, place, replace(known, key_id=None), supply)
        return place.folder

    def _commit(self, staged: Path, place: Place, receipt: Receipt, supply: Supply | None) -> None:
        add_signature(staged, supply)
        receipt = replace(receipt, key_id=self.demands.key_id(staged))
        try:
            commit(staged, place, receipt)
        except FileExistsError:
            # By a process with another cache, whose locks are not ours.
            replace(self.demands, contents=True).present(place, receipt)

    def _tidy(self, place: Place, receipt: Receipt) -> None:
        """Removes what a process left that was killed after it had made the version visible."""
        archive = self.cache.archive(receipt.archive.sha256)
        if not leftovers(place) and not archive.exists():
            return
        with contextlib.ExitStack() as held, contextlib.suppress(Timeout, PermissionError):
            held.enter_context(self.cache.lock(str(place.folder.resolve())).acquire(timeout=0))
            remove_leftovers(place)
            held.enter_context(self.cache.lock(receipt.archive.sha256).acquire(timeout=0))
            archive.unlink(missing_ok=True)
