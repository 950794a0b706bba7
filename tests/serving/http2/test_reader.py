"""From bytes to frames: wherever they are cut, the frames are the same."""

from __future__ import annotations

import pytest

from serving.server.http2 import frames
from serving.server.http2.frames import ConnectionFaultError
from serving.server.http2.reader import LONGEST_DATA, LONGEST_OTHER, FrameReader


class Taken:
    """Notes frames; the pieces of a DATA frame are put together again."""

    def __init__(self) -> None:
        self.frames: list[tuple] = []
        self.data: dict[int, bytes] = {}
        self.sizes: dict[int, int] = {}
        self.ended: list[int] = []

    def on_frame(self, kind, flags, stream, payload):
        self.frames.append((kind, flags, stream, payload))

    def on_data(self, stream, chunk, size, last):
        self.data[stream] = self.data.get(stream, b"") + bytes(chunk)
        self.sizes[stream] = self.sizes.get(stream, 0) + size
        if last:
            self.ended.append(stream)


def padded(payload: bytes, length: int) -> bytes:
    return bytes([length]) + payload + bytes(length)


RAW = frames.PREFACE + b"".join(
    (
        frames.settings({frames.MAX_FRAME_SIZE: 20_000}),
        frames.frame(frames.HEADERS, frames.END_HEADERS, 1, b"block"),
        frames.frame(frames.DATA, 0, 1, b"hello "),
        frames.frame(frames.PING, 0, 0x80000000, b"12345678"),  # the highest bit of a stream means nothing
        frames.frame(frames.DATA, 0, 3, b""),
        frames.frame(frames.DATA, frames.PADDED | frames.END_STREAM, 3, padded(b"more", 7)),
        frames.frame(frames.DATA, frames.PADDED, 5, padded(b"", 0)),
        frames.frame(0xFA, 0xFF, 9, b"unknown"),
        frames.frame(frames.DATA, frames.END_STREAM, 1, b"world"),
        frames.frame(frames.DATA, frames.END_STREAM, 5, b""),
        frames.frame(frames.SETTINGS, frames.ACK, 0),
    )
)


def read(*pieces: bytes) -> Taken:
    taken = Taken()
    reader = FrameReader(taken)
    for piece in pieces:
        reader.feed(memoryview(piece))
    return taken


def check(taken: Taken) -> None:
    assert taken.data == {1: b"hello world", 3: b"more", 5: b""}
    assert taken.sizes == {1: 11, 3: 12, 5: 1}  # padding takes of the windows
    assert taken.ended == [3, 1, 5]
    assert taken.frames == [
        (frames.SETTINGS, 0, 0, b"\x00\x05\x00\x00\x4e\x20"),
        (frames.HEADERS, frames.END_HEADERS, 1, b"block"),
        (frames.PING, 0, 0, b"12345678"),
        (0xFA, 0xFF, 9, b"unknown"),
        (frames.SETTINGS, frames.ACK, 0, b""),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 9, 10, 1000])
def test_pieces_of_a_size(size):
    check(read(*(RAW[at : at + size] for at in range(0, len(RAW), size))))


def test_one_cut_at_every_position():
    for at in range(len(RAW) + 1):
        check(read(RAW[:at], RAW[at:]))


def test_data_is_passed_on_before_it_is_whole():
    taken = Taken()
    reader = FrameReader(taken)
    whole = frames.PREFACE + frames.frame(frames.DATA, frames.END_STREAM, 1, b"ab")
    reader.feed(memoryview(whole[:-1]))
    assert taken.data == {1: b"a"} and not taken.ended
    reader.feed(memoryview(whole[-1:]))
    assert taken.data == {1: b"ab"} and taken.ended == [1]


@pytest.mark.parametrize("kind", [frames.DATA, frames.HEADERS])
@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x05abcd"])
def test_padding_longer_than_its_frame(kind, payload):
    from serving.server.http2.reader import unpadded

    with pytest.raises(ConnectionFaultError) as caught:
        unpadded(payload, frames.PADDED)
    assert caught.value.code == frames.PROTOCOL_ERROR
    if kind == frames.DATA:
        with pytest.raises(ConnectionFaultError, match="padding"):
            read(frames.PREFACE + frames.frame(kind, frames.PADDED, 1, payload))


@pytest.mark.parametrize(("kind", "most"), [(frames.DATA, LONGEST_DATA), (frames.HEADERS, LONGEST_OTHER)])
def test_a_frame_longer_than_announced_is_refused_before_it_comes(kind, most):
    read(frames.PREFACE + frames.head(kind, 0, 1, most))
    with pytest.raises(ConnectionFaultError) as caught:
        read(frames.PREFACE + frames.head(kind, 0, 1, most + 1))
    assert caught.value.code == frames.FRAME_SIZE_ERROR


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"PRI * HTTP/2.0\r\n\r\nSX"])
def test_another_preface(raw):
    with pytest.raises(ConnectionFaultError) as caught:
        read(raw)
    assert caught.value.code == frames.PROTOCOL_ERROR
    with pytest.raises(ConnectionFaultError):
        read(*(raw[at : at + 1] for at in range(len(raw))))


def test_half_a_preface_is_waited_for():
    for at in range(len(frames.PREFACE)):
        assert not read(frames.PREFACE[:at]).frames
