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

    The calls of a connection say nearly always the same, for the most part in references to fields that were sent
    before. A block that leaves the table of those as it was is decoded once, and again only when the table has changed.
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
            sizes, first = self._table()
            said = self._decoded(block)
            sizes_now, first_now = self._table()
            if sizes_now != sizes or first_now is not first:
                self._known.clear()
            elif len(self._known) < _MOST_KNOWN:
                self._known[block] = said
        return said

    def _table(self) -> tuple[tuple[int, int], object]:
        """What shows that the table has changed: its sizes, and its first field, which is always the newest."""
        fields = self._decoder.header_table.dynamic_entries
        return (self._decoder.header_table.maxsize, len(fields)), fields[0] if fields else None

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
