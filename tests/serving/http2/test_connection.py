"""Raw bytes to a real server, and what it answers."""

from __future__ import annotations

import pytest

from serving.protocol import messages
from serving.server.http2 import frames
from tests.serving.http2.raw_client import Raw
from tests.serving.http2.wire import END_STREAM, data, message, opened, whole
from tests.serving.saved_models import predict_request

REQUEST = predict_request("gate").SerializeToString()
METHOD, KIND = "__method", "content_type"


def test_a_call_in_pieces(raw):
    for piece in (
        opened(1),
        data(1, message(REQUEST)[:3]),
        data(1, message(REQUEST)[3:]),
        data(1, b"", END_STREAM),
    ):
        raw.send(piece)
    found = []
    for each in raw.frames():
        if each.stream == 1:
            found.append(each)
        if each.last:
            break
    assert [each.kind for each in found] == [frames.HEADERS, frames.DATA, frames.HEADERS]
    assert found[0].fields()[":status"] == "200" and found[-1].fields() == {"grpc-status": "0"}
    response = messages.PredictResponse.FromString(found[1].payload[5:])
    assert list(response.outputs["y"].float_val) == [1.0]


@pytest.mark.parametrize(
    ("sent", "status", "text"),
    [
        (
            opened(1) + data(1, message(REQUEST) * 2, END_STREAM),
            "12",
            "more than one message in a call that takes one",
        ),
        (opened(1) + data(1, message(REQUEST) * 2), "12", "more than one message in a call that takes one"),
        (opened(1, END_STREAM), "12", "no message in a call that takes one"),
        (opened(1) + data(1, b"", END_STREAM), "12", "no message in a call that takes one"),
        (opened(1) + opened(1, END_STREAM), "12", "no message in a call that takes one"),
        (opened(1) + data(1, message(REQUEST)[:-1], END_STREAM), "13", "the call ends within a message"),
        (opened(1) + data(1, b"\x00", END_STREAM), "13", "the call ends within a message"),
        (opened(1) + data(1, b"\x02\x00\x00\x00\x00"), "13", "a message begins with 2: neither 0 nor 1"),
        (whole(1, REQUEST, __path="/no.such/Method"), "12", "Method not found!"),
        (opened(1, __path=""), "12", "Method not found!"),
        (
            whole(1, REQUEST, grpc_timeout="soon"),
            "13",
            "grpc-timeout 'soon': expected digits and one of HMSmun",
        ),
        (whole(1, REQUEST, grpc_timeout="0S"), "4", "the deadline passed before the call ran"),
        (whole(1, b"\xff"), "3", "the bytes are no tensorflow.serving.PredictRequest"),
    ],
)
def test_calls_that_are_refused_alone(raw, sent, status, text):
    raw.send(sent)
    assert raw.status(1) == (status, text)
    raw.send(whole(3, REQUEST))
    assert raw.status(3)[0] == "0"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"__method": "GET"}, "405"),
        ({"content_type": "text/html"}, "415"),
        ({"content_type": "application/grpc-web"}, "415"),
    ],
)
def test_what_is_no_grpc(raw, changed, status):
    raw.send(opened(1, **changed), data(1, b"what", END_STREAM), whole(3, REQUEST))
    assert raw.trailers(1)[":status"] == status
    assert raw.status(3)[0] == "0"


def test_settings_and_pings_are_acknowledged(raw):
    greeting = raw.until(frames.SETTINGS)
    values = frames.parse_settings(greeting.payload)
    assert values[frames.MAX_CONCURRENT_STREAMS] == 256 and values[frames.MAX_FRAME_SIZE] == 2**20
    assert raw.until(frames.SETTINGS).flags == frames.ACK
    raw.send(frames.frame(frames.PING, 0, 0, b"12345678"))
    assert (pong := raw.until(frames.PING)).flags == frames.ACK and pong.payload == b"12345678"


def test_a_reply_that_the_windows_let_out_byte_by_byte(app):
    with Raw(app.port, frames.PREFACE + frames.settings({frames.INITIAL_WINDOW_SIZE: 0})) as raw:
        raw.send(whole(1, REQUEST))
        assert raw.until(frames.HEADERS, 1).fields()[":status"] == "200"
        body = b""
        while True:
            raw.send(frames.window_update(1, 1))
            each = next(each for each in raw.frames() if each.stream == 1)
            if each.last:
                break
            assert len(each.payload) == 1
            body += each.payload
        assert len(body) == 5 + int.from_bytes(body[1:5], "big")
