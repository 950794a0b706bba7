"""Is a store what its index says, to the last byte?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export.store.chain import former_states
from export.store.change import LOCK_FILE, history_path
from export.store.download import Progress, download
from export.store.entry import Entry
from export.store.index import INDEX_FILE, MAX_INDEX_BYTES, Index
from export.store.source import Folder, Source, open_source
from export.store.unpack import unpack
from serving.signing import SignatureError, check_public_key, verify
from serving.signing import key_id as id_of_key
from zoo.errors import StoreError


@dataclass(frozen=True)
class Finding:
    """What was found out about one thing.

    Attributes:
        subject: `name@version`, a path in the store, or "history".
        level: "note" is no fault: a file that the index does not name.
        text: For a person.
    """

    subject: str
    level: Literal["ok", "note", "error"]
    text: str


def check_store(
    url: str | Path, *, public_keys: Sequence[Path] = (), progress: Progress | None = None
) -> Iterator[Finding]:
    """Checks every file of a store: presence, size, SHA-256, content of archives, signatures, history.

    Archives of a web host are downloaded, and every archive is unpacked, one at a time, into a temporary folder.

    Args:
        url: Folder or URL that holds index.json.
        public_keys: PEM files; with them every signature there is has to be by one of them.
        progress: Called with the bytes that are here and the bytes in all, for each file.

    Yields:
        A finding per version, per file that is wrong, per file that nothing names, and one of the history.

    Raises:
        StoreError: There is no index, or a public key cannot be used.
    """
    check_keys(public_keys)
    with closing(open_source(str(url))) as source:
        raw = source.read(INDEX_FILE, MAX_INDEX_BYTES)
        index = Index.from_bytes(raw, f"{source.url}/{INDEX_FILE}")
        for entry in index:
            with tempfile.TemporaryDirectory() as scratch:
                yield _check_entry(entry, source, Path(scratch), public_keys, progress)
        states = [INDEX_FILE, LOCK_FILE]
        try:
            states += [history_path(state.sha256) for state in former_states(source, index)]
        except StoreError as error:
            yield Finding("history", "error", error.what)
        else:
            yield Finding("history", "ok", f"{len(states) - 1} states, each names the one before it")
        if isinstance(source, Folder):
            named = {blob.path for entry in index for blob in entry.blobs()}
            yield from _not_named(source.folder, named.union(states))


def check_keys(public_keys: Sequence[Path]) -> None:
    """Raises StoreError where a file is no public key."""
    for key in public_keys:
        try:
            check_public_key(key)
        except SignatureError as error:
            what, _, fix = str(error).partition("\nFix: ")
            raise StoreError(what, fix=fix) from error


def signature_state(
    folder: Path, signature: Path | None, key_id: str | None, public_keys: Sequence[Path]
) -> str:
    """Returns "signature ok, by key ...", "unsigned", or that there was no key to check it with.

    Args:
        folder: A version folder.
        signature: Its signature, or None.
        key_id: What is known of the key.
        public_keys: Accepted ones.

    Raises:
        StoreError: The signature is not by one of the keys, or not by the one that is known.
    """
    if signature is None:
        return "unsigned"
    try:
        if not public_keys:
            return f"signed by key {id_of_key(signature.read_bytes())}, not checked without its public key"
        found = verify(folder, public_keys, signature)
    except SignatureError as error:
        what, _, fix = str(error).partition("\nFix: ")
        raise StoreError(what, fix=fix) from error
    if key_id not in {None, found}:
        raise StoreError(
            f"The signature is by key {found}.",
            expected=f"key {key_id}",
            fix="ask the publisher which is his",
        )
    return f"signature ok, by key {found}"


def _check_entry(
    entry: Entry, source: Source, scratch: Path, public_keys: Sequence[Path], progress: Progress | None
) -> Finding:
    try:
        here = {
            blob.path: download(blob, [source], scratch / blob.sha256, progress)[0] for blob in entry.blobs()
        }
        folder = scratch / "unpacked"
        unpack(here[entry.archive.path], entry, folder)
        signature = here[entry.signature.path] if entry.signature else None
        state = signature_state(folder, signature, entry.key_id, public_keys)
        shutil.rmtree(folder)
    except StoreError as error:
        return Finding(entry.handle, "error", error.what.replace("\n ", ""))
    return Finding(entry.handle, "ok", f"hash ok, {state}")


def _not_named(folder: Path, named: set[str]) -> Iterator[Finding]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if relative not in named and not path.is_dir():
            yield Finding(
                relative, "note", "not named by the index; mizoo store gc removes what publishing left"
            )
