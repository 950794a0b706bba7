"""Parts of a connection, with lists instead of sockets."""

from __future__ import annotations

from collections.abc import Mapping

from serving.server.http2 import frames
from serving.server.http2.call import Call
from serving.server.http2.connection import Connection
from serving.server.http2.inbox import Message
from serving.server.http2.limits import Limits
from serving.server.http2.outbox import Outbox
from serving.server.http2.services import Method, Methods
from tests.serving.http2.wire import Frame, message, parsed


class Out:
    """An outbox, and what it wrote."""

    def __init__(self) -> None:
        self.written, self.sent = bytearray(), list[int]()
        self.box = Outbox(self.written.extend, self._sent)

    def _sent(self, stream: int) -> None:
        self.sent.append(stream)
        self.box.forget(stream)  # as the connection does

    def frames(self, stream: int) -> list[Frame]:
        return [each for each in parsed(self.written) if each.stream == stream]

    def data(self, stream: int) -> bytes:
        return b"".join(each.payload for each in self.frames(stream) if each.kind == frames.DATA)

    def check(self, stream: int, *sent: bytes) -> None:
        """A whole reply: fields, data, trailers, nothing twice."""
        kinds = [each.kind for each in self.frames(stream)]
        middle = kinds[1:-1]
        assert kinds[0] == kinds[-1] == frames.HEADERS and set(middle) <= {frames.DATA}
        assert [each.last for each in self.frames(stream)] == [False] * (len(kinds) - 1) + [True]
        assert self.data(stream) == b"".join(map(message, sent))
        assert self.frames(stream)[-1].fields() == {"grpc-status": "0"}
        assert self.sent.count(stream) == 1 and not self.box._granted and not self.box._left


class FakeTransport:
    """Keeps what is written; says so when it is too much."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.unsent, self.closed, self.aborted, self.ended, self.reading = 0, False, False, False, True

    def write(self, raw: bytes) -> None:
        assert not self.ended, "asyncio raises RuntimeError"
        if not self.closed:
            self.written += raw

    def write_eof(self) -> None:
        self.ended = True

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return "127.0.0.1", 1

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, _: int) -> None: ...

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Wire:
    """A connection without a socket."""

    def __init__(self, methods: Methods, limits: Limits | None = None) -> None:
        self._buffer = memoryview(bytearray(2**18))
        ignore = [].append
        self.transport = FakeTransport()
        self.connection = Connection(methods, limits or Limits(), self._buffer, ignore, ignore)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def feed(self, *parts: bytes) -> Wire:
        raw = b"".join(parts)
        for at in range(0, len(raw), len(self._buffer)):
            chunk = raw[at : at + len(self._buffer)]
            self._buffer[: len(chunk)] = chunk
            self.connection.buffer_updated(len(chunk))
        return self

    def frames(self) -> list[Frame]:
        """What was written since the last look."""
        found = parsed(self.transport.written)
        self.transport.written.clear()
        return found

    def statuses(self) -> Mapping[int, str]:
        """How calls ended since the last look."""
        return {each.stream: each.fields()["grpc-status"] for each in self.frames() if each.last}


class Kept(Method):
    """Keeps calls open; `halves` are those that the caller has ended."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.halves: list[Call] = []

    def message(self, call: Call, message: Message) -> None:
        self.messages.append(message)

    def half_closed(self, call: Call) -> None:
        self.halves.append(call)
