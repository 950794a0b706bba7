"""The load: callers in one asyncio process that send one ready-made request again and again, over gRPC or HTTP.

Each caller has a connection of its own, as callers in different processes would.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PREDICT = "/tensorflow.serving.PredictionService/Predict"
TIMEOUT = 60.0


@dataclass(frozen=True)
class Load:
    """What a measurement found: requests per second, milliseconds per request, and failed requests."""

    rate: float
    p50: float
    p99: float
    errors: int


def summary(latencies: Sequence[float], seconds: float, errors: int) -> Load:
    """Returns the figures of requests that took so long each (seconds) and so long all together."""
    if not latencies:
        return Load(0.0, float("nan"), float("nan"), errors)
    p50, p99 = np.percentile(latencies, [50, 99]) * 1000
    return Load(len(latencies) / seconds, float(p50), float(p99), errors)


class Caller(ABC):
    """One connection to a server.

    Attributes:
        url: Of the resource.
        headers: Of the request, beside those of HTTP itself.
        body: Of the request, as it goes over HTTP.
        framing: Bytes of a reply's body before the reply itself; 0: HTTP/1.1 without any.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    framing = 0

    @abstractmethod
    async def open(self) -> None:
        """Connects."""

    @abstractmethod
    async def call(self) -> bytes:
        """Sends the request and returns the reply; raises where it is none."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnects."""


class GrpcCaller(Caller):
    """Predict over gRPC.

    Args:
        port: On this machine.
        request: Serialised.
    """

    headers: Mapping[str, str] = {"content-type": "application/grpc", "te": "trailers"}
    framing = 5

    def __init__(self, port: int, request: bytes) -> None:
        self._port, self._request = port, request
        self.url = f"http://127.0.0.1:{port}{PREDICT}"
        self.body = b"\0" + len(request).to_bytes(4, "big") + request

    async def open(self) -> None:
        """See `Caller.open`."""
        from grpc import aio

        options = [
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.max_receive_message_length", -1),
            ("grpc.max_send_message_length", -1),
        ]
        self._channel = aio.insecure_channel(f"127.0.0.1:{self._port}", options)
        self._predict = self._channel.unary_unary(PREDICT)

    async def call(self) -> bytes:
        """See `Caller.call`."""
        reply: bytes = await self._predict(self._request, timeout=TIMEOUT)
        return reply

    async def close(self) -> None:
        """See `Caller.close`."""
        await self._channel.close()


class HttpCaller(Caller):
    """POST over one kept HTTP/1.1 connection: no client library, so that it takes no time from the server.

    Args:
        port: On this machine.
        path: Of the resource.
        body: Of the request.
    """

    headers: Mapping[str, str] = {"content-type": "application/octet-stream"}

    def __init__(self, port: int, path: str, body: bytes) -> None:
        self.url, self.body = f"http://127.0.0.1:{port}{path}", body
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}\r\n"
        self._port, self._head = port, f"{head}Content-Type: application/octet-stream\r\n\r\n".encode()

    async def open(self) -> None:
        """See `Caller.open`."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)

    async def call(self) -> bytes:
        """See `Caller.call`."""
        async with asyncio.timeout(TIMEOUT):
            self._writer.writelines((self._head, self.body))
            await self._writer.drain()
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            fields = dict(line.lower().split(": ", 1) for line in lines if line)
            reply = await self._reader.readexactly(int(fields["content-length"]))
        if status.split()[1] != "200":
            raise RuntimeError(f"{status}: {reply[:500]!r}")
        return reply

    async def close(self) -> None:
        """See `Caller.close`."""
        self._writer.close()
        await self._writer.wait_closed()


def once(caller: Caller) -> bytes:
    """Returns the reply to one request."""

    async def call() -> bytes:
        await caller.open()
        try:
            return await caller.call()
        finally:
            await caller.close()

    return asyncio.run(call())


def latencies(caller: Caller, calls: int) -> list[float]:
    """Returns the seconds that each of so many requests took, one after another; a first one warms."""

    async def run() -> list[float]:
        await caller.open()
        taken = []
        try:
            for _ in range(calls + 1):
                begun = time.perf_counter()
                await caller.call()
                taken.append(time.perf_counter() - begun)
        finally:
            await caller.close()
        return taken[1:]

    return asyncio.run(run())


def measure(callers: Sequence[Caller], seconds: float) -> Load:
    """Lets all callers send for so long, after a tenth of it that does not count."""
    return asyncio.run(_measure(callers, seconds))


async def _measure(callers: Sequence[Caller], seconds: float) -> Load:
    taken: list[float] = []
    errors = 0

    async def work(caller: Caller) -> None:
        nonlocal errors
        while (begun := time.perf_counter()) < end:
            try:
                await caller.call()
            except Exception:  # of gRPC, of HTTP, of the connection: all of them are failed requests
                errors += begun >= start
                await caller.close()
                await caller.open()
                continue
            if begun >= start:
                taken.append(time.perf_counter() - begun)

    for caller in callers:
        await caller.open()
    begun = time.perf_counter()
    start, end = begun + seconds / 10, begun + seconds * 1.1
    await asyncio.gather(*map(work, callers))
    elapsed = time.perf_counter() - start
    for caller in callers:
        await caller.close()
    return summary(taken, elapsed, errors)
