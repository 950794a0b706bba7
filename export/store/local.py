"""A version that is here: whether its files are those that it should have, and who signed them."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from export.store.entry import Digest
from export.store.hashing import digest_of
from export.store.receipt import Place, Receipt
from export.store.supply import Supply
from serving.signing import SIGNATURE_FILE
from zoo.errors import StoreError
from zoo.files import write_atomically


def difference(folder: Path, files: Mapping[str, Digest], *, contents: bool) -> str | None:
    """Returns in what a folder first differs from a list of files, or None.

    Args:
        folder: Of the version; its model.sig is no difference.
        files: Path -> digest.
        contents: Compare SHA-256 too, not only names and sizes.
    """
    for path, digest in sorted(files.items()):
        try:
            status = (folder / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return f"{path} is missing"
        if not stat.S_ISREG(status.st_mode):
            return f"{path} is no regular file"
        if status.st_size != digest.size:
            return f"{path} has {status.st_size} bytes instead of {digest.size}"
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = (Path(parent) / name).relative_to(folder).as_posix()
            if path not in files and path != SIGNATURE_FILE:
                return f"{path} is not one of its files"
    if contents:
        for path, digest in sorted(files.items()):
            found = digest_of(folder / path).sha256
            if found != digest.sha256:
                return f"{path} has the SHA-256 {found} instead of {digest.sha256}"
    return None


@dataclass(frozen=True)
class Demands:
    """What a caller demands of a version.

    Attributes:
        contents: Compare SHA-256 also of what is here already.
        public_key: PEM file of the key that must have signed, or None.
    """

    contents: bool
    public_key: Path | None

    def present(self, place: Place, receipt: Receipt, wanted: Digest | None = None) -> Path:
        """Returns the folder of a version that was fetched before.

        Args:
            place: Where it is.
            receipt: Of that fetch.
            wanted: The archive that the store now has, where it was asked.

        Raises:
            StoreError: Its files or its archive are others now, or it is not signed as demanded.
        """
        if wanted is not None and receipt.archive != wanted:
            raise StoreError(
                f"{place.folder} was fetched from another archive, with SHA-256 {receipt.archive.sha256}.",
                expected=f"{place.handle} of this store, with SHA-256 {wanted.sha256}",
                fix="move that folder and its receipt away, or fetch into another models folder",
            )
        found = difference(place.folder, receipt.files, contents=self.contents)
        if found is not None:
            raise StoreError(
                f"{place.folder} is damaged: {found}.",
                expected="its files as they were fetched",
                fix="remove that folder and fetch it again",
            )
        key_id = self.key_id(place.folder)
        if key_id is not None and key_id != receipt.key_id:
            replace(receipt, key_id=key_id).write(place.receipt)
        return place.folder

    def adopt(self, place: Place, wanted: Receipt, supply: Supply | None) -> Path:
        """Returns a version's folder that was not fetched but has all the same files; it gets a receipt.

        Args:
            place: Where it is.
            wanted: What would have been fetched.
            supply: Gives the signature, where there is one.

        Raises:
            StoreError: It has other files, or is not signed as demanded.
        """
        found = difference(place.folder, wanted.files, contents=True)
        if found is not None:
            raise StoreError(
                f"{place.folder} is there and is not {place.handle} of the store: {found}.",
                expected="no such folder, or exactly the files of the store",
                fix="move it away, or fetch into another models folder",
            )
        add_signature(place.folder, supply)
        replace(wanted, key_id=self.key_id(place.folder)).write(place.receipt)
        return place.folder

    def check_signed(self, supply: Supply) -> None:
        """Raises StoreError where a signature is demanded and the store has none, or not the one it names.

        It is small: what is wrong with it is known before the archive is downloaded.
        """
        if supply.signature is None and self.public_key is not None:
            raise StoreError(
                f"{supply.entry.handle} is not signed in its store.",
                expected=f"a signature by {self.public_key}",
                fix="publish it with --sign KEY, or fetch it without demanding a signature",
            )

    def key_id(self, folder: Path) -> str | None:
        """Returns the id of the key that signed a folder, where a signature is demanded.

        Raises:
            StoreError: It is not signed by that key.
        """
        if self.public_key is None:
            return None
        from serving.signing import SignatureError, verify

        try:
            return verify(folder, [self.public_key])
        except SignatureError as error:
            what, _, fix = str(error).partition("\nFix: ")
            raise StoreError(what, expected=f"a signature by {self.public_key}", fix=fix) from error


def add_signature(folder: Path, supply: Supply | None) -> None:
    """Puts the signature that the store has into a version's folder, where it is not there yet."""
    if supply is None or (folder / SIGNATURE_FILE).exists():
        return
    signature = supply.signature
    if signature is not None:
        write_atomically(folder / SIGNATURE_FILE, lambda file: file.write(signature))
