"""What a handler knows of the call that it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from serving.server.errors import StatusError
from serving.server.http2.headers import Request


class Replies(Protocol):
    """Where a call is answered: the connection that it came over. Called in the loop only."""

    def send(self, stream: int, message: bytes) -> None:
        """Sends one message of several."""

    def reply(self, stream: int, message: bytes) -> None:
        """Sends the only message, and ends the call well."""

    def finish(self, stream: int, error: StatusError | None) -> None:
        """Ends the call."""


class Call:
    """One call, while it lasts; its questions may be asked by any thread, and named as gRPC's ServicerContext does.

    Args:
        request: Its header fields.
        stream: Its number on the connection.
        peer: Who calls.
        replies: Where it is answered.
    """

    def __init__(self, request: Request, stream: int, peer: str, replies: Replies) -> None:
        self.request, self.stream, self._peer, self._replies = request, stream, peer, replies
        self._deadline = None if request.timeout is None else time.monotonic() + request.timeout
        self._ended = self._answered = False
        self._at_end: list[Callable[[], object]] = []

    def peer(self) -> str:
        """Returns `ipv4:HOST:PORT`, `ipv6:[HOST]:PORT` or `unix:`."""
        return self._peer

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Returns the caller's own header fields."""
        return self.request.metadata

    @property
    def ended(self) -> bool:
        """It was answered, or the caller is gone."""
        return self._ended or self._answered

    def expired(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._ended or (self._deadline is not None and time.monotonic() > self._deadline)

    def at_end(self, told: Callable[[], object]) -> None:
        """Has something called when the call has ended."""
        self._at_end.append(told)

    def send(self, message: bytes) -> None:
        """Sends one message of several; in the loop only."""
        if not self.ended:
            self._replies.send(self.stream, message)

    def reply(self, message: bytes) -> None:
        """Sends the only message, and ends the call well; in the loop only."""
        if not self.ended:
            self._answered = True  # though it may have to wait for the client's window
            self._replies.reply(self.stream, message)

    def finish(self, error: StatusError | None = None) -> None:
        """Ends the call, with an error or well; in the loop only."""
        if not self.ended:
            self._answered = True
            self._replies.finish(self.stream, error)

    def end(self) -> None:
        """Notes that the call has ended; for the connection."""
        self._ended = True
        for told in self._at_end:
            told()
        self._at_end.clear()
