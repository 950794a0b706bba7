"""HTTP servers over a running engine, and calls on them down to the bytes of a connection."""

from __future__ import annotations

import copy
import dataclasses
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from serving.server import metrics
from serving.server.engine import Engine
from serving.server.rest.app import RestApp
from serving.server.rest.punctual import PATIENCE, Patience
from serving.server.rest.server import RestServer

HOST = "127.0.0.1"


def variant(engine: Engine, **changes: Any) -> Engine:
    """The same models under other flags."""
    made = copy.copy(engine)
    made.flags = dataclasses.replace(engine.flags, **changes)
    return made


@contextmanager
def rest_server(
    engine: Engine, *, patience: Patience = PATIENCE, metrics_path: str | None = None, ssl: Any = None
) -> Iterator[RestServer]:
    app = RestApp(engine, metrics_path, lambda: metrics.text(engine.metrics.snapshot()))
    running = RestServer(app, HOST, 0, ssl=ssl, patience=patience)
    running.start()
    try:
        yield running
    finally:
        running.stop(1)


def ask(
    port: int, verb: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own; returns status, headers by lower-case name, and body."""
    connection = http.client.HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request(verb, path, body, {name.replace("_", "-"): text for name, text in headers.items()})
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=30)


def read_to_end(connection: socket.socket) -> bytes:
    """What comes until the server closes; a reset is an end as well."""
    received = []
    try:
        while chunk := connection.recv(1 << 16):
            received.append(chunk)
    except ConnectionError:
        pass
    return b"".join(received)


def next_reply(connection: socket.socket) -> tuple[int, bytes]:
    """Reads one reply from a connection that may stay open: status and body."""
    reply = http.client.HTTPResponse(connection)
    reply.begin()
    return reply.status, reply.read()


def trickle(connection: socket.socket, data: bytes, pause: float = 0.02) -> bytes:
    """Sends byte by byte for as long as the server listens; returns what it said until it hung up."""
    received = b""
    connection.settimeout(pause)
    for position in range(len(data)):
        try:
            connection.send(data[position : position + 1])
            chunk = connection.recv(1 << 16)
        except TimeoutError:
            continue
        except ConnectionError:
            return received
        if not chunk:
            return received
        received += chunk
    raise AssertionError("the server took all of it")


class PeakMemory:
    """The most resident memory of this process meanwhile, above that at the beginning, in bytes."""

    def __enter__(self) -> PeakMemory:
        self._start = self._peak = metrics.resident_bytes()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self._peak - self._start

    def _watch(self) -> None:
        while not self._ended.wait(0.001):
            self._peak = max(self._peak, metrics.resident_bytes())
