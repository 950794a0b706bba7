"""Makes an index of a picture folder, and brings it up to date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoo.data.examples import example_images
from zoo.errors import ConfigError, DataError
from zoo.files import write_atomically
from zoo.preprocessing.reading import BadImage, log_bad_images
from zoo.search.embedding import Embedded, embed_contents
from zoo.search.folder import Record, check_model
from zoo.search.generations import check_target, locked, remove_others, write_generation
from zoo.search.kept_vectors import Change, KeptVectors, close, kept_vectors
from zoo.search.pictures import content_digests, list_pictures
from zoo.search.probe import Probe
from zoo.search.progress import Progress, silent
from zoo.search.run_embedder import RunEmbedder
from zoo.search.store import VectorStore

_PROBE_WORDS, _PROBE_PICTURES = 8, 3


@dataclass(frozen=True)
class Built:
    """What a build has done.

    Attributes:
        pictures: How many the index has now.
        added: Ids that it did not have.
        changed: Ids whose pictures have another content now.
        removed: Ids whose pictures are gone, or can no longer be read.
        embedded: How many pictures needed a vector that the index did not have.
        bad: The files that cannot be read and were left out.
    """

    pictures: int
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    embedded: int
    bad: tuple[BadImage, ...]


def build_index(
    model: str | Path | RunEmbedder,
    images: str | Path,
    to: str | Path,
    *,
    store: str | None = None,
    milvus_uri: str | None = None,
    milvus_token: str = "",
    skip_bad_images: bool = False,
    progress: Progress = silent,
) -> Built:
    """Makes an index of the pictures in a folder, or makes one that is there agree with the folder.

    Only pictures whose content is new are decoded and embedded. After an interruption, even by kill -9, what was
    embedded is used by the next build. Readers see the old index or the new one (of a Milvus collection, which is
    changed in place, each picture's old or new vector). Equal pictures under several names all stay.

    Args:
        model: Run folder or `.keras` file of `vse_lstm` or `vse_bow`, or one that is loaded.
        images: The picture folder; its subfolders belong to it.
        to: The index folder.
        store: "exact" (the default), "faiss" or "milvus"; None keeps that of an index that is there.
        milvus_uri: Of a Milvus server, e.g. http://host:19530, or of a file *.db; None is a file in the index.
        milvus_token: `user:password` or an API key; not kept.
        skip_bad_images: Leave out files that are no pictures (counted and listed) instead of stopping.
        progress: Told of the stages, how much of each is done, and of how much.

    Raises:
        DataError: No picture, a bad one, an index of another model, a folder of other things, or somebody else is
            building it.
        ConfigError: A store that there is not, or another one than the index has.
        StoreError: Milvus cannot be reached.
    """
    to = Path(to)
    check_target(to)
    pictures = list_pictures(images)
    embedder = model if isinstance(model, RunEmbedder) else RunEmbedder(model)
    with locked(to), ExitStack() as cleanup:
        record = Record.read(to) if (to / "index.json").exists() else None
        kept = kept_vectors(_store_facts(to, record, store, milvus_uri), to, milvus_token)
        old: VectorStore | None = None
        known: dict[str, str] = {}
        if record is not None:
            check_model(to, record, embedder)
            known = json.loads((to / record.generation / "pictures.json").read_text())
            old = kept.open(to / record.generation, list(known))
            cleanup.callback(close, old)
        digests, bad = content_digests(pictures, skip_bad_images, progress)
        valid = kept.valid(known, old) if old is not None else {}
        wanted = {name: digest for name, digest in digests.items() if valid.get(name) != digest}
        present = {digest: name for name, digest in valid.items()}
        todo: dict[str, Path] = {}
        for name, digest in wanted.items():
            if digest not in present:
                todo.setdefault(digest, pictures[name])
        shards = to / "unfinished" / embedder.sha256[:32]
        embedded = embed_contents(embedder, todo, shards, skip_bad_images, progress)
        for name, digest in wanted.items():
            if digest in embedded.bad:
                bad[name] = replace(embedded.bad[digest], path=pictures[name])
        log_bad_images([bad[name] for name in sorted(bad)], len(pictures))
        contents = {name: digest for name, digest in digests.items() if name not in bad}
        if not contents:
            raise DataError(f"No picture in {images} can be read.", fix="name a folder of whole pictures")
        built = _compared(known, contents, len(embedded.rows), bad)
        new = {name: digest for name, digest in wanted.items() if name not in bad}
        generation = record.generation if record is not None else ""
        if record is None:
            _write_model(to, embedder)
        if new or built.removed:
            change = Change(list(contents), list(new), _vectors(new, embedded, present, old))
            generation = write_generation(to, generation, contents, kept, old, change, progress)
        _write_record(to, record, embedder, images, len(contents), kept, generation)
        remove_others(to, generation)
    return built


def _store_facts(
    to: Path, record: Record | None, store: str | None, milvus_uri: str | None
) -> Mapping[str, str]:
    """What is asked for, or what the index has: the two must not contradict each other."""
    asked = {"kind": store} if store else {}
    if milvus_uri is not None:
        # Another process may stand in another folder.
        is_file = "://" not in milvus_uri and not milvus_uri.startswith("unix:")
        asked["uri"] = str(Path(milvus_uri).resolve()) if is_file else milvus_uri
    if record is None:
        return {"kind": "exact", **asked}
    for key, value in asked.items():
        if record.store.get(key) != value:
            raise ConfigError(
                f"The index {to} keeps its vectors by {dict(record.store)}, and {key} is {value}.",
                fix="leave the store out, or build an index in a new folder",
            )
    return record.store


def _compared(
    known: Mapping[str, str], contents: Mapping[str, str], embedded: int, bad: Mapping[str, BadImage]
) -> Built:
    return Built(
        pictures=len(contents),
        added=tuple(name for name in contents if name not in known),
        changed=tuple(name for name in contents if known.get(name, contents[name]) != contents[name]),
        removed=tuple(name for name in known if name not in contents),
        embedded=embedded,
        bad=tuple(bad.values()),
    )


def _vectors(
    new: Mapping[str, str], embedded: Embedded, present: Mapping[str, str], old: VectorStore | None
) -> np.ndarray:
    """The vectors of ids, from the model or, where a known picture has another name now, from the index."""
    rows = [embedded.rows.get(digest, -1) for digest in new.values()]
    # No second copy where every new picture has a row of its own, which is the usual case.
    if rows == list(range(len(embedded.array))):
        return embedded.array
    vectors = np.empty((len(new), embedded.array.shape[1]), np.float32)
    places = np.array(rows, np.int64)
    vectors[places >= 0] = embedded.array[places[places >= 0]]
    if old is not None:
        moved = [present[digest] for digest, row in zip(new.values(), rows, strict=True) if row < 0]
        vectors[places < 0] = old.vectors(moved)
    return vectors


def _write_model(to: Path, embedder: RunEmbedder) -> None:
    """Writes what the index keeps of its model."""
    words = embedder.vocabulary[:_PROBE_WORDS]
    Probe.of(embedder, words, tuple(example_images(_PROBE_PICTURES))).save(to / "probe.npz")
    mean_text = embedder.mean_text()
    write_atomically(to / "mean_text.npy", lambda file: np.save(file, mean_text))


def _write_record(
    to: Path,
    before: Record | None,
    embedder: RunEmbedder,
    images: str | Path,
    pictures: int,
    kept: KeptVectors,
    generation: str,
) -> None:
    """Replaces index.json, where it is to say something else; from then on readers see the new generation."""
    record = Record(
        model=embedder.model_name,
        run=embedder.name,
        path=str(embedder.path),
        sha256=embedder.sha256,
        dimensions=embedder.dimensions,
        images=str(Path(images).resolve()),
        pictures=pictures,
        store=dict(kept.facts),
        generation=generation,
    )
    if record != before:
        record.write(to)
