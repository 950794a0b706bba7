"""From DATA to messages: cut anywhere, limited, compressed."""

from __future__ import annotations

import gzip
import zlib

import pytest

from serving.server.errors import StatusError
from serving.server.http2.inbox import Inbox, Message
from tests.serving.http2.wire import message

PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress}


def take(inbox: Inbox, *chunks: bytes) -> list[bytes]:
    return [each.raw for chunk in chunks for each in inbox.take(memoryview(chunk))]


def test_messages_cut_anywhere():
    sent = [b"", b"one", b"", b"\x00" * 20, b"last"]
    raw = b"".join(map(message, sent))
    for at in range(len(raw) + 1):
        inbox = Inbox(0)
        assert take(inbox, raw[:at], raw[at:]) == sent and inbox.empty
    for size in (1, 2, 3, 5, 7):
        inbox = Inbox(0)
        assert take(inbox, *(raw[at : at + size] for at in range(0, len(raw), size))) == sent and inbox.empty


def test_a_message_is_the_servers_own_copy():
    buffer = bytearray(message(b"abc"))
    (whole,) = Inbox(0).take(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    assert whole.raw == b"abc"


def test_not_empty_within_a_message():
    raw = message(b"abc")
    for at in range(1, len(raw)):
        inbox = Inbox(0)
        assert take(inbox, raw[:at]) == [] and not inbox.empty


def test_the_limit_is_looked_at_before_the_bytes_come():
    assert take(Inbox(3), message(b"abc")) == [b"abc"]
    with pytest.raises(StatusError) as caught:
        Inbox(3).take(memoryview(message(b"abcd")[:5]))
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert caught.value.message == "SERVER: Received message larger than max (4 vs. 3)"


@pytest.mark.parametrize(("flag", "encoding"), [(2, ""), (255, "gzip"), (1, ""), (1, "identity")])
def test_wrong_first_bytes(flag, encoding):
    with pytest.raises(StatusError) as caught:
        take(Inbox(0, encoding), message(b"abc", flag))
    assert caught.value.code == "INTERNAL"


@pytest.mark.parametrize("encoding", PACKERS)
def test_compressed_messages(encoding):
    plain = b"abc" * 1000
    inbox = Inbox(0, encoding)
    raw = message(PACKERS[encoding](plain), 1) + message(plain)
    packed, other = inbox.take(memoryview(raw))
    assert other.encoding == "" and other.opened(10) == plain  # what came plain had its limit in the inbox
    assert packed.opened(0) == packed.opened(len(plain)) == plain
    with pytest.raises(StatusError) as caught:
        packed.opened(len(plain) - 1)
    assert (caught.value.code, caught.value.message) == (
        "RESOURCE_EXHAUSTED",
        "Decompressed message larger than max",
    )


@pytest.mark.parametrize("encoding", PACKERS)
def test_an_empty_compressed_message(encoding):
    assert Message(PACKERS[encoding](b""), encoding).opened(10) == b""


@pytest.mark.parametrize("encoding", PACKERS)
def test_bombs_are_not_inflated(encoding, monkeypatch):
    inflated = []
    original = zlib.decompressobj

    class Watched:
        def __init__(self, bits):
            self._real = original(bits)

        def decompress(self, raw, most):
            found = self._real.decompress(raw, most)
            inflated.append(len(found))
            return found

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    with pytest.raises(StatusError, match="larger than max"):
        Message(PACKERS[encoding](bytes(10_000_000)), encoding).opened(1000)
    assert inflated == [1001]


@pytest.mark.parametrize("encoding", PACKERS)
def test_what_is_not_of_the_encoding(encoding):
    packed = PACKERS[encoding](b"abc" * 100)
    wrong = [b"", b"no", packed[1:], packed + b"x", packed + packed]
    wrong += [packed[:at] for at in range(1, len(packed))]
    for raw in wrong:
        with pytest.raises(StatusError) as caught:
            Message(raw, encoding).opened(1000)
        assert caught.value.code == "INTERNAL"
