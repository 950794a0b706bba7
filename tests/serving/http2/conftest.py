"""A real server with the model `gate`, and a raw client of it."""

from __future__ import annotations

import time

import pytest

from serving.client import Client
from tests.serving.gate import gated
from tests.serving.http2.raw_client import Raw


@pytest.fixture(scope="package")
def served():
    gate, _, app = gated()
    gate.open.set()
    yield gate, app
    gate.open.set()
    app.stop(5)


@pytest.fixture
def app(served):
    gate, app = served
    yield app
    gate.open.set()
    with Client(f"127.0.0.1:{app.port}") as client:  # whatever was done to it, it answers
        assert client.predict("gate", signature="serving_default")["y"].tolist() == [1.0]
    assert no_calls(app)


@pytest.fixture
def raw(app):
    with Raw(app.port) as client:
        yield client


def no_calls(app) -> bool:
    """Whether the server comes to rest, and keeps nothing of what was asked."""
    end = time.monotonic() + 10
    unary = [each for each in app._http2._methods.values() if hasattr(each, "_messages")]
    while any(each._messages for each in unary) or not all(each.idle for each in app._http2._connections):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return app.turns.running == 0
