"""From HEADERS and CONTINUATION frames to what they say of a call."""

from __future__ import annotations

from typing import cast

import hpack

from serving.server.errors import StatusError
from serving.server.http2 import frames, headers
from serving.server.http2.frames import ConnectionFaultError
from serving.server.http2.headers import NotGrpcError, Request
from serving.server.http2.limits import HEADER_BYTES
from serving.server.http2.reader import unpadded

Said = Request | StatusError | NotGrpcError
_MOST_FRAMES = 16
_MOST_KNOWN = 64


class HeaderBlocks:
    """Puts the header fields of a connection together, one call after another.

    The calls of a connection say nearly always the same, in references to fields that were sent before. Such a block
    is decoded once, and again only after a block that is more than references: that one may change what they mean.
    """

    def __init__(self) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=HEADER_BYTES)
        self._known: dict[bytes, Said] = {}
        self._parts: list[bytes] = []
        self._last = False
        self.stream = 0

    @property
    def open(self) -> bool:
        """Whether a block has begun that has not ended: no other frame may come in between."""
        return bool(self._parts)

    def add(self, kind: int, flags: int, stream: int, payload: bytes) -> tuple[Said, bool] | None:
        """Takes a frame; with the last of a block, returns what it says and whether the stream ends with it.

        Raises:
            ConnectionFaultError: The fields are not decodable, too many, or on no stream.
        """
        if stream == 0 or (kind == frames.CONTINUATION and not self._parts):
            raise ConnectionFaultError(frames.PROTOCOL_ERROR, "header fields on no stream")
        if kind == frames.HEADERS:
            payload = unpadded(payload, flags)
            if flags & frames.HAS_PRIORITY:
                if len(payload) < 5:
                    raise ConnectionFaultError(frames.FRAME_SIZE_ERROR, "HEADERS of a wrong length")
                payload = payload[5:]
            self.stream, self._last = stream, bool(flags & frames.END_STREAM)
        self._parts.append(payload)
        if len(self._parts) > _MOST_FRAMES or sum(map(len, self._parts)) > 2 * HEADER_BYTES:
            raise ConnectionFaultError(frames.ENHANCE_YOUR_CALM, "too many header fields")
        if not flags & frames.END_HEADERS:
            return None
        block, self._parts = b"".join(self._parts), []
        return self._said(block), self._last

    def _said(self, block: bytes) -> Said:
        said = self._known.get(block)
        if said is None:
            said = self._decoded(block)
            if _is_references(block) and len(self._known) < _MOST_KNOWN:
                self._known[block] = said
            else:
                self._known.clear()
        return said

    def _decoded(self, block: bytes) -> Said:
        try:
            fields = cast("list[tuple[str, str]]", list(self._decoder.decode(block)))
        except hpack.OversizedHeaderListError as error:
            raise ConnectionFaultError(frames.ENHANCE_YOUR_CALM, "too many header fields") from error
        except (hpack.HPACKError, UnicodeDecodeError) as error:
            text = "header fields that cannot be decoded"
            raise ConnectionFaultError(frames.COMPRESSION_ERROR, text) from error
        try:
            return headers.parse(fields)
        except (StatusError, NotGrpcError) as refused:
            return refused


def _is_references(block: bytes) -> bool:
    """Whether each byte is an indexed field (RFC 7541, section 6.1), none longer than the byte."""
    return bool(block) and min(block) > 0x80 and max(block) < 0xFF
