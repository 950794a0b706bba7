"""The pictures of a folder: their ids, and what is in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from zoo.checks import existing
from zoo.errors import DataError
from zoo.preprocessing.reading import BadImage, refuse_bad_image
from zoo.search.progress import Progress

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")


def list_pictures(folder: str | Path) -> dict[str, Path]:
    """Returns the picture files in a folder and in its subfolders, hidden ones left out.

    Returns:
        Id -> path, sorted by id: the path below the folder, with / on every system.

    Raises:
        DataError: There is no such folder, a part of it cannot be read, or there is no picture in it.
    """
    root = existing(folder, "The picture folder")

    def refuse(error: OSError) -> NoReturn:
        raise DataError(
            f"{error.filename} cannot be read: {error.strerror}.",
            fix="name a folder that can be read, or change its permissions",
        ) from error

    found: dict[str, Path] = {}
    for parent, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = Path(parent) / name
                found[path.relative_to(root).as_posix()] = path
    if not found:
        raise DataError(
            f"There is no picture in {folder}.",
            expected=f"files {', '.join(SUFFIXES)}",
            fix="name another folder",
        )
    return dict(sorted(found.items()))


def content_digest(path: Path) -> str:
    """Returns the SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digests(
    pictures: Mapping[str, Path], skip_bad: bool, progress: Progress
) -> tuple[dict[str, str], dict[str, BadImage]]:
    """Returns id -> SHA-256 of what can be opened, and id -> what is wrong with the rest.

    Args:
        pictures: Id -> path.
        skip_bad: Go on after a file that cannot be opened.
        progress: Told of "reading".

    Raises:
        DataError: A file cannot be opened, and `skip_bad` is false.
    """
    digests: dict[str, str] = {}
    bad: dict[str, BadImage] = {}
    for done, (name, path) in enumerate(pictures.items(), 1):
        try:
            digests[name] = content_digest(path)
        except OSError as error:
            bad[name] = BadImage(path, error.strerror or str(error))
            refuse_bad_image(bad[name], skip_bad)
        progress("reading", done, len(pictures))
    return digests, bad
