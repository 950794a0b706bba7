"""How much a server takes of one client, and how long it waits for it."""

from __future__ import annotations

from dataclasses import dataclass

STREAMS = 256  # of one connection, at once
HEADER_BYTES = 16 * 1024  # of one call, decoded


@dataclass(frozen=True)
class Limits:
    """What a connection may ask for.

    Attributes:
        message: Most bytes of a message as it comes; 0: no limit.
        streams: Calls of one connection at once.
        hello: Seconds from the opening to the first SETTINGS.
        age: Seconds after which the client is asked to connect anew, so that new servers get their share; 0: never.
        silence: Seconds without a byte of a message, or with a reply of which nothing is taken.
    """

    message: int = 0
    streams: int = STREAMS
    hello: float = 10.0
    silence: float = 20.0
    age: float = 0.0


class Calm:
    """Counts frames that cost work and bring nothing: pings, resets, settings, empty data.

    Every answered call and every second allows some more; a client that sends more still is one that attacks.
    """

    MOST, PER_CALL, PER_SECOND = 2000, 20, 500

    def __init__(self) -> None:
        self._left = self.MOST

    def spend(self) -> bool:
        """Counts one, and returns whether it was one too many."""
        self._left -= 1
        return self._left < 0

    def earn(self, amount: int) -> None:
        """Allows some more."""
        self._left = min(self.MOST, self._left + amount)
