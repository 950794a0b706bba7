"""What breaks the protocol ends the connection, with the error that says how."""

from __future__ import annotations

import struct

import pytest

from serving.server.http2 import frames
from serving.server.http2.frames import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    frame,
)
from serving.server.http2.limits import Limits
from tests.serving.http2.fakes import Kept, Wire
from tests.serving.http2.wire import (
    END_HEADERS,
    END_STREAM,
    HELLO,
    PREDICT,
    block,
    data,
    message,
    opened,
    whole,
)


def wire(**limits) -> Wire:
    made = Wire({PREDICT: Kept()}, Limits(**limits))
    made.feed(HELLO).frames()
    return made


def setting(name: int, value: int) -> bytes:
    return frames.settings({name: value})


PING = frame(frames.PING, 0, 0, b"12345678")
FAULTS = {
    "an even stream": (opened(2), PROTOCOL_ERROR),
    "a stream that goes back": (opened(5) + opened(3), PROTOCOL_ERROR),
    "a stream twice": (opened(5, END_STREAM) + opened(5, END_STREAM), PROTOCOL_ERROR),
    "fields in the middle": (opened(1) + opened(1), PROTOCOL_ERROR),
    "DATA on no stream": (data(0, b"x"), PROTOCOL_ERROR),
    "DATA on an idle stream": (data(1, b"x"), PROTOCOL_ERROR),
    "DATA after the end": (opened(1, END_STREAM) + data(1, b"x"), STREAM_CLOSED),
    "HEADERS on no stream": (frame(frames.HEADERS, END_HEADERS, 0, block()), PROTOCOL_ERROR),
    "CONTINUATION alone": (frame(frames.CONTINUATION, END_HEADERS, 1, b""), PROTOCOL_ERROR),
    "PING within fields": (frame(frames.HEADERS, 0, 1, block()) + PING, PROTOCOL_ERROR),
    "DATA within fields": (opened(1) + frame(frames.HEADERS, 0, 3, block()) + data(1, b"x"), PROTOCOL_ERROR),
    "another stream's CONTINUATION": (
        frame(frames.HEADERS, 0, 1, b"") + frame(frames.CONTINUATION, END_HEADERS, 3, block()),
        PROTOCOL_ERROR,
    ),
    "fields that cannot be decoded": (
        frame(frames.HEADERS, END_HEADERS, 1, b"\xff\xff\xff"),
        COMPRESSION_ERROR,
    ),
    "padding": (frame(frames.DATA, frames.PADDED, 1, b"\x09") + PING, PROTOCOL_ERROR),
    "a short WINDOW_UPDATE": (frame(frames.WINDOW_UPDATE, 0, 0, b"123"), FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of nothing": (frames.window_update(0, 0), PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": (frames.window_update(1, 1), PROTOCOL_ERROR),
    "a window too large": (frames.window_update(0, 2**31 - 1), FLOW_CONTROL_ERROR),
    "a stream's window too large": (opened(1) + frames.window_update(1, 2**31 - 1), FLOW_CONTROL_ERROR),
    "a short PING": (frame(frames.PING, 0, 0, b"123"), FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (frame(frames.SETTINGS, 0, 1), PROTOCOL_ERROR),
    "SETTINGS cut": (frame(frames.SETTINGS, 0, 0, b"123"), FRAME_SIZE_ERROR),
    "a window setting": (setting(frames.INITIAL_WINDOW_SIZE, 2**31), FLOW_CONTROL_ERROR),
    "a frame setting": (setting(frames.MAX_FRAME_SIZE, 16_383), PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (frames.rst_stream(1, 8), PROTOCOL_ERROR),
    "PUSH_PROMISE": (frame(frames.PUSH_PROMISE, END_HEADERS, 1, bytes(4)), PROTOCOL_ERROR),
    "a frame too large": (frames.head(frames.DATA, 0, 1, 2**20 + 1), FRAME_SIZE_ERROR),
    "many pings": (PING * 3000, ENHANCE_YOUR_CALM),
    "many settings": (frames.settings({}) * 3000, ENHANCE_YOUR_CALM),
    "many unknown frames": (frame(0xBB, 0, 0) * 3000, ENHANCE_YOUR_CALM),
    "much DATA of nothing": (opened(1) + data(1, b"") * 3000, ENHANCE_YOUR_CALM),
    "rapid reset": (
        b"".join(opened(2 * n + 1) + frames.rst_stream(2 * n + 1, 8) for n in range(3000)),
        ENHANCE_YOUR_CALM,
    ),
    "streams beyond the limit": (b"".join(opened(2 * n + 1) for n in range(3000)), ENHANCE_YOUR_CALM),
    "many CONTINUATIONs": (
        frame(frames.HEADERS, 0, 1, b"") + frame(frames.CONTINUATION, 0, 1, b"") * 100,
        ENHANCE_YOUR_CALM,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults(name):
    raw, code = FAULTS[name]
    made = wire()
    made.feed(raw)
    (goaway,) = [each for each in made.frames() if each.kind == frames.GOAWAY]
    assert goaway.code == code and goaway.stream == 0
    assert made.transport.closed and not made.transport.aborted
    made.transport.closed = False  # as with TLS, which says goodbye first
    made.feed(PING)
    assert not made.frames()  # nothing is read any more
    made.connection.connection_lost(None)
    assert made.connection.idle


@pytest.mark.parametrize("raw", [PING, opened(1), data(1, b""), frames.settings({})[:-1] + b"\x01"])
def test_the_first_frame_is_settings(raw):
    made = Wire({})
    made.feed(frames.PREFACE, raw)
    assert made.transport.closed and made.frames()[-1].code == PROTOCOL_ERROR


def test_what_may_come_late_is_no_fault():
    made = wire(streams=2)
    made.feed(opened(1), opened(3), opened(5), data(5, b"x", END_STREAM))  # refused: one too many
    made.feed(frames.window_update(5, 1), frames.rst_stream(5, 8), frames.rst_stream(1, 8))
    made.feed(data(1, b"late"), frames.window_update(1, 10), frames.rst_stream(1, 8))
    made.feed(opened(7, __path="/no/such"), opened(7, END_STREAM))  # answered and reset, then its trailers
    made.feed(frame(frames.PRIORITY, 0, 9, bytes(5)), frame(frames.GOAWAY, 0, 0, bytes(8)), frame(0xFA, 0, 0))
    assert not made.transport.closed
    refused = [each for each in made.frames() if each.kind == frames.RST_STREAM]
    assert [(each.stream, each.code) for each in refused] == [(5, frames.REFUSED_STREAM), (7, NO_ERROR)]


def test_pings_that_measure_a_reply_are_no_flood():
    made = wire()
    made.feed(whole(1, b"x"))
    made.connection._methods[PREDICT].halves.pop().reply(bytes(100_000))
    for _ in range(3000):
        made.feed(frames.window_update(0, 10), frames.window_update(1, 10), PING)
    assert not made.transport.closed and not made.connection.idle
    made.feed(PING * 3000)  # they measure nothing
    assert made.frames()[-1].code == ENHANCE_YOUR_CALM


def test_calls_that_come_after_goaway_do_not_end_those_before():
    made = wire()
    made.feed(whole(1, b"x"), opened(3))
    made.connection.go_away()
    made.feed(whole(5, b"late"), data(3, message(b"y"), END_STREAM), PING)
    kept = made.connection._methods[PREDICT]
    assert [each.stream for each in kept.halves] == [1, 3]
    for call in kept.halves:
        call.reply(b"ok")
    found = made.frames()
    assert {each.stream for each in found if each.last} == {1, 3} and made.connection.idle
    made.feed(opened(4))
    goaways = [each for each in (*found, *made.frames()) if each.kind == frames.GOAWAY]
    assert [struct.unpack(">I", each.payload[:4])[0] for each in goaways] == [
        3,
        3,
    ]  # never more than was promised
