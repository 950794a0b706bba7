"""The fields of requests, replies and refusals."""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.errors import NUMBERS, StatusError
from serving.server.http2 import headers
from serving.server.http2.headers import NotGrpcError, Request
from tests.serving.http2.wire import FIELDS, PREDICT


def parse(**changed: str) -> Request:
    fields = FIELDS | {name.replace("_", "-"): value for name, value in changed.items()}
    return headers.parse(list(fields.items()))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1H", 3600), ("2M", 120), ("3S", 3), ("4m", 4e-3), ("5u", 5e-6), ("6n", 6e-9), ("99999999S", 99999999)],
)
def test_timeouts(text, seconds):
    assert parse(grpc_timeout=text).timeout == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "S", "1", "1s", "-1S", "1.5S", "999999999S", "1S ", "1SS", "x" * 10_000]
)
def test_timeouts_that_are_none(text):
    with pytest.raises(StatusError) as caught:
        parse(grpc_timeout=text)
    assert caught.value.code == "INTERNAL" and len(caught.value.message) < 200


def test_encodings():
    assert [parse(grpc_encoding=name).encoding for name in ("identity", "gzip", "deflate")] == [
        "",
        "gzip",
        "deflate",
    ]
    assert parse() == Request(PREDICT, None, "", ())
    with pytest.raises(StatusError, match="identity,gzip,deflate") as caught:
        parse(grpc_encoding="snappy")
    assert caught.value.code == "UNIMPLEMENTED"


def test_metadata_is_what_is_not_of_the_protocol():
    raw = bytes(range(256))
    padded, bare = base64.b64encode(raw).decode(), base64.b64encode(raw).decode().rstrip("=")
    sent = {
        "authorization": "Bearer x",
        "tenant": "t",
        "test": "",
        "a-bin": padded,
        "b-bin": bare,
        "user-agent": "me",
    }
    request = headers.parse(
        [*FIELDS.items(), *sent.items(), ("tenant", "u"), ("grpc-accept-encoding", "gzip")]
    )
    assert request.metadata == (
        ("authorization", "Bearer x"),
        ("tenant", "t"),
        ("test", ""),
        ("a-bin", raw),
        ("b-bin", raw),
        ("user-agent", "me"),
        ("tenant", "u"),
    )


@pytest.mark.parametrize("value", ["a", "é", "%"])
def test_binary_metadata_that_is_none_stops_nothing(value):
    assert len(headers.parse([*FIELDS.items(), ("a-bin", value)]).metadata) == 1


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({":method": "GET"}, 405),
        ({"content-type": "application/json"}, 415),
        ({"content-type": "application/grpc-web"}, 415),
        ({"content-type": ""}, 415),
    ],
)
def test_what_is_no_grpc(changed, status):
    with pytest.raises(NotGrpcError) as caught:
        headers.parse(list((FIELDS | changed).items()))
    assert caught.value.status == status


@pytest.mark.parametrize(
    "kind", ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"]
)
def test_content_types_of_grpc(kind):
    assert parse(content_type=kind).path == PREDICT


def test_no_fields_at_all():
    with pytest.raises(NotGrpcError):
        headers.parse([])


@pytest.mark.parametrize("length", [0, 1, 126, 127, 128, 254, 255, 256, 10_000, 16_511, 16_512])
def test_fields_of_every_length(length):
    decoder = hpack.Decoder(max_header_list_size=2**20)
    assert decoder.decode(headers.field("x", "v" * length)) == [("x", "v" * length)]
    assert decoder.decode(headers.field("n" * length, "")) == [("n" * length, "")]
    assert len(decoder.header_table.dynamic_entries) == 0


def test_good_replies():
    begin = dict(hpack.Decoder().decode(headers.BEGIN))
    assert begin == {
        ":status": "200",
        "content-type": "application/grpc",
        "grpc-accept-encoding": "identity,gzip,deflate",
    }
    assert hpack.Decoder().decode(headers.END) == [("grpc-status", "0")]


@pytest.mark.parametrize("code", NUMBERS)
def test_refusals(code):
    error = StatusError(code, "no")
    short = {"grpc-status": str(NUMBERS[code]), "grpc-message": "no"}
    assert dict(hpack.Decoder().decode(headers.refusal(error, begun=True))) == short
    alone = dict(hpack.Decoder().decode(headers.refusal(error, begun=False)))
    assert alone.items() >= short.items() and alone[":status"] == "200"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=50))
def test_any_text_of_a_refusal_arrives(text):
    fields = dict(hpack.Decoder().decode(headers.refusal(StatusError("INTERNAL", text), begun=True)))
    sent = fields["grpc-message"]
    assert all(0x20 <= ord(each) <= 0x7E for each in sent)
    assert unquote_to_bytes(sent) == text.encode()


def test_texts_that_are_long_or_no_text_at_all():
    for text in ("é" * 100_000, "\udcff"):
        block = headers.refusal(StatusError("INTERNAL", text), begun=False)
        assert len(block) < 16_384
        hpack.Decoder().decode(block)


def test_refusals_of_http():
    assert dict(hpack.Decoder().decode(headers.http_refusal(415)))[":status"] == "415"
