"""How long a client is waited for: its greeting, its messages, its reading."""

from __future__ import annotations

import time

import pytest

from serving.server.errors import StatusError
from serving.server.http2 import frames
from serving.server.http2.limits import Limits
from tests.serving.http2.fakes import Kept, Wire
from tests.serving.http2.wire import END_STREAM, HELLO, PREDICT, data, message, opened, whole

LIMITS = Limits(silence=20, hello=10)


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def wire(kept):
    made = Wire({PREDICT: kept}, LIMITS)
    made.feed(HELLO).frames()
    return made


def wait(made: Wire, seconds: int) -> None:
    """Lets the server look at its watch, every second."""
    now = time.monotonic()
    for second in range(1, seconds + 1):
        made.connection.tick(now + second)


def test_a_client_that_says_nothing():
    for said in (b"", frames.PREFACE[:10], frames.PREFACE):
        made = Wire({}, LIMITS).feed(said)
        wait(made, 9)
        assert not made.transport.closed
        wait(made, 11)
        assert made.transport.aborted


def test_a_client_that_asks_nothing_may_stay(wire):
    wait(wire, 1000)
    assert not wire.transport.closed


def test_a_message_that_does_not_come(wire):
    wire.feed(opened(1), opened(3), data(3, b"\x00"), whole(5, b"x"))
    wait(wire, 19)
    assert not wire.frames()
    wait(wire, 21)
    found = wire.frames()
    ended = {each.stream: each.fields()["grpc-status"] for each in found if each.last}
    assert ended == {1: "1", 3: "1"}  # CANCELLED; the one that came whole is being answered
    assert [(each.stream, each.code) for each in found if each.kind == frames.RST_STREAM] == [(1, 0), (3, 0)]
    assert not wire.connection.idle and not wire.transport.closed


def test_a_reply_for_which_no_window_opens(wire, kept):
    wire.feed(whole(1, b"x"))
    kept.halves.pop().reply(bytes(100_000))
    wait(wire, 19)
    wire.feed(frames.window_update(0, 1), frames.window_update(1, 1))
    wait(wire, 19)
    assert not wire.transport.closed
    wait(wire, 25)
    assert wire.transport.aborted
    wire.connection.connection_lost(None)
    assert wire.connection.idle and not wire.connection._outbox._left and not wire.connection._outbox._granted


@pytest.mark.parametrize("closing", [False, True])
def test_bytes_that_nobody_takes(wire, closing):
    wire.transport.unsent = 1000
    if closing:
        wire.connection.close()
    wait(wire, 19)
    assert not wire.transport.aborted
    wait(wire, 25)
    assert wire.transport.aborted


def test_a_client_that_does_not_read_is_not_read_from(wire, kept):
    wire.feed(whole(1, b"x"))
    wire.connection.pause_writing()
    assert not wire.transport.reading
    kept.halves.pop().reply(b"abc")
    assert wire.connection._outbox.stuck and not wire.connection.idle
    wire.connection.resume_writing()
    assert wire.transport.reading and wire.statuses() == {1: "0"} and wire.connection.idle


def test_a_call_is_answered_once_though_its_answer_waits(wire, kept):
    wire.feed(opened(1), opened(3), whole(5, b"x"))
    wire.connection.pause_writing()
    wire.feed(data(1, b"\x07\x00\x00\x00\x00"))  # refused at once, and it goes on
    wire.feed(data(1, message(b"x"), END_STREAM), data(3, message(b"x")))
    (call,) = kept.halves
    call.reply(b"first")
    call.finish(StatusError("INTERNAL", "second"))
    wire.connection._since += 10  # of its reading; what follows is the silence of stream 3
    wait(wire, 21)
    wire.connection.resume_writing()
    wire.connection.close()
    assert wire.transport.ended
    found = wire.frames()
    assert sorted(each.stream for each in found if each.last) == [1, 3, 5]
    assert {each.stream: each.fields()["grpc-status"] for each in found if each.last} == {
        1: "13",
        3: "1",
        5: "0",
    }
    assert [each.kind for each in found if each.stream == 5] == [frames.HEADERS, frames.DATA, frames.DATA, 1]
