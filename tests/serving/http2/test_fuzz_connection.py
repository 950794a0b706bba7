"""Frames in any order, cut and bent: a connection ends with GOAWAY or goes on, and every call ends once."""

from __future__ import annotations

import itertools
import logging
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.server.http2 import frames
from serving.server.http2.call import Call
from serving.server.http2.frames import frame
from serving.server.http2.limits import Limits
from serving.server.http2.services import Streaming, Unary
from tests.serving.http2.fakes import Kept, Wire
from tests.serving.http2.wire import HELLO, PREDICT, block, data, message, opened, parsed


class Later:
    """In place of turns: keeps calls until they are answered."""

    def __init__(self) -> None:
        self.tasks = []

    def full(self) -> str:
        return "full" if len(self.tasks) > 3 else ""

    def take(self, task) -> None:
        self.tasks.append(task)


INDEX = st.integers(0, 3)  # which of the calls so far
PATHS = st.sampled_from([PREDICT, PREDICT, "/kept", "/stream", "/missing"])
FLAGS = st.sampled_from([0, 0, frames.END_STREAM])
ABC = message(b"abc")
BODIES = st.sampled_from([b"", message(b""), ABC, ABC, ABC * 2, message(b"a" * 99), ABC[:3], b"\x03" * 9])
WINDOWS = st.sampled_from([0, 1, 10, 65_535, 10**6])
GOOD = st.one_of(
    st.tuples(st.just("call"), PATHS, st.none() | BODIES, FLAGS),
    st.tuples(st.just("call"), PATHS, st.just(ABC), st.just(1)),
    st.tuples(st.just("data"), INDEX, BODIES, FLAGS),
    st.tuples(st.just("reset"), INDEX),
    st.tuples(st.just("window"), INDEX, st.integers(1, 10**6)),
    st.builds(lambda amount: frames.window_update(0, amount), st.integers(1, 10**6)),
    st.builds(lambda value: frames.settings({4: value}), WINDOWS),
    st.builds(lambda value: frames.settings({1: value, 5: 16_384 + value}), st.integers(0, 5000)),
    st.sampled_from(["reply", "large", "finish", "pause", "resume", "tick", "away", "close"]),
)
STREAMS = st.integers(0, 9)
WILD = st.one_of(
    st.builds(lambda number: frame(frames.HEADERS, 0, number, block()), STREAMS),
    st.builds(lambda number: frame(frames.CONTINUATION, 4, number, b""), STREAMS),
    st.builds(opened, STREAMS, FLAGS),
    st.builds(data, STREAMS, BODIES, FLAGS),
    st.builds(frames.window_update, STREAMS, st.integers(0, 2**31)),
    st.builds(frame, st.integers(0, 11), st.integers(0, 255), STREAMS, st.binary(max_size=12)),
)
STEPS = st.tuples(
    st.lists(GOOD, min_size=1, max_size=30), st.lists(WILD, max_size=3), st.lists(GOOD, max_size=5)
)
BENDS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=3)  # where, and how


class Failures(logging.Handler):
    """The connection logs what it did not expect."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(str(record.exc_info))


def sent(made: Wire, what: bytes | tuple) -> bytes:
    if isinstance(what, bytes):
        return what
    name, *rest = what
    last = made.connection._streams.last
    if name == "call":
        path, body, flags = rest
        number = last + 2 - (last + 1) % 2
        alone = opened(number, flags, __path=path)
        return alone if body is None else opened(number, __path=path) + data(number, body, flags)
    if not last:
        return b""
    number = max(1, last - 2 * rest[0])
    if name == "data":
        held = made.connection._streams._open.get(number)
        return data(number, *rest[1:]) if held is None or held.open else b""
    return frames.rst_stream(number, 8) if name == "reset" else frames.window_update(number, rest[1])


def act(event: str, made: Wire, later: Later) -> None:
    connection = made.connection
    if event == "pause" and made.transport.reading:
        connection.pause_writing()
    elif event == "resume" and not made.transport.reading:
        connection.resume_writing()
    elif event == "tick":
        connection.tick(connection._since + 15)
    elif event == "away":
        connection.go_away()
    elif event == "close" and len(later.tasks) > 3:
        connection.close()
    elif later.tasks and event in ("reply", "large", "finish"):
        call = later.tasks.pop(0).call
        call.finish() if event == "finish" else call.reply(bytes(10 if event == "reply" else 100_000))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.just([]) | BENDS, st.integers(1, 40))
def test_any_frames(steps, bends, size):
    ended, begun = Counter[int](), list[Call]()
    later, failures = Later(), Failures()
    logger = logging.getLogger("serving.server.http2.connection")
    logger.addHandler(failures)
    original = Call.__init__

    def noted(self, *args):
        original(self, *args)
        begun.append(self)
        self.at_end(lambda: ended.update([id(self)]))

    Call.__init__ = noted
    try:
        stream = Streaming(lambda raw, call: call.send(raw * 50), last=True, limit=0)
        unary = Unary(lambda raw, call: raw, later)
        made = Wire({PREDICT: unary, "/kept": Kept(), "/stream": stream}, Limits(message=50, streams=3))
        made.feed(HELLO)
        at = 0
        for step in itertools.chain(*steps):
            if isinstance(step, str):
                act(step, made, later)
            elif made.transport.reading:
                raw = bytearray(sent(made, step))
                for where, value in bends:
                    if at <= where < at + len(raw):
                        raw[where - at] ^= value
                at += len(raw)
                for start in range(0, len(raw), size):
                    made.feed(bytes(raw[start : start + size]))
        written = parsed(made.transport.written)
        made.connection.connection_lost(None)
        for task in later.tasks:
            task.call.reply(b"too late")
    finally:
        Call.__init__ = original
        logger.removeHandler(failures)
    assert not failures.found
    goaways = [each for each in written if each.kind == frames.GOAWAY and each.code]
    assert len(goaways) <= 1 and (made.transport.closed or not goaways)
    assert max(Counter(each.stream for each in written if each.last).values(), default=0) <= 1
    assert len(ended) == len(begun) and set(ended.values()) <= {1}
    connection = made.connection
    assert not connection._streams and not connection._outbox._left and not unary._messages
    assert not connection._outbox._granted
