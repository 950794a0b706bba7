"""A client on a socket that does what a client should not do."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from serving.server.http2 import frames
from tests.serving.http2.wire import HELLO, Frame


class Raw:
    """Sends bytes, reads frames."""

    def __init__(self, port: int, hello: bytes = HELLO, received: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(10)
        if received:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(hello)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()
        self.socket.close()

    def send(self, *raw: bytes) -> Raw:
        with contextlib.suppress(ConnectionError):  # the server may have hung up already
            self.socket.sendall(b"".join(raw))
        return self

    def frames(self) -> Iterator[Frame]:
        """What comes, until the server closes."""
        try:
            while len(head := self._file.read(9)) == 9:
                high, low, kind, flags, stream = frames.HEAD.unpack(head)
                yield Frame(kind, flags, stream, self._file.read(high << 8 | low))
        except ConnectionError:
            return

    def until(self, kind: int, stream: int = 0) -> Frame:
        """The next frame of a kind, on a stream."""
        return next(each for each in self.frames() if (each.kind, each.stream) == (kind, stream))

    def trailers(self, stream: int) -> dict[str, str]:
        """The fields that end a call."""
        return next(each.fields() for each in self.frames() if each.last and each.stream == stream)

    def status(self, stream: int) -> tuple[str, str]:
        fields = self.trailers(stream)
        return fields["grpc-status"], fields.get("grpc-message", "")

    def goaway(self) -> int:
        """The error with which the server ends the connection; it must close after it."""
        codes = [each.code for each in self.frames() if each.kind == frames.GOAWAY]
        return codes[-1]
