"""Which version is meant: asks the index of the first source that answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from export.store.cache import Cache
from export.store.entry import Entry
from export.store.index import INDEX_FILE, MAX_INDEX_BYTES, Index
from export.store.patience import patiently
from export.store.source import Source, SourceError
from zoo.errors import StoreError

_log = logging.getLogger(__name__)


def look_up(
    name: str, version: int | str, sources: Sequence[Source], cache: Cache, offline: bool
) -> tuple[Entry, list[Source]]:
    """Finds a version in the index of the first source that gives one.

    Args:
        name: Of the model.
        version: Number, "latest" or "sha256:DIGEST".
        sources: In the order to ask.
        cache: Has the last index of each source, and gets the new one.
        offline: Ask folders only; the last index stands for that of a web host.

    Returns:
        The entry, and all sources in the order to ask for its archive: those that failed last.

    Raises:
        StoreError: No source gave an index, or the index has no such version.
    """
    failed: list[Source] = []
    reasons: list[str] = []
    for source in sources:
        try:
            index = read_index(source, cache, offline)
        except SourceError as error:
            reasons.append(f"{error.url}: {error.reason}")
        except StoreError as error:
            reasons.append(error.what)
        else:
            rest = [other for other in sources if other is not source and other not in failed]
            return index.find(name, version), [source, *rest, *failed]
        _log.info("%s", reasons[-1])
        failed.append(source)
    raise StoreError(
        "No source gives the index of a store:\n" + "\n".join(f"  {reason}" for reason in reasons),
        expected=f"{INDEX_FILE} in at least one of them",
        fix="fetch it once with a network, or put it where the text above says"
        if offline
        else "correct the URLs, or try again later",
    )


def read_index(source: Source, cache: Cache, offline: bool) -> Index:
    """Returns the index of a source; where it has not changed or in offline mode the one in the cache.

    Raises:
        StoreError: The source gives none, or none that can be used.
    """
    if not source.remote:
        return Index.from_bytes(source.read(INDEX_FILE, MAX_INDEX_BYTES), f"{source.url}/{INDEX_FILE}")
    known = cache.index(source.url)
    if offline:
        if known is None:
            raise SourceError(
                source.url, f"offline, and its index is not here: {cache.index_file(source.url)}"
            )
        return Index.from_bytes(known.raw, str(cache.index_file(source.url)))
    validator = known.validator if known else None
    newer = patiently(lambda: source.read_newer(INDEX_FILE, MAX_INDEX_BYTES, validator))
    if newer is None:
        assert known is not None
        return Index.from_bytes(known.raw, str(cache.index_file(source.url)))
    index = Index.from_bytes(newer.raw, f"{source.url}/{INDEX_FILE}")
    cache.keep_index(source.url, newer)
    return index
