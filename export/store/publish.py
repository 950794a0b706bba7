"""Puts a version folder into a store: verified, packed, named by the index last, and never changed again."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from export.archive import verify_apart
from export.cards.target import HTML, MARKDOWN
from export.prediction_log import GOLDEN_FILE
from export.store.archive import Packed, pack
from export.store.change import changing, read_index
from export.store.describe import Description, LicenceTexts, describe, version_folder
from export.store.difference import difference
from export.store.entry import Blob, Entry
from serving.signing import SIGNATURE_FILE, SignatureError, key_id, sign
from zoo.errors import ExportError, MissingExtraError, StoreError

ARCHIVE_SUFFIX, SIGNATURE_SUFFIX = ".tar.gz", ".sig"
# Kind of a card -> where a version folder has it.
CARDS = {"md": Path("assets.extra", MARKDOWN), "html": Path("assets.extra", HTML)}


@dataclass(frozen=True)
class Published:
    """The outcome.

    Attributes:
        entry: What the index says of the version now; for a dry run, what it would say.
        written: Paths in the store of new files; empty where the version was there already, and for a dry run.
        difference: Lines that tell what is new; empty where the version was there already.
    """

    entry: Entry
    written: tuple[str, ...]
    difference: tuple[str, ...]


def publish(
    model_dir: Path,
    store: Path,
    *,
    code: str | None = None,
    weights: str | None = None,
    data: str | None = None,
    research_only: bool = False,
    sign_key: Path | None = None,
    dry_run: bool = False,
    verify_goldens: bool = True,
) -> Published:
    """Publishes one version of a model to a store in a folder, which any static web host can then serve.

    Publishing the same again is a success that changes nothing. A failure leaves the store as it was, and a
    killed process leaves at most files that the index does not name, which `export.store.collect` removes.

    Args:
        model_dir: `.../NAME/VERSION`, or `.../NAME` for its highest version.
        store: The folder; made where it is missing.
        code: SPDX id of the code; None is what the model's contract says, likewise for the next two.
        weights: Terms of the weights.
        data: Terms of the data that the model was trained on.
        research_only: The terms allow nothing but research, and that is known.
        sign_key: PEM file of the private key to sign with; None publishes a `model.sig` in the folder, if any.
        dry_run: Only tell the difference; the store is neither made nor locked.
        verify_goldens: Have a fresh process compare the answers of the model with its golden pairs, if it has any.

    Raises:
        StoreError: No model, terms unknown or for research only, wrong answers, a store that cannot be written,
            or one that has other content under this version.
        MissingExtraError: Golden pairs are to be verified and tensorflow is not installed.
    """
    folder = version_folder(model_dir)
    if store.resolve() in folder.resolve().parents:
        raise StoreError(
            f"{folder} lies inside the store {store}.",
            expected="a store apart from the models that are published to it",
            fix="name another folder for the store",
        )
    description = describe(folder, LicenceTexts(code, weights, data))
    description = _with_terms(description, research_only)
    signature, key = _signature(folder, sign_key)
    if verify_goldens and (folder / GOLDEN_FILE).is_file():
        _verify(folder, description)

    if dry_run:
        with tempfile.TemporaryDirectory() as scratch:
            packed = pack(folder, Path(scratch) / "archive")
        entry, _ = _entry(folder, description, packed, signature, key)
        index, _ = read_index(store)
        present = index.models.get(entry.name, {}).get(entry.version)
        return Published(entry, (), tuple(difference(present, entry)))

    with changing(store) as change:
        packed = pack(folder, change.staging / "archive")
        entry, contents = _entry(folder, description, packed, signature, key)
        present = change.index.models.get(entry.name, {}).get(entry.version)
        changes = tuple(difference(present, entry))
        if present is not None and changes:
            raise _taken(store, entry, changes)
        if present is not None:
            return Published(present, (), ())
        change.place(change.staging / "archive", entry.archive.path)
        for path, content in contents.items():
            change.place_bytes(content, path)
        change.keep_former()
        change.commit(change.index.with_entry(entry, change.raw).to_bytes())
        return Published(entry, tuple(change.written), changes)


def _with_terms(description: Description, research_only: bool) -> Description:
    licence = description.licence
    if licence.research_only and not research_only:
        raise StoreError(
            f"{description.name}@{description.version} may be used for research only. "
            f"Weights: {licence.weights}. Data: {licence.data}.",
            expected="--research-only, so that it is marked as such in the store",
            fix="publish with --research-only, to a store for research",
        )
    return replace(description, licence=replace(licence, research_only=research_only))


def _signature(folder: Path, sign_key: Path | None) -> tuple[bytes | None, str | None]:
    try:
        if sign_key is not None:
            signature = sign(folder, sign_key)
        elif (folder / SIGNATURE_FILE).is_file():
            signature = (folder / SIGNATURE_FILE).read_bytes()
        else:
            return None, None
        return signature, key_id(signature)
    except SignatureError as error:
        what, _, fix = str(error).partition("\nFix: ")
        raise StoreError(what, fix=fix or "sign with --sign KEY, or remove model.sig") from error


def _verify(folder: Path, description: Description) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("tensorflow", "zoo", "Verifying the golden pairs before publishing")
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / description.name
        model.mkdir()
        (model / str(description.version)).symlink_to(folder)
        try:
            verify_apart(Path(scratch))
        except ExportError as error:
            raise StoreError(
                f"{description.name}@{description.version} was not published: {error.what.partition(': ')[2]}",
                expected=f"the answers in {GOLDEN_FILE} within {description.golden['tolerance']:g}",
                fix="export the model again",
            ) from error


def _entry(
    folder: Path, description: Description, packed: Packed, signature: bytes | None, key: str | None
) -> tuple[Entry, dict[str, bytes]]:
    """Returns the entry, and path -> content of every file in the store but the archive."""
    stem = f"{description.name}/{description.version}"
    contents = {} if signature is None else {stem + SIGNATURE_SUFFIX: signature}
    for kind, path in CARDS.items():
        if (folder / path).is_file():
            contents[f"{stem}.{kind}"] = (folder / path).read_bytes()
    blobs = {path: Blob(len(c), hashlib.sha256(c).hexdigest(), path) for path, c in contents.items()}
    entry = Entry(
        **vars(description),
        archive=Blob(packed.digest.size, packed.digest.sha256, stem + ARCHIVE_SUFFIX),
        files=packed.files,
        published=datetime.now(UTC).isoformat(timespec="seconds"),
        signature=blobs.get(stem + SIGNATURE_SUFFIX),
        key_id=key,
        cards={kind: blobs[f"{stem}.{kind}"] for kind in CARDS if f"{stem}.{kind}" in blobs},
    )
    return entry, contents


def _taken(store: Path, entry: Entry, changes: tuple[str, ...]) -> StoreError:
    return StoreError(
        f"{store} has another {entry.handle} already: {'; '.join(changes[:5])}"
        + (f"; and {len(changes) - 5} differences more." if len(changes) > 5 else "."),
        expected="a version that is new, or exactly what is there: published versions never change",
        fix=f"publish it as the next version, e.g. rename the folder {entry.version} to {entry.version + 1}",
    )
