"""What is different with TLS: a connection says goodbye before it closes, and may be read from meanwhile."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trustme

from serving.server.http2 import frames
from serving.server.http2.limits import Limits
from serving.server.http2.server import Http2Server
from serving.server.sockets import listen
from tests.serving.http2.wire import HELLO, Frame, opened, parsed

PING = frames.frame(frames.PING, 0, 0, b"12345678")


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def served(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2"])
    authority.issue_cert("127.0.0.1").configure_cert(context)
    server = Http2Server(asyncio.new_event_loop(), {}, Limits(hello=0.5, silence=1.0), lambda: 0)
    held = listen("127.0.0.1", 0)
    server.listen(held, context)
    server.start()
    yield server, held.getsockname()[1]
    server.stop(1)


@pytest.fixture
def port(served):
    return served[1]


def connected(port: int, authority: trustme.CA) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2"])
    authority.configure_trust(context)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), server_hostname="127.0.0.1")


def rest(secured: ssl.SSLSocket) -> list[Frame]:
    received = bytearray()
    while chunk := secured.recv(1 << 16):
        received += chunk
    return parsed(received)


def test_calls_and_the_end(port, authority):
    with connected(port, authority) as secured:
        assert secured.selected_alpn_protocol() == "h2"
        secured.sendall(HELLO + opened(1) + PING)
        received = bytearray()
        while PING[9:] not in received:
            received += secured.recv(1 << 16)
        (ended,) = [each for each in parsed(received) if each.last]
        assert ended.fields()["grpc-status"] == "12"


def test_after_a_fault_nothing_is_read(port, authority):
    with connected(port, authority) as secured:
        secured.sendall(HELLO + opened(2) + PING * 500)
        found = rest(secured)
        assert [each.code for each in found if each.kind == frames.GOAWAY] == [frames.PROTOCOL_ERROR]
        assert found[-1].kind == frames.GOAWAY


def test_who_does_not_greet(port, authority):
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        assert plain.recv(1) == b""  # no handshake
    with connected(port, authority) as secured:
        try:
            rest(secured)  # no preface
        except (ssl.SSLError, ConnectionError):
            return  # cut off without a goodbye


def test_a_stopping_server_says_goodbye(served, authority):
    server, port = served
    with connected(port, authority) as secured:
        secured.sendall(HELLO)
        received = secured.recv(1 << 16)
        assert received
        while server.connections == 0:
            pass
        server.stop(1)
        assert rest(secured)[-1].code == frames.NO_ERROR
