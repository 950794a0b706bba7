"""The services that generic gRPC tools know: health and reflection."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from serving.protocol import messages
from serving.server.errors import StartError, StatusError
from serving.server.http2.call import Call
from serving.server.http2.services import Methods, Streaming
from serving.server.waiting import in_loop

LARGEST_QUESTION = 64 * 1024


class Health:
    """grpc.health.v1: what the server is, by service, asked once or watched.

    Args:
        loop: Where calls are answered.
    """

    NAME = "grpc.health.v1.Health"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._pb = _health_messages()
        self._loop, self._lock = loop, threading.Lock()
        self._statuses = {"": self._pb.HealthCheckResponse.SERVING}
        self._watching: dict[Call, str] = {}
        self._final = False

    def methods(self) -> Methods:
        """Returns Check and Watch."""
        return {
            f"/{self.NAME}/Check": Streaming(self._check, last=False, limit=LARGEST_QUESTION),
            f"/{self.NAME}/Watch": Streaming(self._watch, last=False, limit=LARGEST_QUESTION),
        }

    def set(self, service: str, status: int) -> None:
        """Sets what a service is, and tells those who watch; from any thread."""
        with self._lock:
            if self._final:
                return
            self._statuses[service] = status
        in_loop(self._loop, self._tell, service, status)

    def enter_lame_duck(self) -> None:
        """Sets all to NOT_SERVING, for good; from any thread."""
        not_serving = self._pb.HealthCheckResponse.NOT_SERVING
        with self._lock:
            if self._final:
                return
            self._final = True
            self._statuses = dict.fromkeys(self._statuses, not_serving)
        for service in self._statuses:
            in_loop(self._loop, self._tell, service, not_serving)

    def end_watches(self) -> None:
        """Ends the calls that last until the caller ends them; in the loop."""
        for call in tuple(self._watching):
            call.finish(StatusError("UNAVAILABLE", "the server stops"))

    def _check(self, raw: bytes, call: Call) -> None:
        status = self._statuses.get(self._service(raw))
        if status is None:
            raise StatusError("NOT_FOUND", "")
        call.reply(self._response(status))

    def _watch(self, raw: bytes, call: Call) -> None:
        service = self._service(raw)
        unknown = self._pb.HealthCheckResponse.SERVICE_UNKNOWN
        self._watching[call] = service
        call.at_end(lambda: self._watching.pop(call, None))
        call.send(self._response(self._statuses.get(service, unknown)))

    def _tell(self, service: str, status: int) -> None:
        for call, watched in tuple(self._watching.items()):
            if watched == service:
                call.send(self._response(status))

    def _service(self, raw: bytes) -> str:
        return str(_parsed(self._pb.HealthCheckRequest, raw).service)

    def _response(self, status: int) -> bytes:
        return bytes(self._pb.HealthCheckResponse(status=status).SerializeToString())


def reflection(*, lists_health: bool) -> Methods:
    """Lets generic tools list and call the services without the .proto files; of health only if it is served."""
    try:
        from grpc_reflection.v1alpha import reflection, reflection_pb2
    except ImportError as error:
        raise StartError("the server needs grpcio-reflection\nFix: pip install 'mizoo[zoo]'") from error
    pool = messages.pool()
    for file in (_health_messages().DESCRIPTOR, reflection_pb2.DESCRIPTOR):
        pool.AddSerializedFile(file.serialized_pb)
    names = [messages.PREDICTION_SERVICE, messages.MODEL_SERVICE, reflection.SERVICE_NAME]
    if lists_health:
        names.append(Health.NAME)
    servicer = reflection.ReflectionServicer(names, pool)

    def answer(raw: bytes, call: Call) -> None:
        question = _parsed(reflection_pb2.ServerReflectionRequest, raw)
        for response in servicer.ServerReflectionInfo(iter([question]), None):
            call.send(bytes(response.SerializeToString()))

    method = Streaming(answer, last=True, limit=LARGEST_QUESTION)
    return {f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": method}


def _parsed(kind: Any, raw: bytes) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(raw)
    except DecodeError as error:
        raise StatusError("INTERNAL", f"the bytes are no {kind.DESCRIPTOR.full_name}") from error


def _health_messages() -> Any:
    try:
        from grpc_health.v1 import health_pb2
    except ImportError as error:
        raise StartError("the server needs grpcio-health-checking\nFix: pip install 'mizoo[zoo]'") from error
    return health_pb2
