"""From replies to frames, as fast as the client takes them: its windows, its largest frame, its socket."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from serving.server.http2 import frames, headers
from serving.server.http2.frames import ConnectionFaultError
from serving.server.http2.inbox import PREFIX

_AT_ONCE = 2**20  # bytes of one write


@dataclass
class _Left:
    """What of a stream was not sent yet: its data, and the trailers after them."""

    data: deque[memoryview] = field(default_factory=deque)
    trailers: bytes | None = None


class Outbox:
    """Sends the replies of a connection.

    Args:
        write: Takes bytes for the socket.
        sent: Told of a stream whose trailers have gone out.
    """

    def __init__(self, write: Callable[[bytes], object], sent: Callable[[int], object]) -> None:
        self._write, self._sent = write, sent
        self._window = self._initial = frames.DEFAULT_WINDOW
        self._largest = frames.DEFAULT_FRAME
        self._granted: dict[int, int] = {}  # stream -> its window less the initial one
        self._left: dict[int, _Left] = {}
        self._paused = False
        self._update = b""  # of the client's table of fields; begins the next block
        self.progress = 0  # grows with every byte that goes out

    @property
    def stuck(self) -> bool:
        """Whether something waits for the client."""
        return bool(self._left) or self._paused

    def reply(self, stream: int, message: bytes) -> None:
        """Sends the one message of a call and its good end, in one write where the client takes it."""
        size = len(message) + PREFIX
        window = self._initial + self._granted.get(stream, 0)
        if self._paused or self._left or self._update or size > min(self._window, window, self._largest):
            self.begin(stream)
            self.message(stream, message)
            self.end(stream, headers.END)
            return
        self._window -= size
        self.progress += size
        self._write(
            b"".join(
                (
                    frames.head(frames.HEADERS, frames.END_HEADERS, stream, len(headers.BEGIN)),
                    headers.BEGIN,
                    frames.head(frames.DATA, 0, stream, size),
                    _prefix(message),
                    message,
                    frames.head(
                        frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, len(headers.END)
                    ),
                    headers.END,
                )
            )
        )
        self._sent(stream)

    def begin(self, stream: int) -> None:
        """Sends the first header fields of a good reply."""
        self.fields(stream, headers.BEGIN)

    def fields(self, stream: int, block: bytes, flags: int = 0) -> None:
        """Sends header fields; they wait for no window."""
        block, self._update = self._update + block, b""
        self._write(frames.frame(frames.HEADERS, flags | frames.END_HEADERS, stream, block))

    def message(self, stream: int, message: bytes) -> None:
        """Sends a message when its turn comes."""
        left = self._left.setdefault(stream, _Left())
        left.data.append(memoryview(_prefix(message)))
        if message:  # a frame of nothing would look like a closed window
            left.data.append(memoryview(message))
        self._pump(stream)

    def end(self, stream: int, block: bytes) -> None:
        """Ends a stream after what is left of it."""
        self._left.setdefault(stream, _Left()).trailers = block
        self._pump(stream)

    def forget(self, stream: int) -> None:
        """Drops what is left of a stream that has ended otherwise."""
        self._left.pop(stream, None)
        self._granted.pop(stream, None)

    def grant(self, stream: int, amount: int) -> None:
        """Takes a WINDOW_UPDATE; of stream 0 for the whole connection.

        Raises:
            ConnectionFaultError: The window would grow too large.
        """
        if stream:
            self._granted[stream] = self._granted.get(stream, 0) + amount
            _check(self._initial + self._granted[stream])
            self._pump(stream)
            return
        self._window += amount
        _check(self._window)
        if self._window <= amount:  # otherwise it is not what the others wait for
            for each in tuple(self._left):
                if self._window > 0:
                    self._pump(each)

    def configure(self, settings: dict[int, int]) -> None:
        """Takes the client's SETTINGS."""
        self._initial = settings.get(frames.INITIAL_WINDOW_SIZE, self._initial)
        self._largest = settings.get(frames.MAX_FRAME_SIZE, self._largest)
        if settings.get(frames.HEADER_TABLE_SIZE, frames.DEFAULT_TABLE) < frames.DEFAULT_TABLE:
            self._update = b"\x20"  # its new size: none, for we use none (RFC 7541, sections 4.2 and 6.3)
        _check(self._initial + max(self._granted.values(), default=0))
        self._pump_all()

    def pause(self) -> None:
        """The socket takes no more."""
        self._paused = True

    def resume(self) -> None:
        """The socket takes more again."""
        self._paused = False
        self._pump_all()

    def _pump_all(self) -> None:
        for stream in tuple(self._left):
            self._pump(stream)

    def _pump(self, stream: int) -> None:
        left = self._left.get(stream)
        while left is not None and left.data and not self._paused:
            parts, size = self._next(stream, left.data)
            if not size:
                return
            self.progress += size
            self._write(b"".join(parts))
        if left is not None and not left.data and not self._paused:
            del self._left[stream]
            if left.trailers is not None:
                self.fields(stream, left.trailers, frames.END_STREAM)
                self._sent(stream)

    def _next(self, stream: int, data: deque[memoryview]) -> tuple[list[bytes | memoryview], int]:
        """Takes DATA frames for one write, as many as the windows allow."""
        parts: list[bytes | memoryview] = []
        total = 0
        while data and total < _AT_ONCE:
            window = min(self._window, self._initial + self._granted.get(stream, 0), self._largest)
            chunk = data.popleft()
            if window < len(chunk):
                if window > 0:
                    data.appendleft(chunk[window:])
                    chunk = chunk[:window]
                else:
                    data.appendleft(chunk)
                    break
            self._window -= len(chunk)
            self._granted[stream] = self._granted.get(stream, 0) - len(chunk)
            total += len(chunk)
            parts += frames.head(frames.DATA, 0, stream, len(chunk)), chunk
        return parts, total


def _check(window: int) -> None:
    if window > frames.LARGEST_WINDOW:
        raise ConnectionFaultError(frames.FLOW_CONTROL_ERROR, "a window above 2^31-1")


def _prefix(message: bytes) -> bytes:
    return b"\x00" + len(message).to_bytes(4, "big")
