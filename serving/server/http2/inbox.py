"""From DATA frames to the messages of a call: length-prefixed, possibly compressed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from serving.server.errors import StatusError

PREFIX = 5  # compressed or not, and the length
ENCODINGS = {"gzip": 31, "deflate": 15}  # zlib's window bits


@dataclass(frozen=True)
class Message:
    """A message as it came.

    Attributes:
        raw: Its bytes.
        encoding: How they are compressed; empty where they are not.
    """

    raw: bytes
    encoding: str = ""

    def opened(self, limit: int) -> bytes:
        """Returns the bytes that were compressed; never more than `limit` (0: no limit).

        Raises:
            StatusError: More, or no bytes of that encoding.
        """
        if not self.encoding:
            return self.raw
        inflating = zlib.decompressobj(ENCODINGS[self.encoding])
        try:
            inflated = inflating.decompress(self.raw, limit + 1 if limit else 0)
        except zlib.error as error:
            raise StatusError("INTERNAL", f"the message is no {self.encoding}: {error}") from error
        if limit and len(inflated) > limit:
            raise StatusError("RESOURCE_EXHAUSTED", "Decompressed message larger than max")
        if not inflating.eof:
            raise StatusError("INTERNAL", f"the {self.encoding} of the message ends too early")
        if inflating.unused_data:
            raise StatusError("INTERNAL", f"the {self.encoding} of the message ends before the message")
        return inflated


class Inbox:
    """Puts messages together.

    Args:
        limit: Most bytes of one as it comes; 0: no limit.
        encoding: What the call says of compressed messages.
    """

    def __init__(self, limit: int, encoding: str = "") -> None:
        self._limit, self._encoding = limit, encoding
        self._prefix = bytearray()
        self._chunks: list[bytes] = []
        self._missing = 0

    @property
    def empty(self) -> bool:
        """Whether no message has begun that has not ended."""
        return not self._prefix

    def take(self, chunk: memoryview) -> list[Message]:
        """Takes bytes, and returns the messages that are whole with them.

        Raises:
            StatusError: A message above the limit, or compressed in an unknown way.
        """
        found = []
        while chunk:
            if len(self._prefix) < PREFIX:
                needed = PREFIX - len(self._prefix)
                self._prefix += chunk[:needed]
                chunk = chunk[needed:]
                if len(self._prefix) < PREFIX:
                    break
                self._missing = self._length()
            if self._missing:
                piece = bytes(chunk[: self._missing])
                self._chunks.append(piece)
                chunk = chunk[len(piece) :]
                self._missing -= len(piece)
            if not self._missing:
                found.append(self._message())
        return found

    def _length(self) -> int:
        length = int.from_bytes(self._prefix[1:], "big")
        if self._limit and length > self._limit:
            text = f"SERVER: Received message larger than max ({length} vs. {self._limit})"
            raise StatusError("RESOURCE_EXHAUSTED", text)
        if self._prefix[0] > 1:
            raise StatusError("INTERNAL", f"a message begins with {self._prefix[0]}: neither 0 nor 1")
        if self._prefix[0] and self._encoding not in ENCODINGS:
            raise StatusError("INTERNAL", "a compressed message, and no grpc-encoding that says how")
        return length

    def _message(self) -> Message:
        raw = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        message = Message(raw, self._encoding if self._prefix[0] else "")
        self._chunks = []
        self._prefix.clear()
        return message
