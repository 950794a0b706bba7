"""The calls of one connection: how they begin, what they send, how they are answered and end."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from serving.server.errors import StatusError
from serving.server.http2 import frames, headers
from serving.server.http2.call import Call
from serving.server.http2.frames import ConnectionFaultError
from serving.server.http2.header_blocks import Said
from serving.server.http2.inbox import Inbox
from serving.server.http2.limits import Calm, Limits
from serving.server.http2.outbox import Outbox
from serving.server.http2.services import MISSING, Method, Methods

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


class Streams:
    """The open streams of a connection.

    Args:
        methods: What can be called.
        limits: What the client may ask for.
        calm: Counts what brings nothing.
        write: Takes bytes for the socket.
        peer: Who calls.

    Attributes:
        outbox: Sends the replies.
        last: The highest stream that the client has begun.
    """

    def __init__(
        self, methods: Methods, limits: Limits, calm: Calm, write: Callable[[bytes], object], peer: str
    ) -> None:
        self._methods, self._limits, self._calm, self._write, self._peer = methods, limits, calm, write, peer
        self.outbox = Outbox(write, self._sent)
        self.last = 0
        self._open: dict[int, Stream] = {}
        self._promised: int | None = None  # the highest stream that GOAWAY lets go on
        self._cut: deque[int] = deque(maxlen=64)  # streams of ours to reset: trailers may be on their way

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, number: int) -> bool:
        return number in self._open

    @property
    def promised(self) -> int:
        """The highest stream that is still answered."""
        return self.last if self._promised is None else self._promised

    def go_away(self) -> bool:
        """Takes no further calls; returns whether it took some before."""
        took, self._promised = self._promised is None, self.promised
        return took

    def finish_all(self, error: StatusError) -> None:
        """Ends all calls with an error."""
        for stream in tuple(self._open.values()):
            stream.call.finish(error)

    def forget_all(self) -> None:
        """The connection is gone."""
        for number in tuple(self._open):
            self.end(number)

    def expire(self, now: float) -> None:
        """Ends the calls whose messages do not come."""
        silence = self._limits.silence
        for stream in tuple(self._open.values()):
            if stream.open and now - stream.heard > silence:
                stream.call.finish(StatusError("CANCELLED", f"no byte of the message for {silence:g} s"))

    # What the client sends

    def begin(self, number: int, said: Said, last: bool) -> None:
        """Takes header fields: of a new call, or after the last message of one.

        Raises:
            ConnectionFaultError: Neither can be.
        """
        if number in self._open:
            self._end_of_request(number, last)
        elif number in self._cut:
            self.count()
        elif number % 2 == 0 or number <= self.last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"stream {number} cannot begin now")
        else:
            self.last = number
            if self._promised is not None:
                return  # the GOAWAY said so: the client asks elsewhere
            if len(self._open) >= self._limits.streams:
                self.count()
                self._reset(number, frames.REFUSED_STREAM, ended=last)
            elif isinstance(said, headers.NotGrpcError):
                self.outbox.fields(number, headers.http_refusal(said.status), frames.END_STREAM)
                if not last:
                    self._reset(number, frames.NO_ERROR)
            else:
                self._call(number, said, last)

    def data(self, number: int, chunk: memoryview, size: int, last: bool) -> None:
        """Takes data of a call; of one that was refused or reset meanwhile, they are nobody's.

        Raises:
            ConnectionFaultError: The call has not begun, or has ended.
        """
        if number == 0 or number > self.last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"DATA on stream {number}")
        if not size and not last:
            self.count()
        stream = self._open.get(number)
        if stream is None:
            return
        if not stream.open:
            raise ConnectionFaultError(frames.STREAM_CLOSED, f"DATA after the end of stream {number}")
        stream.open = not last
        stream.heard = time.monotonic()
        stream.received += size
        if stream.received > WINDOW // 2 and not last:
            self._write(frames.window_update(number, stream.received))
            stream.received = 0
        self._deliver(stream, chunk, last)

    def reset(self, number: int) -> None:
        """Takes RST_STREAM.

        Raises:
            ConnectionFaultError: The call has not begun.
        """
        if number == 0 or number > self.last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"RST_STREAM on stream {number}")
        self.end(number)

    def count(self) -> None:
        """Counts a frame that brings nothing.

        Raises:
            ConnectionFaultError: There were too many of them.
        """
        if self._calm.spend():
            raise ConnectionFaultError(frames.ENHANCE_YOUR_CALM, "too many frames that ask for nothing")

    def end(self, number: int) -> Stream | None:
        """Forgets a call."""
        stream = self._open.pop(number, None)
        self.outbox.forget(number)
        if stream is not None:
            stream.call.end()
        return stream

    def _call(self, number: int, said: headers.Request | StatusError, last: bool) -> None:
        request = said if isinstance(said, headers.Request) else headers.NOTHING
        method = self._methods.get(request.path, MISSING)
        call = Call(request, number, self._peer, self)
        inbox = Inbox(self._limits.message, request.encoding)
        self._open[number] = Stream(call, method, inbox, open=not last, heard=time.monotonic())
        error = said if isinstance(said, StatusError) else method.refusal()
        if error is not None:
            call.finish(error)
        elif last:
            method.half_closed(call)

    def _end_of_request(self, number: int, last: bool) -> None:
        stream = self._open[number]
        if not stream.open or not last:
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, f"further fields on stream {number}")
        stream.open = False
        self._deliver(stream, memoryview(b""), True)

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

    # What is answered

    def send(self, stream: int, message: bytes) -> None:
        """See `Replies.send`."""
        self._begin(stream)
        self.outbox.message(stream, message)

    def reply(self, stream: int, message: bytes) -> None:
        """See `Replies.reply`."""
        self.outbox.reply(stream, message)

    def finish(self, stream: int, error: StatusError | None) -> None:
        """See `Replies.finish`."""
        if error is None:
            self._begin(stream)
        begun = self._open[stream].begun
        self.outbox.end(stream, headers.END if error is None else headers.refusal(error, begun=begun))

    def _begin(self, number: int) -> None:
        if not self._open[number].begun:
            self._open[number].begun = True
            self.outbox.begin(number)

    def _sent(self, number: int) -> None:
        """The last of a stream has gone out."""
        self._calm.earn(Calm.PER_CALL)
        stream = self.end(number)
        if stream is not None and stream.open:
            self._reset(number, frames.NO_ERROR)

    def _reset(self, number: int, code: int, *, ended: bool = False) -> None:
        if not ended:
            self._cut.append(number)
        self._write(frames.rst_stream(number, code))
