"""What a collection of Milvus must be to hold our vectors: made so, or checked to be so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from zoo.errors import ConfigError, DataError, nearest
from zoo.search.milvus_client import pymilvus

INDEX_TYPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "AUTOINDEX": ((), ()),
    "FLAT": ((), ()),
    "IVF_FLAT": (("nlist",), ("nprobe",)),
    "HNSW": (("M", "efConstruction"), ("ef",)),
}
"""Of Milvus, each with the parameters that building and that searching takes."""

LONGEST_ID = 65_535
"""Bytes of a text key in Milvus."""
MOST_LISTS = 65_536
"""That an IVF index of Milvus may have."""
_DEFAULTS = {"nlist": 1024, "M": 16, "efConstruction": 200}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")


class Described(NamedTuple):
    """What a collection is.

    Attributes:
        dimensions: The numbers that each vector has.
        kind: Of the index: one of `INDEX_TYPES`, or another that somebody chose.
        lists: Of an IVF index; at most so many where it does not tell; else 0.
    """

    dimensions: int
    kind: str
    lists: int


def check_name(collection: str) -> None:
    """Raises a ConfigError on a name that Milvus does not take."""
    if not _NAME.fullmatch(collection):
        raise ConfigError(
            f"collection={collection!r}",
            expected="letters, digits and underscores, no digit first, at most 255",
            fix="choose another name",
        )


def check_index(index: str) -> None:
    """Raises a ConfigError on an index type that is not in `INDEX_TYPES`."""
    if index not in INDEX_TYPES:
        raise ConfigError(
            f"index={index!r}.{nearest(index, INDEX_TYPES)}",
            expected=", ".join(INDEX_TYPES),
            fix="take one of these",
        )


def check_parameters(what: str, index: str, given: Mapping[str, int]) -> None:
    """Raises a ConfigError on parameters that an index does not have, or that are below 1.

    Args:
        what: "build" or "search".
        index: One of `INDEX_TYPES`; of others nothing is known, and any name passes.
        given: The parameters.
    """
    known = INDEX_TYPES[index][what == "search"] if index in INDEX_TYPES else tuple(given)
    for name, value in given.items():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise ConfigError(
                f"{what} parameter {name!r} of {index}", expected=listed, fix=f"leave {name} out"
            )
        if value < 1:
            raise ConfigError(
                f"{what} parameter {name}={value}", expected="at least 1", fix=f"give another {name}"
            )


def create(
    client: Any, collection: str, dimensions: int, index: str, build: Mapping[str, int], timeout: float
) -> None:
    """Makes a collection: `id` text key, `vector` float32, inner product, strong consistency."""
    types = pymilvus().DataType
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("id", types.VARCHAR, is_primary=True, max_length=LONGEST_ID)
    schema.add_field("vector", types.FLOAT_VECTOR, dim=dimensions)
    given = {name: build.get(name, _DEFAULTS[name]) for name in INDEX_TYPES[index][0]}
    indexes = client.prepare_index_params()
    indexes.add_index("vector", index_type=index, metric_type="IP", params=given)
    client.create_collection(
        collection, schema=schema, index_params=indexes, consistency_level="Strong", timeout=timeout
    )


def describe(client: Any, collection: str, timeout: float) -> Described:
    """Returns what a collection is.

    Raises:
        DataError: It has other fields than `create` gives, or another metric, or no index.
    """
    fields = {
        field["name"]: field for field in client.describe_collection(collection, timeout=timeout)["fields"]
    }
    types = {name: (field["type"].name, bool(field.get("is_primary"))) for name, field in fields.items()}
    fix = "choose another collection, or drop this one"
    if types != {"id": ("VARCHAR", True), "vector": ("FLOAT_VECTOR", False)}:
        listed = ", ".join(f"{name} {kind}" for name, (kind, _) in types.items())
        raise DataError(
            f"collection {collection} has the fields {listed}",
            expected="id VARCHAR (the key) and vector FLOAT_VECTOR, as MilvusStore makes them",
            fix=fix,
        )
    index = client.describe_index(collection, "vector", timeout=timeout)
    if not index or index["metric_type"] != "IP":
        metric = index["metric_type"] if index else "no index"
        raise DataError(
            f"collection {collection} compares by {metric}", expected="IP (inner product)", fix=fix
        )
    # milvus-lite does not tell how many lists there are, and takes any number of them to read.
    lists = int(index.get("nlist", MOST_LISTS)) if index["index_type"].startswith("IVF") else 0
    return Described(int(fields["vector"]["params"]["dim"]), index["index_type"], lists)


def encoded(name: str) -> str:
    """Returns an id as a key, percent-encoded: a quote or a backslash in a key would end a filter expression.

    Raises:
        DataError: It is too long for Milvus.
    """
    key = quote(name, safe="/", errors="surrogatepass")
    if len(key) > LONGEST_ID:
        raise DataError(
            f"id {name[:40]!r}... takes {len(key)} bytes, percent-encoded",
            expected=f"at most {LONGEST_ID}",
            fix="take a shorter id",
        )
    return key


def decoded(key: str) -> str:
    """Returns the id of a key."""
    return unquote(key, errors="surrogatepass")
