"""gRPC channels, blocking and for asyncio, with bytes in and out."""

from __future__ import annotations

import time
from typing import Any

import grpc

from serving.client import grpc_wire
from serving.client.calls import Send
from serving.client.errors import ServingError, from_status
from serving.client.settings import Settings
from serving.client.transport import LoopOwned, Owned

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),  # gRPC's default of 4 MiB is the commonest fault in practice
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # In truth the least time that a connection is given, TLS included: 0.1 s is too little to another continent.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


class GrpcTransport(Owned):
    """One channel; safe for threads."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._channel = _open(grpc, settings)
        self._methods: dict[str, Any] = {}

    def send(self, step: Send) -> Any:
        """Returns the reply's content, or raises a ServingError."""
        self.check()
        method, request = grpc_wire.encode(step.call)
        try:
            stub = self._methods.get(method) or self._methods.setdefault(
                method, self._channel.unary_unary(method)
            )
            raw = stub(request, timeout=_left(step), metadata=_metadata(self._settings))
        except grpc.RpcError as error:
            raise _translated(error, self._settings, step) from error
        except ValueError:  # gRPC's way to say that another thread closed the channel meanwhile
            self.check()
            raise
        return grpc_wire.decode(step.call, raw)

    def close(self) -> None:
        """Closes the channel; calls under way fail."""
        self._closed = True
        self._channel.close()


class AsyncGrpcTransport(LoopOwned):
    """One grpc.aio channel, opened in the event loop of the first call."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._channel: Any = None
        self._methods: dict[str, Any] = {}

    async def send(self, step: Send) -> Any:
        """Returns the reply's content, or raises a ServingError."""
        self.check()
        if self._channel is None:
            self._channel = _open(grpc.aio, self._settings)
        method, request = grpc_wire.encode(step.call)
        if method not in self._methods:
            self._methods[method] = self._channel.unary_unary(method)
        try:
            raw = await self._methods[method](
                request, timeout=_left(step), metadata=_metadata(self._settings)
            )
        except grpc.RpcError as error:
            raise _translated(error, self._settings, step) from error
        return grpc_wire.decode(step.call, raw)

    async def close(self) -> None:
        """Closes the channel; calls under way fail."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()


def _open(module: Any, settings: Settings) -> Any:
    """Opens a channel with `grpc` or `grpc.aio`, whose functions have the same names."""
    proxy = [("grpc.enable_http_proxy", 0)] if settings.local else []
    compression = grpc.Compression.Gzip if settings.gzip else None
    arguments = {"options": [*_OPTIONS, *proxy], "compression": compression}
    if settings.tls is None:
        return module.insecure_channel(settings.address, **arguments)
    tls = settings.tls
    credentials = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.cert)
    return module.secure_channel(settings.address, credentials, **arguments)


def _metadata(settings: Settings) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {settings.token}"),) if settings.token else ()


def _left(step: Send) -> float:
    return max(0.0, step.deadline - time.monotonic())


def _translated(error: Any, settings: Settings, step: Send) -> ServingError:
    code, message = error.code().name, error.details() or ""
    return from_status(code, message, address=settings.address, seconds=step.seconds)
