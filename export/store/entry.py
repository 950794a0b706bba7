"""What a store's index says of one version of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from export.store.names import SHA256, check_distinct, check_name, check_path, check_version
from zoo.errors import StoreError


@dataclass(frozen=True)
class Digest:
    """Size in bytes and SHA-256 in hexadecimal digits of a file."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Blob(Digest):
    """A file of the store; `path` is relative to the folder of the index."""

    path: str


@dataclass(frozen=True)
class Licence:
    """On which terms a model may be used.

    Attributes:
        code: SPDX id of the code.
        weights: Terms of the weights and where they come from.
        data: Terms of the data that the model was trained on.
        research_only: Weights or data forbid other use than research.
    """

    code: str
    weights: str
    data: str
    research_only: bool


@dataclass(frozen=True)
class Entry:
    """One version of a model in a store.

    Attributes:
        name: Of the model.
        version: From 1 on.
        archive: The deterministic tar.gz.
        files: Path in the version's folder -> size and digest; exactly these are in the archive.
        licence: Terms of use.
        signatures: Name -> {"inputs": {alias: {"dtype", "shape"}}, "outputs": {...}}.
        input_contract: Colour order, value range, resize rule and so on, as the exporter wrote them.
        golden: {"tolerance": float, "pairs": [{"signature", "inputs", "outputs"}]}; see `export.store.goldens`.
        requires: Versions of tensorflow and mizoo, and the digest of the list of operations.
        metrics: Split -> predictor -> metric -> value; empty where nothing was measured.
        command: What prints the metrics again.
        published: UTC time in ISO format.
        signature: The detached OpenSSF signature (model.sig) of the folder, or None.
        key_id: SHA-256 of the public key that verifies it, or None.
        cards: The model card by its kind, "md" and "html".
    """

    name: str
    version: int
    archive: Blob
    files: Mapping[str, Digest]
    licence: Licence
    signatures: Mapping[str, Any]
    input_contract: Mapping[str, Any]
    golden: Mapping[str, Any]
    requires: Mapping[str, str]
    metrics: Mapping[str, Any]
    command: str
    published: str
    signature: Blob | None = None
    key_id: str | None = None
    cards: Mapping[str, Blob] = field(default_factory=dict)

    @property
    def handle(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    @property
    def unpacked_size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files.values())

    def blobs(self) -> list[Blob]:
        """Returns every file of the store that belongs to this version."""
        return [self.archive, *([self.signature] if self.signature else []), *self.cards.values()]

    def to_json(self) -> dict[str, Any]:
        """Returns what the index holds below `models/<name>/<version>`."""
        content = asdict(self)
        del content["name"], content["version"]
        content["archive"] |= {"unpacked_size": self.unpacked_size, "file_count": len(self.files)}
        return content

    @classmethod
    def from_json(cls, name: str, version: object, content: object) -> Entry:
        """Reads and checks one entry; unknown keys are those of a later mizoo and are left out.

        Raises:
            StoreError: Something is missing, of another type, or contradicts the rest.
        """
        name, number = check_name(name), check_version(version)
        try:
            return cls._read(name, number, content)
        except (KeyError, TypeError, AttributeError) as error:
            raise _malformed(name, number, f"{type(error).__name__}: {error}") from error

    @classmethod
    def _read(cls, name: str, version: int, content: Any) -> Entry:
        files = {check_path(path): _digest(file) for path, file in content["files"].items()}
        check_distinct(files)
        entry = cls(
            name=name,
            version=version,
            archive=_blob(content["archive"]),
            files=files,
            licence=Licence(**{key: content["licence"][key] for key in Licence.__dataclass_fields__}),
            **{key: _mapping(content, key) for key in _MAPPINGS},
            command=str(content["command"]),
            published=str(content["published"]),
            signature=_blob(content["signature"]) if content.get("signature") else None,
            key_id=content.get("key_id"),
            cards={str(kind): _blob(blob) for kind, blob in content.get("cards", {}).items()},
        )
        said = content["archive"]["unpacked_size"], content["archive"]["file_count"]
        if said != (entry.unpacked_size, len(files)):
            raise _malformed(name, version, f"it says {said[0]} bytes in {said[1]} files and lists others")
        if not isinstance(entry.licence.research_only, bool):
            raise TypeError("research_only is not a boolean")
        if "saved_model.pb" not in files:
            raise _malformed(name, version, "it lists no saved_model.pb")
        return entry


_MAPPINGS = ("signatures", "input_contract", "golden", "requires", "metrics")


def _mapping(content: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(content[key], dict):
        raise TypeError(f"{key} is not an object")
    value: dict[str, Any] = content[key]
    return value


def _digest(content: Any) -> Digest:
    size, sha256 = content["size"], content["sha256"]
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise TypeError(f"{size!r} is no size")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise TypeError(f"{sha256!r} is no SHA-256")
    return Digest(size, sha256)


def _blob(content: Any) -> Blob:
    digest = _digest(content)
    return Blob(digest.size, digest.sha256, check_path(content["path"]))


def _malformed(name: str, version: int, why: str) -> StoreError:
    return StoreError(
        f"The index entry of {name}@{version} cannot be used: {why}.",
        expected="an entry as `mizoo publish` writes it",
        fix="publish that version again into a fresh store, or fetch another version",
    )
