"""What is known of a version that was fetched: a hidden file beside its folder."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from export.store.entry import Digest
from export.store.names import SHA256
from zoo.errors import StoreError
from zoo.files import write_json


@dataclass(frozen=True)
class Place:
    """Where a version lies in a models folder.

    Attributes:
        models: The models folder; `models/name` is a model_base_path.
        name: Of the model.
        version: From 1 on.
    """

    models: Path
    name: str
    version: int

    @property
    def handle(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def folder(self) -> Path:
        """The version's folder."""
        return self.models / self.name / str(self.version)

    @property
    def receipt(self) -> Path:
        """The receipt's file, whose name no server takes for a version."""
        return self.models / self.name / f".{self.version}.receipt.json"


@dataclass(frozen=True)
class Receipt:
    """What was fetched.

    Attributes:
        archive: Its digest.
        files: Path in the version's folder -> digest.
        source: URL or path that gave the archive.
        key_id: Of the key whose signature was verified, or None.
        fetched: UTC time in ISO format.
    """

    archive: Digest
    files: Mapping[str, Digest]
    source: str
    key_id: str | None = None
    fetched: str = field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    )

    def write(self, path: Path) -> None:
        """Writes the receipt to a file."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, place: Place) -> Receipt | None:
        """Returns the receipt of a place, or None where there is none.

        Raises:
            StoreError: It cannot be read.
        """
        try:
            content = json.loads(place.receipt.read_bytes())
            return cls(
                archive=Digest(**content["archive"]),
                files={path: Digest(**digest) for path, digest in content["files"].items()},
                source=content["source"],
                key_id=content["key_id"],
                fetched=content["fetched"],
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{place.receipt} is no receipt: {type(error).__name__}: {error}.",
                expected="the file as it was written when the version was fetched",
                fix="remove it and fetch that version again: its files are then compared with the store's",
            ) from error


def find(models: Path, name: str, version: int | str) -> tuple[Place, Receipt] | None:
    """Returns a version that was fetched into a models folder, or None.

    Args:
        models: The models folder.
        name: Of the model.
        version: Its number, or "sha256:" and the digest of its archive; of "latest" only a store knows.
    """
    if isinstance(version, int):
        places = [Place(models, name, version)]
    else:
        digest = version.removeprefix("sha256:")
        if not SHA256.fullmatch(digest):
            return None
        known = (models / name).glob(".*.receipt.json")
        numbers = [path.name.removeprefix(".").removesuffix(".receipt.json") for path in known]
        places = [Place(models, name, int(number)) for number in sorted(numbers) if number.isdecimal()]
    for place in places:
        receipt = Receipt.read(place) if place.folder.is_dir() else None
        if receipt is not None and (isinstance(version, int) or receipt.archive.sha256 == digest):
            return place, receipt
    return None
