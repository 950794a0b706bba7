"""Hostile HTTP: each attack is followed by a good request, which the same server must answer."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from serving.server.rest import body
from serving.server.rest.punctual import Patience
from serving.server.rest.server import RestServer
from tests.serving.http_calls import (
    HOST,
    PeakMemory,
    ask,
    connect,
    next_reply,
    read_to_end,
    rest_server,
    trickle,
    variant,
)

MIB = 1 << 20
CAP = 16 * MIB
POST = b"POST /v1/models/echo:predict HTTP/1.1\r\nHost: h\r\n"
GOOD = b'{"signature_name": "int32", "inputs": [[1, 2], [3, 4]]}'
ASKED = POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD


@pytest.fixture(scope="module")
def shared(server) -> Iterator[RestServer]:
    engine = variant(server.engine, zoo_max_request_bytes=CAP)
    with rest_server(engine, patience=Patience(headers=0.3, silence=0.3, leftover=0.3)) as running:
        yield running


@pytest.fixture
def attacked(shared, jpeg) -> Iterator[RestServer]:
    yield shared
    encoded = json.dumps({"instances": [{"b64": base64.b64encode(jpeg).decode()}]}).encode()
    status, _, reply = ask(shared.port, "POST", "/v1/models/pictures:predict", encoded)
    assert status == 200 and len(json.loads(reply)["predictions"]) == 1


def refused(running: RestServer, content: bytes, **headers: str) -> str:
    status, _, reply = ask(running.port, "POST", "/v1/models/echo:predict", content, **headers)
    assert status == 400
    return json.loads(reply)["error"]


@pytest.mark.parametrize(
    ("content", "offset"),
    [
        (b"[" * 1_000_000, 64),
        (b'{"instances": ' + b"[" * 1_000_000, 77),
        (b'{"instances": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", 77),
        (b'{"a":' * 1_000_000, 320),
        (b'{"inputs": "\\"[{" , "a": ' + b'[{"a":' * 500_000, 212),
    ],
    ids=["lists", "unclosed", "closed", "objects", "mixed"],
)
def test_a_million_brackets(attacked, content, offset):
    assert refused(attacked, content) == (
        f"JSON Parse error: More than 64 nested lists and objects at offset: {offset}"
    )


def test_numbers_of_a_million_digits(attacked):
    for number in (b"1" * 1_000_000, b"0." + b"1" * 1_000_000, b"1e" + b"9" * 1_000_000):
        assert refused(attacked, b'{"inputs": %s}' % number).startswith("JSON Parse error: Number ")


def gzip_zeros(mebibytes: int) -> bytes:
    """A gzip file of zeros without its trailer; a flushed block can be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    head = packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * mebibytes


def test_a_gigabyte_of_zeros_is_met_before_it_has_grown(attacked):
    bomb = gzip_zeros(1024)
    assert len(bomb) < 2 * MIB
    with PeakMemory() as memory:
        text = refused(attacked, bomb, Content_Encoding="gzip")
    assert text == f"the body has {CAP + MIB} bytes or more; this server takes {CAP}"
    assert memory.growth < 4 * CAP


def test_inflating_is_work_of_the_threads_not_of_the_event_loop(attacked, monkeypatch):
    names = []

    def inflated(*arguments):
        names.append(threading.current_thread().name.partition("_")[0])
        return original(*arguments)

    original = body.inflated
    monkeypatch.setattr(body, "inflated", inflated)
    refused(attacked, gzip_zeros(100), Content_Encoding="gzip")
    assert names == ["rest"]


def test_a_body_above_the_cap_announced_or_not(attacked):
    with connect(attacked.port) as raw:
        raw.sendall(POST + b"Content-Length: 99999999999\r\n\r\n")
        status, reply = next_reply(raw)
    assert status == 400
    assert json.loads(reply)["error"] == "the body has 99999999999 bytes or more; this server takes 16777216"
    chunk = bytes(MIB)
    with connect(attacked.port) as raw:
        raw.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(64):
                raw.sendall(b"%x\r\n%s\r\n" % (MIB, chunk))
            raw.sendall(b"0\r\n\r\n")
        except ConnectionError:
            pass
        assert read_to_end(raw).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", b"400"),
        (POST + b"Content-Length: -1\r\n\r\n{}", b"400"),
        (POST + b"Content-Length: 0x2\r\n\r\n{}", b"400"),
        (POST + b"Content-Length: 1\r\n\r\n{}\r\n\r\n", b"400"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n{}", b"400"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffffff\r\n{}", b"400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"404"),
        (b"GET /v1/models/\xff\xfe HTTP/1.1\r\nHost: h\r\n\r\n", b"400"),
        (b"GET /v1/models/a b HTTP/1.1\r\nHost: h\r\n\r\n", b"400"),
        (b"GET /v1/models/echo HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"GET /v1/models/echo HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", b"400"),
        (b"GET /v1/models/echo HTTP/1.1\r\nHost: h\r\nX" + b"x" * 40_000, b"400"),
        (b"GET /" + b"x" * 40_000, b"400"),
    ],
    ids=[
        "two-lengths", "negative", "hex", "short-length", "encoding", "chunk", "huge-chunk", "http2",
        "bytes-in-path", "space-in-path", "no-host", "nul", "endless-header", "endless-path",
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused_and_the_connection_closed(attacked, sent, status):
    with connect(attacked.port) as raw:
        raw.sendall(sent)
        assert read_to_end(raw).startswith(b"HTTP/1.1 " + status)


def test_a_length_that_promises_more_than_comes(attacked):
    with connect(attacked.port) as raw:
        raw.sendall(POST + b"Content-Length: 1000\r\n\r\n{}")
        raw.shutdown(socket.SHUT_WR)
        assert read_to_end(raw) == b""


def test_a_megabyte_of_headers(attacked):
    with connect(attacked.port) as raw:
        try:
            raw.sendall(b"GET /v1/models/echo HTTP/1.1\r\nHost: h\r\n")
            for number in range(1000):
                raw.sendall(b"X%d: " % number + b"x" * 1000)  # one line, never ended
        except ConnectionError:
            pass
        assert read_to_end(raw)[:12] in (b"HTTP/1.1 400", b"")


def test_binary_garbage_and_a_tls_greeting(attacked):
    noise = np.random.default_rng(0)
    greeting = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise.bytes(512)
    for garbage in (greeting, *(noise.bytes(size) + b"\r\n\r\n" for size in (1, 100, 10_000))):
        with connect(attacked.port) as raw:
            raw.sendall(garbage)
            assert read_to_end(raw)[:12] in (b"HTTP/1.1 400", b"")


def test_a_damaged_body_after_the_reply_ends_the_connection(attacked, caplog):
    with connect(attacked.port) as raw:
        raw.sendall(b"PUT /v1/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert next_reply(raw)[0] == 400
        raw.sendall(b"no chunk\r\n")
        assert read_to_end(raw) == b""
    assert "Traceback" not in caplog.text


# From here on the caller is slow: the limits are those of the fixture, 0.3 s.


def test_silence_and_slow_headers(attacked):
    with connect(attacked.port) as silent, connect(attacked.port) as slow:
        assert trickle(slow, b"GET /v1/models/echo HTTP/1.1\r\nX: " + b"x" * 2000) == b""
        assert read_to_end(silent) == b""


def test_slow_headers_of_a_second_request(attacked):
    with connect(attacked.port) as raw:
        raw.sendall(ASKED)
        assert next_reply(raw)[0] == 200
        assert trickle(raw, b"GET /v1/models/echo HTTP/1.1\r\nX: " + b"x" * 2000) == b""


def test_a_body_that_stops(attacked):
    with connect(attacked.port) as raw:
        raw.sendall(POST + b"Content-Length: 1000\r\n\r\n{")
        assert read_to_end(raw) == b""
    with connect(attacked.port) as raw:
        raw.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        assert read_to_end(raw) == b""


def test_a_body_that_trickles_meets_the_time_limit_of_the_request(server):
    engine = variant(server.engine, rest_api_timeout_in_ms=300)
    with rest_server(engine, patience=Patience(leftover=0.1)) as running, connect(running.port) as raw:
        raw.sendall(POST + b"Content-Length: 100000\r\n\r\n{")
        assert trickle(raw, b" " * 2000).startswith(b"HTTP/1.1 504 ")
        assert ask(running.port, "POST", "/v1/models/echo:predict", GOOD)[0] == 200


def test_a_body_that_goes_on_after_its_reply(attacked):
    with connect(attacked.port) as raw:
        raw.sendall(b"PUT /v1/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
        assert trickle(raw, b" " * 2000).startswith(b"HTTP/1.1 400 ")


def test_a_reply_that_nobody_reads_does_not_hold_its_connection(attacked):
    sent = b'{"signature_name": "string", "inputs": "%s"}' % (b"x" * (CAP - 1000))
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with raw:
        raw.settimeout(30)
        raw.connect((HOST, attacked.port))
        raw.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(sent) + sent)
        deadline = time.monotonic() + 20
        while attacked.connections and time.monotonic() < deadline:
            time.sleep(0.02)
        assert attacked.connections == 0


def test_a_reply_that_is_read_slowly_arrives(server):
    """In pieces of 64 KiB. The reader must not be silent for long; a busy machine may hold it up for a while."""
    text = b"x" * (CAP - 1000)
    sent = b'{"signature_name": "string", "inputs": "%s"}' % text
    engine, patient = (
        variant(server.engine, zoo_max_request_bytes=CAP),
        Patience(headers=5, silence=5, leftover=5),
    )
    with rest_server(engine, patience=patient) as running, connect(running.port) as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        raw.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(sent) + sent)
        assert text in read_to_end(raw)


def test_two_hundred_idle_connections_are_served_beside(attacked):
    with ExitStack() as opened:
        for _ in range(200):
            opened.enter_context(connect(attacked.port))
        assert ask(attacked.port, "POST", "/v1/models/echo:predict", GOOD)[0] == 200


def test_working_connections_are_left_alone(attacked):
    """Longer than any of the limits in all, but never slow."""
    ended = time.monotonic() + 1
    with connect(attacked.port) as raw:
        while time.monotonic() < ended:
            raw.sendall(ASKED)
            assert next_reply(raw)[0] == 200
