"""A server that has more to do than it can refuses at once, and goes on answering what it has taken."""

from __future__ import annotations

import socket
import time
from concurrent import futures

import grpc
import numpy as np
import pytest

from serving.client import Client, ServerBusy
from serving.protocol import messages
from serving.server.http2 import frames
from tests.serving.gate import gated
from tests.serving.http2.raw_client import Raw
from tests.serving.http2.wire import HELLO, whole
from tests.serving.saved_models import predict_request

RAW = predict_request("gate").SerializeToString()


@pytest.fixture
def served():
    gate, engine, app = gated(threads=1, zoo_max_waiting_requests=2)
    yield gate, engine, app
    gate.open.set()
    app.stop(5)


@pytest.fixture
def predict(served):
    with grpc.insecure_channel(f"127.0.0.1:{served[2].port}") as channel:
        call = channel.unary_unary(f"/{messages.PREDICTION_SERVICE}/Predict")
        yield lambda: call.future(RAW, timeout=30)
        served[0].open.set()


def fill(served, predict) -> list[grpc.Future]:
    """One call that runs, two that wait."""
    gate, _, app = served
    taken = [predict()]
    assert gate.entered.wait(30)
    taken += [predict(), predict()]
    end = time.monotonic() + 30
    while app.turns.waiting < 2 and time.monotonic() < end:
        time.sleep(0.005)
    assert (app.turns.waiting, app.turns.running) == (2, 3)
    return taken


def test_one_too_many_is_refused_at_once_and_the_others_are_answered(served, predict):
    gate, engine, app = served
    taken = fill(served, predict)
    refused = predict()
    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.details() == "The request queue is full: 2 requests wait to run already"
    assert engine.metrics.value(":zoo:refused_total", "", "UNAVAILABLE") == 1
    with Client(f"127.0.0.1:{app.port}", retries=0) as client:
        assert client.status("gate")[0].state == "AVAILABLE"  # answered while every thread is busy
    gate.open.set()
    assert [one.code().name for one in taken] == ["OK"] * 3
    assert predict().code().name == "OK"


def test_the_client_calls_it_busy(served, predict):
    taken = fill(served, predict)
    with (
        Client(f"127.0.0.1:{served[2].port}", retries=0) as client,
        pytest.raises(ServerBusy, match="queue is full"),
    ):
        client.predict("gate", signature="serving_default")
    assert not any(one.done() for one in taken)


def test_calls_that_nobody_waits_for_make_room(served, predict):
    gate, _, app = served
    for one in fill(served, predict)[1:]:
        one.cancel()
    end = time.monotonic() + 30
    while app.turns.full() and time.monotonic() < end:
        time.sleep(0.005)
    assert app.turns.waiting == 0
    taken = predict()
    gate.open.set()
    assert taken.code().name == "OK"


def test_a_stopping_server_answers_what_it_has_taken(served, predict):
    gate, _, app = served
    taken = fill(served, predict)
    gate.open.set()
    app.stop(20)
    assert [one.code().name for one in taken] == ["OK"] * 3


def test_a_stopping_server_does_not_wait_for_ever(served, predict):
    taken = fill(served, predict)
    started = time.monotonic()
    served[2].stop(0.2)
    assert time.monotonic() - started < 5
    assert {one.code().name for one in taken} == {"UNAVAILABLE"}


def test_a_reply_on_its_way_is_not_cut_off(served):
    gate, _, app = served
    gate.run = lambda *_: {"y": np.zeros(100_000, np.float32)}
    windows = frames.settings({frames.INITIAL_WINDOW_SIZE: 2**30}) + frames.window_update(0, 2**30)
    ping = frames.frame(frames.PING, 0, 0, bytes(8))
    with Raw(app.port, HELLO + windows, received=4096) as raw:
        raw.send(whole(1, RAW))
        assert raw.until(frames.HEADERS, 1)
        with futures.ThreadPoolExecutor() as pool:
            stopped = pool.submit(app.stop, 10)
            for _ in range(20):
                raw.send(ping)  # a client measures and keeps alive while it reads
                time.sleep(0.01)
            size = 0
            for each in raw.frames():
                size += len(each.payload) if each.kind == frames.DATA else 0
                if each.last:
                    break
                raw.send(ping)
            raw.socket.shutdown(socket.SHUT_RDWR)
            stopped.result(10)
    assert size > 400_000
