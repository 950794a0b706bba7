"""Connections to Milvus: a server by URL, or a file that milvus-lite serves from within this process."""

from __future__ import annotations

import importlib
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import ConfigError, MissingExtraError, ZooError

SCHEMES = ("http://", "https://", "tcp://", "unix:")

_users: Counter[str] = Counter()
_lock = threading.RLock()


class StoreError(ZooError):
    """A vector database that cannot be reached, or that refuses what it was asked."""


def is_file(uri: str) -> bool:
    """Returns whether a URI names a file of milvus-lite."""
    return not uri.startswith(SCHEMES)


def connect(uri: str, token: str, timeout: float) -> Any:
    """Returns a `pymilvus.MilvusClient` that has reached its server.

    Args:
        uri: A file ending in `.db`, or `http://host:19530`.
        token: `user:password` or an API key; empty for none.
        timeout: Seconds.

    Raises:
        ConfigError: On a file of another name.
        StoreError: Nothing answers, or the file cannot be opened.
        MissingExtraError: pymilvus, or milvus-lite for a file, is not installed.
    """
    library = pymilvus()
    if is_file(uri):
        _import("milvus_lite.server_manager", "milvus-lite")
        if not uri.endswith(".db"):
            raise ConfigError(
                f"uri={uri!r}", expected="a file ending in .db, or http://host:19530", fix=f"uri='{uri}.db'"
            )
        Path(uri).absolute().parent.mkdir(parents=True, exist_ok=True)
    with _lock:
        try:
            with quiet():
                client = library.MilvusClient(uri, token=token, timeout=timeout)
        except library.exceptions.MilvusException as error:
            fix = "close the other process that has it open, or run a Milvus server for several processes"
            if not is_file(uri):
                fix = "start the server, or give its address; without a server, a file ending in .db"
            raise StoreError(f"cannot open Milvus at {uri}: {error.message}", fix=fix) from error
        if is_file(uri):
            _users[_key(uri)] += 1
    return client


def disconnect(client: Any, uri: str) -> None:
    """Closes a client; the last one on a file also ends its server and with it the lock on the file."""
    with _lock, quiet():
        client.close()
        if is_file(uri):
            _users[_key(uri)] -= 1
            if not _users[_key(uri)]:
                del _users[_key(uri)]
                manager = _import("milvus_lite.server_manager", "milvus-lite").server_manager_instance
                manager.release_server(uri)


def pymilvus() -> Any:
    """Returns the module.

    Raises:
        MissingExtraError: It is not installed.
    """
    return _import("pymilvus", "pymilvus")


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what the libraries log off standard error: their errors are raised again as ours, and only once."""
    loggers = [logging.getLogger(name) for name in ("pymilvus", "milvus_lite", "grpc._server")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _key(uri: str) -> str:
    return str(Path(uri).absolute())


def _import(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(package, "search", "Keeping vectors in Milvus") from error
