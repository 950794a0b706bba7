"""From replies to frames: never more than the client takes, always in order."""

from __future__ import annotations

import pytest

from serving.server.http2 import frames, headers
from serving.server.http2.frames import ConnectionFaultError
from serving.server.http2.outbox import Outbox
from tests.serving.http2.fakes import Out
from tests.serving.http2.wire import parsed

BIG = bytes(range(256)) * 1000  # more than any first window
INITIAL, LARGEST = frames.INITIAL_WINDOW_SIZE, frames.MAX_FRAME_SIZE


def test_a_small_reply_is_one_write():
    writes = []
    Outbox(writes.append, lambda _: None).reply(1, b"abc")
    assert len(writes) == 1
    kinds = [each.kind for each in parsed(writes[0])]
    assert kinds == [frames.HEADERS, frames.DATA, frames.HEADERS]


@pytest.mark.parametrize("size", [0, 1, 16_379, 16_380, 65_530])
def test_replies_within_the_first_window(size):
    out = Out()
    out.box.reply(1, BIG[:size])
    out.check(1, BIG[:size])
    assert max(len(each.payload) for each in out.frames(1)) <= 16_384


def test_the_window_of_the_stream_and_that_of_the_connection():
    out = Out()
    out.box.reply(1, BIG)
    assert len(out.data(1)) == 65_535 and not out.sent and out.box.stuck
    out.box.grant(1, 10**6)
    assert len(out.data(1)) == 65_535  # the connection's is used up
    out.box.grant(0, 100)
    assert len(out.data(1)) == 65_635
    out.box.grant(0, 10**6)
    out.check(1, BIG)
    out.box.configure({INITIAL: 10})
    out.box.reply(3, b"0123456789")
    assert len(out.data(3)) == 10
    out.box.grant(0, 10**6)
    assert len(out.data(3)) == 10  # the stream's own is used up
    out.box.grant(3, 5)
    out.check(3, b"0123456789")


def test_the_largest_frame_is_the_clients():
    out = Out()
    out.box.configure({INITIAL: 2**31 - 1, LARGEST: 100_000})
    out.box.grant(0, 2**30)
    out.box.reply(1, BIG)
    out.check(1, BIG)
    assert max(len(each.payload) for each in out.frames(1)) == 100_000


@pytest.mark.parametrize("size", [0, 10, len(BIG)])
def test_nothing_goes_out_while_the_socket_is_full(size):
    out = Out()
    out.box.configure({INITIAL: 2**30})
    out.box.grant(0, 2**30)
    out.box.pause()
    out.box.reply(1, BIG[:size])
    assert not out.data(1) and not out.sent
    out.box.end(3, headers.END)
    assert not out.frames(3)
    out.box.resume()
    out.check(1, BIG[:size])
    assert out.sent == [1, 3]


def test_several_messages_and_the_end_after_them():
    out = Out()
    out.box.configure({INITIAL: 3})
    out.box.begin(1)
    for each in (b"one", b"", b"three"):
        out.box.message(1, each)
    out.box.end(1, headers.END)
    while not out.sent:
        assert not out.frames(1)[-1].last
        out.box.grant(1, 1)
    out.check(1, b"one", b"", b"three")


def test_an_empty_message_after_a_full_write():
    out = Out()
    out.box.configure({INITIAL: 2**30, LARGEST: 2**20})
    out.box.grant(0, 2**30)
    out.box.pause()
    large = bytes(2**20 - 10)
    out.box.begin(1)
    for each in (large, b""):  # with their lengths exactly one write
        out.box.message(1, each)
    out.box.end(1, headers.END)
    out.box.resume()
    out.check(1, large, b"")


def test_another_initial_window_holds_for_a_reply_under_way():
    out = Out()
    out.box.grant(0, 10**6)
    out.box.reply(1, BIG)
    assert len(out.data(1)) == 65_535
    out.box.configure({INITIAL: 0})  # its window is negative now
    out.box.grant(1, 65_535)
    assert len(out.data(1)) == 65_535
    out.box.grant(1, 5)
    assert len(out.data(1)) == 65_540
    out.box.configure({INITIAL: 10**6})
    out.check(1, BIG)


def test_windows_that_grow_too_large():
    for broken in (
        lambda box: box.grant(0, 2**31 - 1),
        lambda box: box.grant(1, 2**31 - 1),
        lambda box: (box.grant(1, 1), box.configure({INITIAL: 2**31 - 1})),
    ):
        with pytest.raises(ConnectionFaultError) as caught:
            broken(Out().box)
        assert caught.value.code == frames.FLOW_CONTROL_ERROR


def test_a_smaller_table_is_acknowledged_once():
    out = Out()
    out.box.configure({frames.HEADER_TABLE_SIZE: 0})
    out.box.reply(1, b"a")
    out.box.reply(3, b"b")
    out.check(1, b"a")
    out.check(3, b"b")
    updates = [each.payload[:1] == b"\x20" for each in (*out.frames(1), *out.frames(3))]
    assert updates == [True] + [False] * (len(updates) - 1)


def test_a_forgotten_stream_is_not_sent_and_lets_others_pass():
    out = Out()
    out.box.configure({INITIAL: 10})
    out.box.reply(1, BIG)
    out.box.reply(3, b"ok")
    out.box.grant(1, 3)
    before = out.data(1)
    out.box.forget(1)
    out.box.configure({INITIAL: 10**6})
    out.box.grant(0, 10**6)
    assert out.data(1) == before and out.sent == [3]
    assert not out.box._left and not out.box._granted and not out.box.stuck
    out.check(3, b"ok")
