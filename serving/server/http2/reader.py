"""From the bytes of a connection to its frames."""

from __future__ import annotations

from typing import Protocol

from serving.server.http2 import frames
from serving.server.http2.frames import ConnectionFaultError

LONGEST_DATA = 2**20  # what we announce: few frames per message, and none that holds the connection for long
LONGEST_OTHER = 2**16


class Sink(Protocol):
    """Who takes the frames."""

    def on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Takes a whole frame that is not DATA."""

    def on_data(self, stream: int, chunk: memoryview, size: int, last: bool) -> None:
        """Takes a piece of a DATA frame.

        Args:
            stream: Its number.
            chunk: Bytes that are valid during the call only.
            size: What they, and padding, take of the windows.
            last: The stream ends with them.
        """


class FrameReader:
    """Cuts bytes into frames; DATA is passed on piece by piece, without being collected.

    Args:
        sink: Takes the frames.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._held = bytearray()  # of the preface, of a head, or of a payload that has not come whole
        self._begun = False
        self._inside = False  # a frame
        self._kind = self._flags = self._stream = self._left = 0

    def feed(self, data: memoryview) -> None:
        """Takes bytes as they come.

        Raises:
            ConnectionFaultError: They are not HTTP/2.
        """
        while data:
            if not self._begun:
                data = self._preface(data)
            elif not self._inside:
                data = self._head(data)
            elif self._kind == frames.DATA and not self._flags & frames.PADDED:
                data = self._data(data)
            else:
                data = self._payload(data)

    def _preface(self, data: memoryview) -> memoryview:
        data = self._hold(data, len(frames.PREFACE))
        if not frames.PREFACE.startswith(self._held):
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "this port speaks HTTP/2")
        if len(self._held) == len(frames.PREFACE):
            self._begun = True
            self._held.clear()
        return data

    def _head(self, data: memoryview) -> memoryview:
        size = frames.HEAD.size
        if self._held or len(data) < size:
            data = self._hold(data, size)
            if len(self._held) < size:
                return data
            head = frames.HEAD.unpack(self._held)
            self._held.clear()
        else:
            head, data = frames.HEAD.unpack(data[:size]), data[size:]
        high, low, self._kind, self._flags, stream = head
        self._left, self._stream = high << 8 | low, stream & 0x7FFFFFFF
        if self._left > (LONGEST_DATA if self._kind == frames.DATA else LONGEST_OTHER):
            raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, f"a frame of {self._left} bytes")
        self._inside = True
        return self._payload(data) if self._left == 0 else data

    def _data(self, data: memoryview) -> memoryview:
        chunk, rest = data[: self._left], data[self._left :]
        self._left -= len(chunk)
        self._inside = self._left > 0
        last = not self._inside and bool(self._flags & frames.END_STREAM)
        self._sink.on_data(self._stream, chunk, len(chunk), last)
        return rest

    def _payload(self, data: memoryview) -> memoryview:
        data = self._hold(data, self._left)
        if len(self._held) < self._left:
            return data
        payload = bytes(self._held)
        self._held.clear()
        self._inside = False
        if self._kind == frames.DATA:
            chunk = memoryview(unpadded(payload, self._flags))
            last = bool(self._flags & frames.END_STREAM)
            self._sink.on_data(self._stream, chunk, len(payload), last)
        else:
            self._sink.on_frame(self._kind, self._flags, self._stream, payload)
        return data

    def _hold(self, data: memoryview, size: int) -> memoryview:
        missing = size - len(self._held)
        self._held += data[:missing]
        return data[missing:]


def unpadded(payload: bytes, flags: int) -> bytes:
    """Returns the payload of a DATA or HEADERS frame without its padding.

    Raises:
        ConnectionFaultError: The padding is longer than the payload.
    """
    if not flags & frames.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise ConnectionFaultError(frames.PROTOCOL_ERROR, "padding longer than its frame")
    return payload[1 : len(payload) - payload[0]]
