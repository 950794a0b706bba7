"""One client: what it sends becomes calls, what they answer goes back."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, cast

from serving.server.errors import StatusError
from serving.server.http2 import frames
from serving.server.http2.frames import ConnectionFaultError
from serving.server.http2.header_blocks import HeaderBlocks
from serving.server.http2.limits import HEADER_BYTES, Calm, Limits
from serving.server.http2.reader import LONGEST_DATA, FrameReader
from serving.server.http2.services import Methods
from serving.server.http2.streams import WINDOW, Streams

log = logging.getLogger(__name__)


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
        self._streams = Streams(self._methods, self._limits, self._calm, self._transport.write, self._peer)
        self._outbox = self._streams.outbox
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
        self._streams.forget_all()
        self._closed(self)

    # What the server asks

    @property
    def idle(self) -> bool:
        """Whether no call is open."""
        return not self._streams

    @property
    def sending(self) -> bool:
        """Whether something is on its way to the client."""
        return self._outbox.stuck or self._unsent() > 0

    def go_away(self) -> None:
        """Takes no further calls; those that are open go on."""
        if self._streams.go_away():
            self._transport.write(frames.goaway(self._streams.promised, frames.NO_ERROR))

    def close(self) -> None:
        """Ends the connection, and the calls that are still open with it."""
        self._streams.finish_all(StatusError("UNAVAILABLE", "the server stops"))
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
        if not self._greeted and now - self._begun > self._limits.hello:
            self.abort()
            return
        if now > self._old:
            self.go_away()
            if self.idle and not self._over:
                self.close()
        if not self._over:
            self._streams.expire(now)
        unsent = self._unsent()
        progress = self._outbox.progress - unsent
        if progress != self._progress or not (unsent or self._outbox.stuck or self._over):
            self._progress, self._since = progress, now
        elif now - self._since > self._limits.silence:
            self.abort()

    def _unsent(self) -> int:
        try:
            return self._transport.get_write_buffer_size()
        except AttributeError:  # of a TLS transport that has been closed, in Python 3.11
            return 0

    # Frames

    def on_data(self, number: int, chunk: memoryview, size: int, last: bool) -> None:
        """See `Sink.on_data`."""
        if self._blocks.open:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "DATA within the header fields of a call")
        self._received += size
        if self._received > WINDOW // 2:
            self._transport.write(frames.window_update(0, self._received))
            self._received = 0
        self._streams.data(number, chunk, size, last)

    def on_frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        """See `Sink.on_frame`."""
        if not self._greeted and kind != frames.SETTINGS:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if self._blocks.open and (kind != frames.CONTINUATION or number != self._blocks.stream):
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "a frame within the header fields of a call")
        if kind in (frames.HEADERS, frames.CONTINUATION):
            block = self._blocks.add(kind, flags, number, payload)
            if block is not None:
                self._streams.begin(number, *block)
        elif kind == frames.WINDOW_UPDATE:
            self._on_window_update(number, payload)
        else:
            handler: Any = _OTHERS.get(kind)
            # A ping for what has gone out measures how fast it goes: some clients ask all the time.
            if kind != frames.PING or self._pinged == self._outbox.progress:
                self._streams.count()
            if handler is not None:
                handler(self, flags, number, payload)

    def _on_window_update(self, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE of a wrong length")
        amount = int.from_bytes(payload, "big") & 0x7FFFFFFF
        if amount == 0:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "WINDOW_UPDATE of nothing")
        if number == 0 or number in self._streams:
            self._outbox.grant(number, amount)
        elif number > self._streams.last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"WINDOW_UPDATE on stream {number}")
        else:
            self._streams.count()

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
        if len(payload) != 4:
            raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "RST_STREAM of a wrong length")
        self._streams.reset(number)

    def _on_push(self, *_: object) -> None:
        raise ConnectionFaultError(frames.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _hang_up(self, fault: ConnectionFaultError) -> None:
        log.debug("%s: %s", self._peer, fault.text)
        self._transport.write(frames.goaway(self._streams.promised, fault.code, fault.text))
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
