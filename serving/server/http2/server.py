"""Listens for HTTP/2, on ports and sockets; runs the loop in a thread of its own; drains."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl as tls
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from serving.server.http2.connection import Connection
from serving.server.http2.limits import Limits
from serving.server.http2.services import Methods
from serving.server.sockets import BACKLOG, listen_unix

RECEIVE_BYTES = 2**18


class Http2Server:
    """Answers gRPC calls; what `listen` and `listen_unix` are given answers after `start`.

    Args:
        loop: That of the methods; run by `start`, and closed by `stop`.
        methods: What can be called.
        limits: What a connection may ask for.
        busy: Calls that run, or wait to; a stopping server waits for them.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, methods: Methods, limits: Limits, busy: Callable[[], int]
    ) -> None:
        self._loop, self._methods, self._limits, self._busy = loop, methods, limits, busy
        self._sockets: list[tuple[socket.socket, tls.SSLContext | None]] = []
        self._paths: list[Path] = []
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))
        self._thread = threading.Thread(target=self._run, name="grpc-loop", daemon=True)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    def listen(self, held: socket.socket, context: tls.SSLContext | None = None) -> None:
        """Takes a bound socket."""
        self._sockets.append((held, context))

    def listen_unix(self, path: Path) -> None:
        """Makes a UNIX socket, which is removed at the end; see `sockets.listen_unix`."""
        self._sockets.append((listen_unix(path), None))
        self._paths.append(path)

    def start(self) -> None:
        """Answers from now on."""
        self._thread.start()
        self._in_loop(self._open())

    def stop(self, drain_seconds: float, before_last: Callable[[], object] = lambda: None) -> None:
        """Takes no new calls, waits for those that are open, and closes everything.

        Args:
            drain_seconds: Longest wait.
            before_last: Called in the loop when no new call can come: ends calls that would last for ever.
        """
        if self._thread.is_alive():
            self._in_loop(self._drain(drain_seconds, before_last))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        for held, _ in self._sockets:
            held.close()
        for path in self._paths:
            with contextlib.suppress(OSError):
                path.unlink()
        self._paths.clear()  # another server may take them now
        if not self._loop.is_closed():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _in_loop(self, doing: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result()

    async def _open(self) -> None:
        for held, context in self._sockets:
            held.setblocking(False)
            timeout = self._limits.hello if context else None
            self._servers.append(
                await self._loop.create_server(
                    self._connection, sock=held, ssl=context, ssl_handshake_timeout=timeout, backlog=BACKLOG
                )
            )
        self._tick()

    def _connection(self) -> Connection:
        held = self._connections
        return Connection(self._methods, self._limits, self._buffer, held.add, held.discard)

    def _tick(self) -> None:
        self._loop.call_later(min(1.0, self._limits.silence / 4), self._tick)
        now = time.monotonic()
        for connection in tuple(self._connections):
            connection.tick(now)

    async def _drain(self, seconds: float, before_last: Callable[[], object]) -> None:
        for server in self._servers:
            server.close()
        for connection in self._connections:
            connection.go_away()
        before_last()
        end = time.monotonic() + seconds
        while time.monotonic() < end and (self._busy() or not all(each.idle for each in self._connections)):
            await asyncio.sleep(0.01)
        for connection in tuple(self._connections):
            connection.close()
        while time.monotonic() < end and any(each.sending for each in self._connections):
            await asyncio.sleep(0.01)
        end = time.monotonic() + 1.0  # for clients to take their leave
        while self._connections and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)
