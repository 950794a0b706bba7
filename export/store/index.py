"""The index of a store: which versions of which models it has, and the chain of its former states."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from export.store.entry import Entry
from export.store.names import SHA256, check_version
from zoo.errors import StoreError, nearest

SCHEMA = 1
INDEX_FILE = "index.json"
MAX_INDEX_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Index:
    """A state of a store.

    Attributes:
        models: Name -> version -> what is known of it.
        sequence: How many times the store has changed.
        previous: SHA-256 of the index before this one, or None: together a chain that nobody can rewrite.
    """

    models: Mapping[str, Mapping[int, Entry]] = field(default_factory=dict)
    sequence: int = 0
    previous: str | None = None

    def __iter__(self) -> Iterator[Entry]:
        for name in sorted(self.models):
            yield from (self.models[name][version] for version in sorted(self.models[name]))

    def find(self, name: str, version: int | str = "latest") -> Entry:
        """Returns one version of a model.

        Args:
            name: Of the model.
            version: A number, "latest" (the highest), or "sha256:" and the digest of the archive.

        Raises:
            StoreError: The store has no such model or version; names the nearest.
        """
        versions = self.models.get(name)
        if not versions:
            raise StoreError(
                f"The store has no model '{name}'.{nearest(name, self.models)}",
                expected=f"one of {', '.join(sorted(self.models)) or 'none: the store is empty'}",
                fix="mizoo store list shows what a store has",
            )
        if version == "latest":
            return versions[max(versions)]
        if isinstance(version, str) and version.startswith("sha256:"):
            for entry in versions.values():
                if entry.archive.sha256 == version.removeprefix("sha256:"):
                    return entry
        elif (number := check_version(version)) in versions:
            return versions[number]
        raise StoreError(
            f"The store has no version {version} of '{name}'.",
            expected=f"latest, sha256:DIGEST of an archive, or one of {', '.join(map(str, sorted(versions)))}",
            fix="mizoo store list shows versions and digests",
        )

    def with_entry(self, entry: Entry, raw: bytes | None) -> Index:
        """Returns the next state, which has one more version.

        Args:
            entry: The version.
            raw: The bytes of the index that this one was read from; None where the store was empty.
        """
        models = {name: dict(versions) for name, versions in self.models.items()}
        models.setdefault(entry.name, {})[entry.version] = entry
        previous = hashlib.sha256(raw).hexdigest() if raw is not None else None
        return Index(models, self.sequence + 1, previous)

    def to_bytes(self) -> bytes:
        """Returns the content of index.json."""
        content = {
            "schema": SCHEMA,
            "sequence": self.sequence,
            "previous": self.previous,
            "models": {
                name: {str(version): versions[version].to_json() for version in sorted(versions)}
                for name, versions in sorted(self.models.items())
            },
        }
        return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()

    @classmethod
    def from_bytes(cls, raw: bytes, where: str) -> Index:
        """Reads index.json.

        Args:
            raw: Its content.
            where: Path or URL, for the error text.

        Raises:
            StoreError: It is no index, or one of a later mizoo.
        """
        try:
            content: Any = json.loads(raw)
            schema, models = content["schema"], content["models"]
            sequence, previous = int(content["sequence"]), content["previous"]
            if previous is not None and not SHA256.fullmatch(previous):
                raise ValueError(f"{previous!r} is no SHA-256")
            named = {name: dict(versions) for name, versions in models.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(
                f"{where} is no index of a store: {type(error).__name__}: {error}.",
                expected="the index.json that `mizoo publish` writes",
                fix="name the folder or URL that holds it",
            ) from error
        if schema != SCHEMA:
            raise StoreError(
                f"{where} was written with schema {schema!r}.",
                expected=f"schema {SCHEMA}",
                fix="install the mizoo that wrote it, or a later one",
            )
        entries = {
            name: {check_version(v): Entry.from_json(name, v, content) for v, content in versions.items()}
            for name, versions in named.items()
        }
        return cls(entries, sequence, previous)
