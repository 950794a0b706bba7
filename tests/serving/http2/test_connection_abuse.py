"""Callers who go, who ask for too much and who attack: the server answers all others."""

from __future__ import annotations

import time

import grpc
import pytest

from serving.protocol import messages
from serving.server.http2 import frames, headers
from tests.serving.http2.raw_client import Raw
from tests.serving.http2.wire import data, opened, whole
from tests.serving.saved_models import predict_request

REQUEST = predict_request("gate").SerializeToString()
STATUS = f"/{messages.MODEL_SERVICE}/GetModelStatus"


def test_calls_that_are_reset_while_they_wait(served, app):
    gate, _ = served
    gate.open.clear()
    gate.entered.clear()
    with Raw(app.port) as raw:
        raw.send(*[whole(number, REQUEST) for number in range(1, 41, 2)])
        assert gate.entered.wait(10)
        raw.send(*[frames.rst_stream(number, frames.CANCEL) for number in range(1, 41, 2)])
        raw.send(whole(41, b"", __path=STATUS))
        assert raw.status(41)[0] == "3"  # no model named: it was asked, and answered meanwhile
        gate.open.set()
        raw.send(whole(43, REQUEST))
        assert raw.status(43)[0] == "0"


def test_a_connection_that_is_lost_while_calls_run(served, app):
    gate, _ = served
    gate.open.clear()
    gate.entered.clear()
    with Raw(app.port) as raw:
        raw.send(whole(1, REQUEST), whole(3, REQUEST), opened(5), data(5, b"\x00"))
        assert gate.entered.wait(10)
    with grpc.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict").future(REQUEST, timeout=10)
        gate.open.set()
        assert call.result(10)


def test_more_streams_than_may_be_open(app):
    with Raw(app.port) as raw:
        raw.send(*[opened(number) for number in range(1, 2 * 257, 2)], opened(515))
        assert raw.until(frames.RST_STREAM, 513).code == frames.REFUSED_STREAM
        assert raw.until(frames.RST_STREAM, 515).code == frames.REFUSED_STREAM
        raw.send(frames.rst_stream(1, frames.CANCEL), whole(517, REQUEST))
        assert raw.status(517)[0] == "0"


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (frames.frame(frames.PING, 0, 0, bytes(8)) * 3000, frames.ENHANCE_YOUR_CALM),
        (b"".join(opened(n) + frames.rst_stream(n, 8) for n in range(1, 6001, 2)), frames.ENHANCE_YOUR_CALM),
        (
            frames.frame(frames.HEADERS, 0, 1) + frames.frame(frames.CONTINUATION, 0, 1) * 16,
            frames.ENHANCE_YOUR_CALM,
        ),
        (
            frames.frame(frames.HEADERS, 4, 1, headers.field("x", "v" * 16_384)),
            frames.ENHANCE_YOUR_CALM,
        ),
        (opened(2), frames.PROTOCOL_ERROR),
    ],
)
def test_attacks_end_their_connection(app, raw, attack, code):
    raw.send(attack)
    assert raw.goaway() == code


def test_many_connections(app):
    before = app._http2.connections
    held = [Raw(app.port) for _ in range(200)]
    for number, each in enumerate(held):
        each.send(whole(1, REQUEST) if number % 2 else opened(1))
    assert all(each.status(1)[0] == "0" for each in held[1::2])
    for each in held:
        each.__exit__()
    end = time.monotonic() + 10
    while app._http2.connections > before and time.monotonic() < end:
        time.sleep(0.01)
    assert app._http2.connections <= before
