"""The frames of HTTP/2 and the errors of its connections (RFC 9113, sections 6 and 7)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD = struct.Struct(">HBBBI")  # length (16 bits and 8), type, flags, stream

(
    DATA,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    PUSH_PROMISE,
    PING,
    GOAWAY,
    WINDOW_UPDATE,
    CONTINUATION,
) = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR = 0x0, 0x1
FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR = 0x3, 0x5, 0x6
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 0x7, 0x8, 0x9, 0xB

HEADER_TABLE_SIZE = 1
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 3, 4, 5, 6
DEFAULT_WINDOW, DEFAULT_FRAME, DEFAULT_TABLE = 65_535, 16_384, 4096
LARGEST_WINDOW, LARGEST_FRAME = 2**31 - 1, 2**24 - 1


class ConnectionFaultError(Exception):
    """The client broke the protocol, and the connection cannot go on."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns the bytes of a frame."""
    return head(kind, flags, stream, len(payload)) + payload


def head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """Returns the nine bytes before the payload of a frame."""
    return HEAD.pack(length >> 8, length & 0xFF, kind, flags, stream)


def settings(values: Mapping[int, int]) -> bytes:
    """Returns a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *item) for item in values.items()))


def parse_settings(payload: bytes) -> dict[int, int]:
    """Returns the values of a SETTINGS frame.

    Raises:
        ConnectionFaultError: Its length is wrong, or a value that no implementation may send.
    """
    if len(payload) % 6:
        raise ConnectionFaultError(FRAME_SIZE_ERROR, "SETTINGS of a wrong length")
    values = dict(struct.iter_unpack(">HI", payload))
    if values.get(INITIAL_WINDOW_SIZE, 0) > LARGEST_WINDOW:
        raise ConnectionFaultError(FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE is too large")
    if not DEFAULT_FRAME <= values.get(MAX_FRAME_SIZE, DEFAULT_FRAME) <= LARGEST_FRAME:
        raise ConnectionFaultError(PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE is out of range")
    return values


def window_update(stream: int, amount: int) -> bytes:
    """Returns a WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", amount))


def rst_stream(stream: int, code: int) -> bytes:
    """Returns a RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def goaway(last_stream: int, code: int, text: str = "") -> bytes:
    """Returns a GOAWAY frame."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", last_stream, code) + text.encode())
