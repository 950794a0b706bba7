"""One client: what it sends becomes calls, what they answer goes back."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from serving.server.errors import StatusError
from serving.server.http2 import frames, headers
from serving.server.http2.call import Call
from serving.server.http2.frames import ConnectionFaultError
from serving.server.http2.header_blocks import HeaderBlocks, Said
from serving.server.http2.inbox import Inbox
from serving.server.http2.limits import HEADER_BYTES, Calm, Limits
from serving.server.http2.outbox import Outbox
from serving.server.http2.reader import LONGEST_DATA, FrameReader
from serving.server.http2.services import MISSING, Method, Methods

log = logging.getLogger(__name__)
WINDOW = 2**30  # messages have a limit of their own; a window below it would only make clients wait


@dataclass
class Stream:
    """A call and what it has sent."""

    call: Call
    method: Method
    inbox: Inbox
    open: bool = True  # the client may send more
    begun: bool = False  # header fields have gone out
    received: int = 0  # bytes since the last WINDOW_UPDATE
    heard: float = 0.0


class Connection(asyncio.BufferedProtocol):
    """The server's end of a connection.

    Args:
        methods: What can be called.
        limits: What the client may ask for.
        buffer: Where bytes are received; the connections of a loop share one, which reads one at a time.
        opened: Told of the connection when it is there.
        closed: Told when it is gone.
    """

    def __init__(
        self,
        methods: Methods,
        limits: Limits,
        buffer: memoryview,
        opened: Callable[[Connection], object],
        closed: Callable[[Connection], object],
    ) -> None:
        self._methods, self._limits, self._buffer = methods, limits, buffer
        self._opened, self._closed = opened, closed
        self._reader = FrameReader(self)
        self._blocks = HeaderBlocks()
        self._calm = Calm()
        self._streams: dict[int, Stream] = {}
        self._last = 0  # the highest stream that the client has begun
        self._promised: int | None = None  # the highest stream that GOAWAY lets go on
        self._cut: deque[int] = deque(maxlen=64)  # streams of ours to reset: trailers may be on their way
        self._greeted = self._over = False
        self._received = 0
        self._begun = self._since = time.monotonic()
        self._old = self._begun + limits.age * random.uniform(0.9, 1.1) if limits.age else float("inf")
        self._progress = self._pinged = 0

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greets the client."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(2**20)
        self._peer = peer_name(transport)
        self._outbox = Outbox(self._transport.write, self._sent)
        mine = {
            frames.MAX_CONCURRENT_STREAMS: self._limits.streams,
            frames.INITIAL_WINDOW_SIZE: WINDOW,
            frames.MAX_FRAME_SIZE: LONGEST_DATA,
            frames.MAX_HEADER_LIST_SIZE: HEADER_BYTES,
        }
        grown = frames.window_update(0, WINDOW - frames.DEFAULT_WINDOW)
        self._transport.write(frames.settings(mine) + grown)
        self._opened(self)

    def get_buffer(self, _: int) -> memoryview:
        """Returns where the next bytes go."""
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        """Takes bytes."""
        if self._over or self._transport.is_closing():
            return
        try:
            self._reader.feed(self._buffer[:count])
        except ConnectionFaultError as fault:
            self._hang_up(fault)
        except Exception:
            log.exception("a connection failed")
            self.abort()

    def pause_writing(self) -> None:
        """The client does not read: nor do we."""
        self._outbox.pause()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._transport.resume_reading()
        if not self._over:
            self._outbox.resume()

    def connection_lost(self, _: Exception | None) -> None:
        """Ends all calls."""
        self._over = True
        for number in tuple(self._streams):
            self._end(number)
        self._closed(self)

    # What the server asks

    @property
    def idle(self) -> bool:
        """Whether no call is open."""
        return not self._streams

    @property
    def sending(self) -> bool:
        """Whether something is on its way to the client."""
        return self._outbox.stuck or self._transport.get_write_buffer_size() > 0

    def go_away(self) -> None:
        """Takes no further calls; those that are open go on."""
        if self._promised is None:
            self._promised = self._last
            self._transport.write(frames.goaway(self._last, frames.NO_ERROR))

    def close(self) -> None:
        """Ends the connection, and the calls that are still open with it."""
        for stream in tuple(self._streams.values()):
            stream.call.finish(StatusError("UNAVAILABLE", "the server stops"))
        self._over = True
        try:  # the client closes it: a closed socket that receives more would cut off replies on their way
            self._transport.write_eof()
        except (NotImplementedError, OSError):  # TLS says goodbye by itself; or the client is gone
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._over = True
        self._transport.abort()

    def tick(self, now: float) -> None:
        """Ends what the client has been waited for too long; called every second."""
        self._calm.earn(Calm.PER_SECOND)
        silence = self._limits.silence
        if not self._greeted and now - self._begun > self._limits.hello:
            self.abort()
            return
        if now > self._old:
            self.go_away()
            if self.idle and not self._over:
                self.close()
        if not self._over:
            for stream in tuple(self._streams.values()):
                if stream.open and now - stream.heard > silence:
                    stream.call.finish(StatusError("CANCELLED", f"no byte of the message for {silence:g} s"))
        unsent = self._transport.get_write_buffer_size()
        progress = self._outbox.progress - unsent
        if progress != self._progress or not (unsent or self._outbox.stuck):
            self._progress, self._since = progress, now
        elif now - self._since > silence:
            self.abort()

    # Replies

    def send(self, number: int, message: bytes) -> None:
        """See `Replies.send`."""
        self._begin(number)
        self._outbox.message(number, message)

    def reply(self, number: int, message: bytes) -> None:
        """See `Replies.reply`."""
        self._outbox.reply(number, message)

    def finish(self, number: int, error: StatusError | None) -> None:
        """See `Replies.finish`."""
        stream = self._streams[number]
        if error is None:
            self._begin(number)
        block = headers.END if error is None else headers.refusal(error, begun=stream.begun)
        self._outbox.end(number, block)

    def _begin(self, number: int) -> None:
        if not self._streams[number].begun:
            self._streams[number].begun = True
            self._outbox.begin(number)

    def _sent(self, number: int) -> None:
        """The last of a stream has gone out."""
        self._calm.earn(Calm.PER_CALL)
        stream = self._end(number)
        if stream is not None and stream.open:
            self._cut.append(number)
            self._transport.write(frames.rst_stream(number, frames.NO_ERROR))

    def _end(self, number: int) -> Stream | None:
        stream = self._streams.pop(number, None)
        self._outbox.forget(number)
        if stream is not None:
            stream.call.end()
        return stream

    # Frames

    def on_data(self, number: int, chunk: memoryview, size: int, last: bool) -> None:
        """See `Sink.on_data`."""
        if number == 0 or number > self._last or self._blocks.open:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"DATA on stream {number}")
        if not size and not last:
            self._count()
        self._received += size
        if self._received > WINDOW // 2:
            self._transport.write(frames.window_update(0, self._received))
            self._received = 0
        stream = self._streams.get(number)
        if stream is None:
            return  # refused or reset meanwhile
        if not stream.open:
            raise ConnectionFaultError(frames.STREAM_CLOSED, f"DATA after the end of stream {number}")
        stream.open = not last
        stream.heard = time.monotonic()
        stream.received += size
        if stream.received > WINDOW // 2 and not last:
            self._transport.write(frames.window_update(number, stream.received))
            stream.received = 0
        self._deliver(stream, chunk, last)

    def _deliver(self, stream: Stream, chunk: memoryview, last: bool) -> None:
        call = stream.call
        try:
            messages = stream.inbox.take(chunk)
        except StatusError as error:
            call.finish(error)
            return
        for message in messages:
            if not call.ended:
                stream.method.message(call, message)
        if last and not call.ended:
            if stream.inbox.empty:
                stream.method.half_closed(call)
            else:
                call.finish(StatusError("INTERNAL", "the call ends within a message"))

    def on_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """See `Sink.on_frame`."""
        if not self._greeted and kind != frames.SETTINGS:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if self._blocks.open and (kind != frames.CONTINUATION or number != self._blocks.stream):
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a frame within the header fields of a call")
        if kind in (frames.HEADERS, frames.CONTINUATION):
            self._on_headers(kind, flags, number, payload)
        elif kind == frames.WINDOW_UPDATE:
            self._on_window_update(number, payload)
        else:
            handler: Any = _OTHERS.get(kind)
            if kind != frames.PING or self._pinged == self._outbox.progress:
                self._count()  # a ping for what has gone out measures how fast it goes: some clients ask all the time
            if handler is not None:
                handler(self, flags, number, payload)

    def _on_headers(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        block = self._blocks.add(kind, flags, number, payload)
        if block is None:
            return
        said, last = block
        if number in self._streams:  # trailers of a request
            stream = self._streams[number]
            if not stream.open or not last:
                raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"further fields on stream {number}")
            stream.open = False
            self._deliver(stream, memoryview(b""), True)
            return
        if number in self._cut:
            self._count()
            return
        if number % 2 == 0 or number <= self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"stream {number} cannot begin now")
        self._last = number
        if self._promised is not None:
            return  # the GOAWAY said so: the client asks elsewhere
        if len(self._streams) >= self._limits.streams:
            self._count()
            if not last:
                self._cut.append(number)
            self._transport.write(frames.rst_stream(number, frames.REFUSED_STREAM))
            return
        self._open(number, said, last)

    def _open(self, number: int, said: Said, last: bool) -> None:
        if isinstance(said, headers.NotGrpcError):
            self._outbox.fields(number, headers.http_refusal(said.status), frames.END_STREAM)
            if not last:
                self._cut.append(number)
                self._transport.write(frames.rst_stream(number, frames.NO_ERROR))
            return
        request = said if isinstance(said, headers.Request) else headers.NOTHING
        method = self._methods.get(request.path, MISSING)
        call = Call(request, number, self._peer, self)
        inbox = Inbox(self._limits.message, request.encoding)
        self._streams[number] = Stream(call, method, inbox, open=not last, heard=time.monotonic())
        error = said if isinstance(said, StatusError) else method.refusal()
        if error is not None:
            call.finish(error)
        elif last:
            method.half_closed(call)

    def _on_window_update(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length")
        amount = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if amount == 0:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
        if number == 0 or number in self._streams:
            self._outbox.grant(number, amount)
        elif number > self._last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"WINDOW_UPDATE on stream {number}")
        else:
            self._count()

    def _on_settings(self, flags: int, number: int, payload: bytes) -> None:
        if number or (flags & frames.ACK and payload):
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "SETTINGS on a stream, or an ACK with values")
        if flags & frames.ACK:
            return
        self._greeted = True
        self._outbox.configure(frames.parse_settings(payload))
        self._transport.write(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _on_ping(self, flags: int, number: int, payload: bytes) -> None:
        self._pinged = self._outbox.progress
        if number or len(payload) != 8:
            raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "PING of a wrong length, or on a stream")
        if not flags & frames.ACK:
            self._transport.write(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _on_reset(self, _: int, number: int, payload: bytes) -> None:
        if number == 0 or number > self._last or len(payload) != 4:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"RST_STREAM on stream {number}")
        self._end(number)

    def _on_push(self, *_: object) -> None:
        raise ConnectionFaultError(frames.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _count(self) -> None:
        if self._calm.spend():
            raise ConnectionFaultError(frames.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def _hang_up(self, fault: ConnectionFaultError) -> None:
        log.debug("%s: %s", self._peer, fault.text)
        last = self._last if self._promised is None else self._promised
        self._transport.write(frames.goaway(last, fault.code, fault.text))
        self._over = True
        self._transport.close()


_OTHERS = {
    frames.SETTINGS: Connection._on_settings,
    frames.PING: Connection._on_ping,
    frames.RST_STREAM: Connection._on_reset,
    frames.PUSH_PROMISE: Connection._on_push,
}


def peer_name(transport: asyncio.BaseTransport) -> str:
    """Returns who is at the other end, as gRPC writes it."""
    address = transport.get_extra_info("peername")
    if isinstance(address, tuple):
        return f"ipv6:[{address[0]}]:{address[1]}" if ":" in address[0] else f"ipv4:{address[0]}:{address[1]}"
    return "unknown:" if address is None else "unix:"
