"""HTTP/2 by hand: frames and what is in them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import hpack

from serving.protocol import messages
from serving.server.http2 import frames

PREDICT = f"/{messages.PREDICTION_SERVICE}/Predict"
HELLO = frames.PREFACE + frames.settings({})
END_HEADERS, END_STREAM = frames.END_HEADERS, frames.END_STREAM
FIELDS = {
    ":method": "POST",
    ":scheme": "http",
    ":path": PREDICT,
    ":authority": "h",
    "te": "trailers",
    "content-type": "application/grpc",
}


def block(**changed: str) -> bytes:
    """The fields of a call to Predict, with others changed or added (`_` for `-`, `__` for `:`)."""
    fields = FIELDS | {name.replace("__", ":").replace("_", "-"): value for name, value in changed.items()}
    return b"".join(literal(name, value) for name, value in fields.items())


def literal(name: str, value: str) -> bytes:
    """A field without indexing; for values below 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def opened(stream: int, flags: int = 0, **changed: str) -> bytes:
    """HEADERS that begin a call."""
    return frames.frame(frames.HEADERS, END_HEADERS | flags, stream, block(**changed))


def data(stream: int, payload: bytes, flags: int = 0) -> bytes:
    return frames.frame(frames.DATA, flags, stream, payload)


def message(raw: bytes, flag: int = 0) -> bytes:
    """A length-prefixed message."""
    return struct.pack(">BI", flag, len(raw)) + raw


def whole(stream: int, raw: bytes, **changed: str) -> bytes:
    """A unary call, begun and ended."""
    return opened(stream, **changed) + data(stream, message(raw), END_STREAM)


@dataclass(frozen=True)
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == frames.GOAWAY else self.payload, "big")

    @property
    def last(self) -> bool:
        return self.kind in (frames.DATA, frames.HEADERS) and bool(self.flags & END_STREAM)

    def fields(self) -> dict[str, str]:
        assert self.kind == frames.HEADERS
        return dict(hpack.Decoder().decode(self.payload))


def parsed(raw: bytes | bytearray) -> list[Frame]:
    """All frames of some bytes, which must be whole."""
    found, at = [], 0
    while at < len(raw):
        high, low, kind, flags, stream = frames.HEAD.unpack(raw[at : at + 9])
        size = high << 8 | low
        assert at + 9 + size <= len(raw)
        found.append(Frame(kind, flags, stream, bytes(raw[at + 9 : at + 9 + size])))
        at += 9 + size
    return found
