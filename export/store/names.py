"""What a store may call things: names of models, versions, digests, and paths inside an archive."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from zoo.errors import StoreError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


def check_name(name: object) -> str:
    """Returns a model's name; raises StoreError where it could not be a folder of a models folder."""
    if isinstance(name, str) and NAME.fullmatch(name) and not name.endswith(".lock"):
        return name
    raise StoreError(
        f"{name!r} cannot be the name of a model in a store.",
        expected="letters, digits, '.', '_' and '-', beginning with a letter or digit",
        fix="correct the name",
    )


def check_version(version: object) -> int:
    """Returns a version as a number; raises StoreError unless it is a whole number from 1 on."""
    text = str(version)
    if not isinstance(version, bool) and _VERSION.fullmatch(text):
        return int(text)
    raise StoreError(
        f"{version!r} is no version.", expected="a whole number from 1 on", fix="correct the version"
    )


def check_path(path: object) -> str:
    """Returns a path inside an archive or a store; raises StoreError where it could lead out of it.

    Accepted are relative POSIX paths in their shortest form, without control characters, backslashes or colons
    (which lead out of a folder on Windows).
    """
    text = path if isinstance(path, str) else ""
    parts = text.split("/")
    bad = any(part in {"", ".", ".."} for part in parts) or re.search(r"[\x00-\x1f\x7f\\:]", text)
    if bad or len(text.encode(errors="surrogatepass")) > 1024 or not text.isprintable():
        raise StoreError(
            f"The path {path!r} is not one of a model's files.",
            expected="a relative path below the model's folder, such as variables/variables.index",
            fix="do not use this archive; ask its publisher for a correct one",
        )
    return text


def check_distinct(paths: Iterable[str]) -> None:
    """Raises StoreError where two paths differ only in case, or one is both a file and a folder.

    They would be one file on some disks and two on others.
    """
    known: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = path.casefold()
        if folded in known:
            raise _clash(known[folded], path)
        known[folded] = path
        for parent in list(PurePosixPath(path).parents)[:-1]:
            if folders.setdefault(str(parent).casefold(), str(parent)) != str(parent):
                raise _clash(folders[str(parent).casefold()], str(parent))
    for folded in known.keys() & folders.keys():
        raise _clash(known[folded], folders[folded])


def _clash(one: str, other: str) -> StoreError:
    return StoreError(
        f"The paths {one!r} and {other!r} clash: they would be one on some disks.",
        expected="paths that differ in more than case, each either a file or a folder",
        fix="do not use this archive; ask its publisher for a correct one",
    )
