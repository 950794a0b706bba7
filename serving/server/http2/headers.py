"""Header fields of gRPC: what a request says, and what replies and refusals say (the protocol "gRPC over HTTP/2")."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hpack.hpack import encode_integer

from serving.server.errors import NUMBERS, StatusError, truncated
from serving.server.http2.inbox import ENCODINGS

ACCEPTED = ",".join(("identity", *ENCODINGS))
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_OURS, _OUR_PREFIXES = ("te", "content-type"), ("grpc-", ":")  # fields that are no metadata of the caller
_KIND = "application/grpc"


class NotGrpcError(Exception):
    """The request is HTTP, but no gRPC; `status` is what HTTP answers."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class Request:
    """What the header fields of a call say.

    Attributes:
        path: `/package.Service/Method`.
        timeout: Seconds; None: the caller waits for as long as it takes.
        encoding: Of compressed messages; empty: none is.
        metadata: The caller's own fields; those named `-bin` decoded.
    """

    path: str
    timeout: float | None
    encoding: str
    metadata: tuple[tuple[str, str | bytes], ...]


NOTHING = Request("", None, "", ())


def parse(fields: Iterable[tuple[str, str]]) -> Request:
    """Returns what the fields of a request say.

    Raises:
        NotGrpcError: Another method than POST, or another content type.
        StatusError: A compression or a time limit that is not understood.
    """
    known = dict(fields)
    if known.get(":method") != "POST":
        raise NotGrpcError(405)
    kind = known.get("content-type", "")
    if kind != _KIND and not kind.startswith((f"{_KIND}+", f"{_KIND};")):  # not gRPC-Web
        raise NotGrpcError(415)
    encoding = known.get("grpc-encoding", "identity")
    if encoding == "identity":
        encoding = ""
    elif encoding not in ENCODINGS:
        raise StatusError("UNIMPLEMENTED", f"grpc-encoding {encoding!r:.40}: this server takes {ACCEPTED}")
    metadata = tuple(
        (name, _value(name, value))
        for name, value in fields
        if name not in _OURS and not name.startswith(_OUR_PREFIXES)
    )
    return Request(known.get(":path", ""), _seconds(known.get("grpc-timeout")), encoding, metadata)


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = _TIMEOUT.fullmatch(text)
    if found is None:
        raise StatusError("INTERNAL", f"grpc-timeout {text!r:.40}: expected digits and one of HMSmun")
    return int(found[1]) * _UNITS[found[2]]


def _value(name: str, value: str) -> str | bytes:
    if not name.endswith("-bin"):
        return value
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return value


def field(name: str, value: str) -> bytes:
    """Returns a field that leaves the client's table of fields as it is (RFC 7541, section 6.2.2)."""
    return b"\x00" + _text(name) + _text(value)


def _text(text: str) -> bytes:
    raw = text.encode()
    return bytes(encode_integer(len(raw), 7)) + raw  # 7 bits of length; the eighth would say Huffman


# \x88 is `:status: 200`.
BEGIN = b"\x88" + field("content-type", _KIND) + field("grpc-accept-encoding", ACCEPTED)
END = field("grpc-status", "0")


def refusal(error: StatusError, *, begun: bool) -> bytes:
    """Returns the trailers that end a call with a status; with the first fields where nothing was sent yet."""
    # An empty text is sent as well: some clients show the lack of one as an error of theirs.
    status = field("grpc-status", str(NUMBERS[error.code])) + field("grpc-message", _percent(error.message))
    return status if begun else BEGIN + status


def http_refusal(status: int) -> bytes:
    """Returns the fields that refuse what is no gRPC."""
    return field(":status", str(status)) + field("content-type", "text/plain")


def _percent(message: str) -> str:
    return "".join(
        chr(byte) if 0x20 <= byte <= 0x7E and byte != 0x25 else f"%{byte:02X}"
        for byte in truncated(message).encode(errors="replace")
    )
