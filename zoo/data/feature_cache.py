"""Features of a frozen backbone, computed once per picture and kept on disk.

One folder per key (backbone, layer, digest of the weights, preprocessing and its version, input size, dtype);
in it shards of rows: SHA-256 of the picture file's content -> features. A shard is written under a temporary
name, renamed, and never changed again. So several processes may fill one folder at once (at worst they
compute the same rows), a run that is killed loses only the rows since its last shard, and a damaged shard
is noticed and computed anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zoo.backbones.digest import backbone_digest, network_digest
from zoo.cache import cache_folder
from zoo.data.feature_shards import read_shards, write_shard
from zoo.errors import DataError
from zoo.files import write_json
from zoo.preprocessing.image import INPUT_CONTRACT
from zoo.preprocessing.reading import (
    BadImage,
    iterate_images,
    log_bad_images,
    progress_bar,
    refuse_bad_image,
)

_ROWS_PER_SHARD = 1024


@dataclass(frozen=True)
class Features:
    """Features of pictures.

    Attributes:
        array: float32 `[rows, F]`, one row per readable picture, in the order of the paths.
        kept: int64 `[rows]`, the position of each row in the list of paths that was given.
        bad: The files that cannot be read and were skipped.
    """

    array: np.ndarray = field(repr=False)
    kept: np.ndarray = field(repr=False)
    bad: tuple[Path, ...]


def extract_features(
    paths: Sequence[str | Path],
    backbone: Any,
    *,
    key: Mapping[str, Any],
    image_size: int,
    cache_dir: str | Path | None = None,
    batch_size: int = 32,
    skip_bad: bool = False,
    progress: bool = False,
) -> Features:
    """Returns the features of pictures, computing only those that are not in the cache.

    Args:
        paths: Picture files; files of equal content are computed once.
        backbone: Model of `build_backbone` with pooled output; it runs in inference mode.
        key: What the caller knows of the backbone (name, layer). Digests of its weights and of its layers,
            the preprocessing, the input size and the dtype are added here.
        image_size: Side of the pictures in pixels; that of the backbone's input.
        cache_dir: Folder of the cache; None takes `cache_folder()`.
        batch_size: Pictures per step of the backbone.
        skip_bad: Leave unreadable pictures out and log them, instead of raising at the first one.
        progress: Show progress bars.

    Raises:
        DataError: A picture is missing or cannot be read (the text names it), or the backbone takes pictures
            of another size or gives no vectors.
    """
    size, width = tuple(backbone.input_shape[1:3]), backbone.output_shape[1:]
    if size != (image_size, image_size) or len(width) != 1:
        raise DataError(
            f"The backbone maps pictures of {size} to features of shape {width}; image_size is {image_size}.",
            expected="pictures of image_size x image_size, and vectors",
            fix="pass image_size=backbone.input_shape[1], and build the backbone with pool='avg'",
        )
    files = [Path(path) for path in paths]
    folder = _folder(Path(cache_dir or cache_folder()) / "features", key, backbone, image_size)
    digests, bad = _content_digests(files, skip_bad, progress)
    rows = {digest: row for row, digest in enumerate(dict.fromkeys(filter(None, digests)))}
    array = np.empty((len(rows), *width), np.float32)
    missing = _fill_from_cache(array, rows, read_shards(folder, *width))
    first = dict(zip(reversed(digests), reversed(files), strict=True))
    todo = {digest: first[digest] for digest in rows if digest in missing}
    if todo:
        refused = _compute(folder, backbone, todo, rows, array, batch_size, skip_bad, progress)
        bad |= {row: refused[digest] for row, digest in enumerate(digests) if digest in refused}
    log_bad_images([bad[row] for row in sorted(bad)], len(files))
    kept = np.array([row for row in range(len(files)) if row not in bad], np.int64)
    order = np.array([rows[digests[row]] for row in kept], np.int64)
    # No second copy where every file has a row of its own, which is the usual case.
    whole = np.array_equal(order, np.arange(len(array)))
    return Features(array if whole else array[order], kept, tuple(files[row] for row in sorted(bad)))


def _folder(root: Path, key: Mapping[str, Any], backbone: Any, image_size: int) -> Path:
    """The folder of one key; the key itself lies in it as JSON."""
    full = {
        **key,
        "weights_sha256": backbone_digest(backbone),
        "network_sha256": network_digest(backbone),
        "preprocessing": INPUT_CONTRACT,
        "image_size": image_size,
        "dtype": "float32",
    }
    text = json.dumps(full, sort_keys=True, default=str)
    folder = root / hashlib.sha256(text.encode()).hexdigest()[:32]
    if not (folder / "key.json").exists():
        write_json(folder / "key.json", json.loads(text))
    return folder


def _content_digests(
    files: Sequence[Path], skip_bad: bool, progress: bool
) -> tuple[list[bytes], dict[int, BadImage]]:
    """SHA-256 of each file's content, empty for the files that cannot be opened."""
    digests: list[bytes] = []
    bad: dict[int, BadImage] = {}
    with progress_bar("looking up features", len(files), progress) as advance:
        for row, path in enumerate(files):
            try:
                with path.open("rb") as file:
                    digests.append(hashlib.file_digest(file, "sha256").digest())
            except OSError as error:
                bad[row] = BadImage(path, error.strerror or str(error))
                refuse_bad_image(bad[row], skip_bad)
                digests.append(b"")
            advance(1)
    return digests, bad


def _fill_from_cache(
    array: np.ndarray, rows: Mapping[bytes, int], shards: Iterator[tuple[list[bytes], np.ndarray]]
) -> set[bytes]:
    """Copies the rows that the cache has; returns the digests of those that it lacks."""
    missing = set(rows)
    for digests, features in shards:
        hits = [position for position, digest in enumerate(digests) if digest in missing]
        array[[rows[digests[position]] for position in hits]] = features[hits]
        missing.difference_update(digests)
    return missing


def _compute(
    folder: Path,
    backbone: Any,
    todo: Mapping[bytes, Path],
    rows: Mapping[bytes, int],
    array: np.ndarray,
    batch_size: int,
    skip_bad: bool,
    progress: bool,
) -> dict[bytes, BadImage]:
    """Fills the rows of `todo` and writes them as shards; returns the pictures that cannot be read."""
    size = backbone.input_shape[1]
    batch = np.zeros((batch_size, size, size, 3), np.uint8)
    filled: list[bytes] = []
    fresh: list[bytes] = []
    bad: dict[bytes, BadImage] = {}

    def run_batch() -> None:
        # The batch keeps its full size, so that the backbone is compiled once.
        features = np.asarray(backbone.predict_on_batch(batch), np.float32)
        array[[rows[digest] for digest in filled]] = features[: len(filled)]
        fresh.extend(filled)
        filled.clear()

    def store() -> None:
        if fresh:
            write_shard(folder, fresh, array[[rows[digest] for digest in fresh]])
            fresh.clear()

    with progress_bar("computing features", len(todo), progress) as advance:
        try:
            for digest, image in zip(todo, iterate_images(list(todo.values()), size), strict=True):
                if isinstance(image, BadImage):
                    refuse_bad_image(image, skip_bad)
                    bad[digest] = image
                else:
                    batch[len(filled)] = image
                    filled.append(digest)
                if len(filled) == batch_size:
                    run_batch()
                if len(fresh) >= _ROWS_PER_SHARD:
                    store()
                advance(1)
            if filled:
                run_batch()
        finally:
            store()
    return bad
