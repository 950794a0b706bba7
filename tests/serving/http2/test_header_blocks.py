"""HEADERS and CONTINUATION, and the memory of what blocks said."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.http2 import frames, headers
from serving.server.http2.frames import CONTINUATION, END_HEADERS, END_STREAM, HEADERS, ConnectionFaultError
from serving.server.http2.header_blocks import HeaderBlocks
from tests.serving.http2.wire import FIELDS, PREDICT, block


def fault(*frame_list) -> int:
    blocks = HeaderBlocks()
    with pytest.raises(ConnectionFaultError) as caught:
        for each in frame_list:
            blocks.add(*each)
    return caught.value.code


def test_a_block_in_one_frame_and_in_pieces():
    raw = block()
    for size in (1000, 20, 13):
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
        blocks = HeaderBlocks()
        for number, piece in enumerate(pieces):
            kind = CONTINUATION if number else HEADERS
            flags = (END_HEADERS if number == len(pieces) - 1 else 0) | (0 if number else END_STREAM)
            found = blocks.add(kind, flags, 1, piece)
            assert blocks.open == (found is None) == (number < len(pieces) - 1)
        said, last = found
        assert said.path == PREDICT and last


def test_padding_and_priority_are_no_fields():
    raw = bytes(5) + block()
    said, _ = HeaderBlocks().add(HEADERS, END_HEADERS | frames.HAS_PRIORITY, 1, raw)
    assert said.path == PREDICT
    flags = END_HEADERS | frames.HAS_PRIORITY | frames.PADDED
    said, _ = HeaderBlocks().add(HEADERS, flags, 1, b"\x03" + raw + bytes(3))
    assert said.path == PREDICT
    assert fault((HEADERS, END_HEADERS | frames.HAS_PRIORITY, 1, b"1234")) == frames.FRAME_SIZE_ERROR


def test_blocks_on_no_stream():
    assert fault((HEADERS, END_HEADERS, 0, block())) == frames.PROTOCOL_ERROR
    assert fault((CONTINUATION, END_HEADERS, 1, block())) == frames.PROTOCOL_ERROR


def test_what_cannot_be_decoded():
    wrong = [b"\xff\xff\xff\xff", b"\xfe", b"\x00\x05ab", b"\x3f\xff\xff", b"\x00\x01a\x02\xff\xff", b"\x80"]
    for raw in wrong:
        assert fault((HEADERS, END_HEADERS, 1, raw)) == frames.COMPRESSION_ERROR, raw


def test_too_much():
    calm = frames.ENHANCE_YOUR_CALM
    assert fault((HEADERS, 0, 1, b""), *[(CONTINUATION, 0, 1, b"")] * 100) == calm
    assert fault((HEADERS, 0, 1, bytes(20_000)), (CONTINUATION, 0, 1, bytes(20_000))) == calm
    assert fault((HEADERS, END_HEADERS, 1, block() + headers.field("x", "v" * 16_384))) == calm
    encoder = hpack.Encoder()
    encoder.encode([("x", "v" * 3000)])
    bomb = encoder.encode([("x", "v" * 3000)] * 100)  # a byte each
    assert len(bomb) < 200
    first = hpack.Encoder().encode([("x", "v" * 3000)])
    assert fault((HEADERS, END_HEADERS, 1, first), (HEADERS, END_HEADERS, 3, bomb)) == calm


def test_a_known_block_is_not_decoded_again(monkeypatch):
    blocks, encoder = HeaderBlocks(), hpack.Encoder()
    fields = list(FIELDS.items())
    blocks.add(HEADERS, END_HEADERS, 1, encoder.encode(fields))
    short = encoder.encode(fields)
    first, _ = blocks.add(HEADERS, END_HEADERS, 3, short)
    monkeypatch.setattr(blocks, "_decoder", None)
    second, _ = blocks.add(HEADERS, END_HEADERS, 5, short)
    assert first is second and first.path == PREDICT


def inserted(name: str) -> bytes:
    """A field that goes into the table."""
    return b"\x40\x01" + name.encode() + b"\x01" + name.encode()


NEW = st.lists(st.sampled_from("abc").map(inserted), max_size=2).map(b"".join)
SIZES = st.sampled_from(
    [b"", b"", b"", b"\x20", b"\x3f\x06", b"\x3f\xe1\x1f"]
)  # of the table: 0, 37 and 4096 bytes
NOT_INDEXED = st.sampled_from([b"", b"", b"\x00\x01x\x01y", b"\x10\x01x\x01y"])
REFERENCES = st.lists(st.sampled_from([0x83, 0xBE, 0xBF, 0xC0]), min_size=1, max_size=3).map(bytes)
PARTS = st.one_of(REFERENCES, REFERENCES, st.tuples(SIZES, NEW, NOT_INDEXED, REFERENCES).map(b"".join))


@settings(max_examples=150, deadline=None)
@given(st.lists(PARTS, min_size=3, max_size=30))
def test_what_is_remembered_is_what_a_decoder_would_say(sent):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(headers, "parse", tuple)
        blocks, plain = HeaderBlocks(), hpack.Decoder()
        blocks.add(HEADERS, END_HEADERS, 1, inserted("a") * 3)
        plain.decode(inserted("a") * 3)
        for raw in sent:
            try:
                expected = tuple(plain.decode(raw))
            except hpack.HPACKError:
                with pytest.raises(ConnectionFaultError):
                    blocks.add(HEADERS, END_HEADERS, 1, raw)
                return
            assert blocks.add(HEADERS, END_HEADERS, 1, raw) == (expected, False)


def test_no_more_is_remembered_than_a_client_needs():
    blocks = HeaderBlocks()
    for first in range(0x81, 0xBE):
        for second in range(0x81, 0xBE):
            blocks.add(HEADERS, END_HEADERS, 1, bytes([first, second]))
            assert len(blocks._known) <= 64
