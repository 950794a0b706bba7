"""Clients that are too slow for a real server: it gives up on them, and they hold up nobody."""

from __future__ import annotations

import time
from itertools import islice

import numpy as np
import pytest

from serving.client import Client
from serving.server import grpc_app
from serving.server.http2 import frames
from serving.server.http2.limits import Limits
from tests.serving.gate import gated
from tests.serving.http2.raw_client import Raw
from tests.serving.http2.wire import HELLO, data, opened, whole
from tests.serving.saved_models import predict_request

SILENCE = 0.5
REQUEST = predict_request("gate").SerializeToString()


@pytest.fixture(scope="module")
def served():
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(grpc_app, "_limits", lambda *_: Limits(silence=SILENCE, hello=SILENCE))
        gate, _, app = gated(threads=1)
    gate.open.set()
    yield gate, app
    app.stop(5)


@pytest.fixture
def app(served):
    return served[1]


def answers(app) -> bool:
    with Client(f"127.0.0.1:{app.port}", timeout=10) as client:
        return client.predict("gate", signature="serving_default")["y"][0] == 1.0


def closed(raw: Raw) -> float:
    """Reads to the end; returns how long that took."""
    started = time.monotonic()
    for _ in raw.frames():
        pass
    return time.monotonic() - started


def test_callers_who_send_headers_alone_stop_nobody(app):
    with Raw(app.port) as silent:
        silent.send(*[opened(number) for number in range(1, 101, 2)])
        silent.send(data(1, b"\x00\x00\x00"), data(3, b"\x00\x00\x00\x00\x05ab"))
        assert answers(app)  # with one thread to run
        ended = {each.stream: each.fields() for each in islice((f for f in silent.frames() if f.last), 50)}
        assert sorted(ended) == list(range(1, 101, 2))  # in the order of their last bytes, whichever that was
        assert {(each["grpc-status"], each["grpc-message"]) for each in ended.values()} == {
            ("1", f"no byte of the message for {SILENCE} s")
        }
        assert silent.send(whole(101, REQUEST)).status(101)[0] == "0"


@pytest.mark.parametrize("said", [b"", frames.PREFACE[:5], frames.PREFACE])
def test_clients_who_do_not_greet(app, said):
    with Raw(app.port, said) as silent:
        assert closed(silent) < SILENCE * 20


def test_who_does_not_read_the_replies_is_cut_off(served, app, monkeypatch):
    gate, _ = served
    large = {"y": np.zeros(1 << 20, np.float32)}
    monkeypatch.setattr(gate, "run", lambda *_: large)
    windows = frames.settings({frames.INITIAL_WINDOW_SIZE: 2**30}) + frames.window_update(0, 2**30)
    with Raw(app.port, HELLO + windows) as raw:
        raw.send(*[whole(number, REQUEST) for number in range(1, 41, 2)])  # more than the sockets hold
        assert ends_all(app)
    with Raw(app.port) as raw:
        raw.send(whole(1, REQUEST))  # the window is never opened
        assert closed(raw) < SILENCE * 20
    monkeypatch.undo()
    assert answers(app)


def ends_all(app) -> bool:
    end = time.monotonic() + 10
    while app.turns.running or not all(each.idle for each in app._http2._connections):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_who_reads_slowly_but_reads_is_waited_for(served, app, monkeypatch):
    gate, _ = served
    monkeypatch.setattr(gate, "run", lambda *_: {"y": np.zeros(50_000, np.float32)})
    with Raw(app.port) as raw:
        raw.send(whole(1, REQUEST))
        size = 0
        for each in raw.frames():
            if each.kind == frames.DATA:
                size += len(each.payload)
            if each.last:
                break
            if size >= 65_535:
                time.sleep(SILENCE / 10)
                raw.send(frames.window_update(0, 16_384), frames.window_update(1, 16_384))
        assert size > 200_000


def test_who_stays_when_the_server_has_said_goodbye_is_cut_off(app):
    before = set(app._http2._connections)
    with Raw(app.port) as raw:
        raw.until(frames.SETTINGS)
        (mine,) = app._http2._connections - before
        app._http2._loop.call_soon_threadsafe(mine.close)
        end = time.monotonic() + 20 * SILENCE
        while mine in app._http2._connections and time.monotonic() < end:
            time.sleep(0.01)
        assert mine not in app._http2._connections
