"""A server that has more to do than it can refuses at once, and goes on answering what it has taken."""

from __future__ import annotations

import socket
import struct
import time

import grpc
import pytest

from serving.client import Client, ServerBusy
from serving.protocol import messages
from tests.serving.gate import gated
from tests.serving.saved_models import predict_request


@pytest.fixture
def served():
    gate, engine, app = gated(threads=1, zoo_max_waiting_requests=2)
    yield gate, engine, app
    gate.open.set()
    app.stop(5)


def test_one_too_many_is_refused_at_once_and_the_others_are_answered(served):
    gate, engine, app = served
    raw = predict_request("gate").SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
        running = call.future(raw, timeout=30)
        assert gate.entered.wait(30)
        taken = [call.future(raw, timeout=30) for _ in range(2)]
        refused = None
        while refused is None:  # the two may still be on their way
            another = call.future(raw, timeout=30)
            if app._admission._pool.waiting >= 2:
                refused = call.future(raw, timeout=30)
            taken.append(another)
        assert refused.code() is grpc.StatusCode.UNAVAILABLE
        assert refused.details() == "The request queue is full: 2 requests wait to run already"
        with Client(f"127.0.0.1:{app.port}", retries=0) as client:
            assert client.status("gate")[0].state == "AVAILABLE"  # answered while every thread is busy
        gate.open.set()
        assert running.result(30)
        codes = [one.code().name for one in taken]
    assert codes.count("OK") >= 2 and set(codes) <= {"OK", "UNAVAILABLE"}
    assert engine.metrics.value(":zoo:refused_total", "", "UNAVAILABLE") >= 1


def test_the_client_calls_it_busy(served):
    gate, _, app = served
    raw = predict_request("gate").SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
        taken = [call.future(raw, timeout=30)]
        while app._admission._pool.waiting < 2:
            taken.append(call.future(raw, timeout=30))
            assert len(taken) < 1000
        with (
            Client(f"127.0.0.1:{app.port}", retries=0) as client,
            pytest.raises(ServerBusy, match="queue is full"),
        ):
            client.predict("gate", signature="serving_default")
        gate.open.set()
        for one in taken:
            one.code()


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header field without indexing (HPACK)."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def test_callers_who_send_headers_alone_stop_nobody(served):
    gate, _, app = served
    gate.open.set()
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": f"/{messages.PREDICTION_SERVICE}/Predict",
        ":authority": "h",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    headers = b"".join(literal(name, value) for name, value in fields.items())
    with socket.create_connection(("127.0.0.1", app.port)) as silent:
        opened = b"".join(frame(1, 4, 2 * index + 1, headers) for index in range(20))
        silent.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + opened)
        deadline = time.monotonic() + 20
        while len(app._admission._pool._receiving) < 20 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(app._admission._pool._receiving) == 20  # with one thread to run: all of them are receiving
        with Client(f"127.0.0.1:{app.port}") as client:
            assert client.predict("gate", signature="serving_default")["y"].tolist() == [1.0]
        app._admission._pool._silence = 0.0  # their time is over
        while app._admission._pool._receiving and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not app._admission._pool._receiving
