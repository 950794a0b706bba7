"""The gRPC server: ports, sockets, TLS, health and reflection around the methods of `grpc_methods`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.protocol import messages
from serving.server import grpc_methods
from serving.server.config_files import SslConfig
from serving.server.engine import Engine
from serving.server.errors import StartError
from serving.server.flag_fields import INT32
from serving.server.flags import Flags
from serving.server.grpc_standard import Health, reflection
from serving.server.http2.limits import Limits
from serving.server.http2.pace import ByPace, InFibers, InThreads, Placing
from serving.server.http2.server import Http2Server
from serving.server.http2.services import Method, Methods, Unary
from serving.server.http2.turns import Turns
from serving.server.loader import CALLERS_THREAD
from serving.server.reload import Reload
from serving.server.sockets import listen, tls_context

log = logging.getLogger(__name__)
HEALTH_NAMES = ["", "ModelService", "PredictionService", messages.MODEL_SERVICE, messages.PREDICTION_SERVICE]
ASIDE_THREADS = 4  # of calls that look after the server
# gRPC's names of what can be set here.
MESSAGE_LENGTH, STREAMS = "grpc.max_receive_message_length", "grpc.max_concurrent_streams"
AGE = "grpc.max_connection_age_ms"


@dataclass(frozen=True)
class GrpcOptions:
    """Where and how to listen.

    Attributes:
        address: `host:port`; port 0 takes a free one. None listens on the socket only.
        socket: Path of a UNIX socket, beside the address or instead of it.
        ssl: Keys and certificates; None is plain text.
        threads: That answer requests.
        share_port: Let other processes listen on the same port.
        health: Answer grpc.health.v1.
        channel_arguments: Of gRPC; those with the names above mean something here.
    """

    address: str | None = None
    socket: str = ""
    ssl: SslConfig | None = None
    threads: int = 8
    share_port: bool = False
    health: bool = True
    channel_arguments: Sequence[tuple[str, Any]] = ()


class GrpcApp:
    """A gRPC server over an engine; the port is bound at construction and answers after `start`.

    Args:
        engine: Models and calls.
        reload: Answers HandleReloadConfigRequest.
        options: Where and how to listen. The bound port is `port`.

    Raises:
        StartError: The port or the socket cannot be had.
    """

    def __init__(self, engine: Engine, reload: Reload, options: GrpcOptions) -> None:
        self._engine, self._options = engine, options
        flags, limit = engine.flags, engine.flags.zoo_max_request_bytes
        limits = _limits(limit, options.channel_arguments)
        loop = asyncio.new_event_loop()
        most, threads = flags.zoo_max_waiting_requests, options.threads
        self.turns = Turns(loop, threads, most=most, limit=limit, placing=_placing(flags))
        self._aside = Turns(loop, ASIDE_THREADS, most=0, limit=limit)
        self._health = Health(loop) if options.health else None
        self._http2 = Http2Server(loop, self._methods(reload), limits, lambda: self.turns.running)
        self.port = 0
        try:
            self._bind()
        except BaseException:
            self.stop(0)
            raise

    def start(self) -> None:
        """Opens the port for requests and turns health to what the models are."""
        self._http2.start()
        self.report_health()

    def report_health(self) -> None:
        """Turns health to SERVING if every model has an available version, else to NOT_SERVING."""
        if self._health is None:
            return
        from grpc_health.v1 import health_pb2

        states = health_pb2.HealthCheckResponse
        state = states.SERVING if self._engine.lifecycle.ready() else states.NOT_SERVING
        for name in HEALTH_NAMES:
            self._health.set(name, state)

    def enter_lame_duck(self) -> None:
        """Turns health to NOT_SERVING for good; requests are still answered."""
        if self._health is not None:
            self._health.enter_lame_duck()

    def stop(self, drain_seconds: float) -> None:
        """Refuses new requests, and waits for the running ones."""
        self.enter_lame_duck()
        self._http2.stop(drain_seconds, self._health.end_watches if self._health else lambda: None)
        self.turns.close()
        self._aside.close()

    def _methods(self, reload: Reload) -> Methods:
        def refused() -> None:
            self._engine.metrics.add(":zoo:refused_total", "", "UNAVAILABLE")

        found: dict[str, Method] = {
            name: Unary(answer, self._aside)
            if name in grpc_methods.QUICK
            else Unary(answer, self.turns, refused)
            for name, answer in grpc_methods.answers(self._engine, reload).items()
        }
        health = self._health.methods() if self._health is not None else {}
        return {**found, **health, **reflection(lists_health=self._health is not None)}

    def _bind(self) -> None:
        options = self._options
        if options.address is not None:
            host, _, port = options.address.rpartition(":")
            context = tls_context(options.ssl, ["h2"]) if options.ssl else None
            # Without processes of ours on it a taken port is an error, not a second server with half of the calls.
            held = listen(host, int(port), options.share_port)
            self._http2.listen(held, context)
            self.port = held.getsockname()[1]
        if options.socket:
            self._http2.listen_unix(Path(options.socket))


def _placing(flags: Flags) -> Placing:
    if flags.enable_batching:
        return InFibers()
    return ByPace() if flags.tensorflow_inter_op_parallelism == CALLERS_THREAD else InThreads()


def _limits(cap: int, arguments: Sequence[tuple[str, Any]]) -> Limits:
    given = dict(arguments)
    for name, value in given.items():
        if name not in (MESSAGE_LENGTH, STREAMS, AGE):
            log.warning("--grpc_channel_arguments: %s changes nothing in this server", name)
        elif not isinstance(value, int):
            raise StartError(f"--grpc_channel_arguments: {name}={value}\nFix: give a whole number")
        elif name == STREAMS and not 1 <= value <= INT32:
            raise StartError(f"--grpc_channel_arguments: {name}={value}\nFix: give 1 or more")
    plain = Limits()
    return Limits(
        message=max(0, given.get(MESSAGE_LENGTH, cap)),
        streams=given.get(STREAMS, plain.streams),
        age=max(0.0, given.get(AGE, 0) / 1000),
    )
