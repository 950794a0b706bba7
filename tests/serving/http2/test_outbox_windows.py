"""Whatever the client grants and takes back: no window is passed, and every reply arrives whole in the end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.http2 import frames
from tests.serving.http2.fakes import Out

BIG = bytes(range(256))
INITIAL = frames.INITIAL_WINDOW_SIZE
STEPS = st.one_of(
    st.tuples(st.just("reply"), st.integers(0, 40)),
    st.tuples(st.just("grant"), st.integers(0, 4), st.integers(1, 30)),
    st.tuples(st.just("initial"), st.integers(0, 30)),
    st.tuples(st.just("pause")),
    st.tuples(st.just("resume")),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_whatever_the_client_grants_windows_hold_and_all_arrives(steps):
    out, replies, initial, granted = Out(), dict[int, bytes](), 65_535, {0: 65_535}
    for name, *values in steps:
        if name == "reply":
            stream = 2 * len(replies) + 1
            replies[stream] = BIG[: values[0]]
            out.box.reply(stream, replies[stream])
        elif name == "grant" and (values[0] == 0 or 2 * values[0] - 1 in set(replies) - set(out.sent)):
            stream = values[0] and 2 * values[0] - 1
            granted[stream] = granted.get(stream, 0) + values[1]
            before = len(out.data(stream)) if stream else 0
            out.box.grant(stream, values[1])
            if stream:  # never beyond the window
                assert len(out.data(stream)) <= max(before, initial + granted[stream])
        elif name == "initial":
            (initial,) = values
            out.box.configure({INITIAL: initial})
        elif name in ("pause", "resume"):
            getattr(out.box, name)()
    out.box.resume()
    out.box.configure({INITIAL: 10**6})
    for stream, reply in replies.items():
        out.check(stream, reply)
