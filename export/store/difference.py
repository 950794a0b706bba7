"""How two entries of an index differ, in lines that a person reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from export.store.entry import Entry

_LONGEST = 100
_NOTHING = object()


def difference(old: Entry | None, new: Entry) -> list[str]:
    """Returns what would change in a store; empty where nothing would.

    When and with which mizoo a version was published is no difference, and neither are two signatures by the
    same key, which are never the same bytes.

    Args:
        old: What the store has of that version, or None.
        new: What is to be published.
    """
    if old is None:
        return [f"+ {new.handle}", *(f"+ {blob.path} ({blob.size} bytes)" for blob in new.blobs())]
    before, after = _facts(old), _facts(new)
    if old.signature and new.signature and old.key_id == new.key_id is not None:
        del before["signature"], after["signature"]
    return list(_changes(before, after, ""))


def _facts(entry: Entry) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(json.dumps(entry.to_json()))
    del facts["published"]
    facts["requires"].pop("mizoo", None)
    return facts


def _changes(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else key
            yield from _changes(old.get(key, _NOTHING), new.get(key, _NOTHING), inner)
    elif old != new:
        yield f"{path}: {_text(old)} -> {_text(new)}"


def _text(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
