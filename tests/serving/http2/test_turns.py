"""Which call runs when, and where: quick ones in the loop, slow ones in threads, late ones never."""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from concurrent import futures
from functools import partial

import pytest

from serving.server.errors import StatusError
from serving.server.http2.inbox import Message
from serving.server.http2.pace import InFibers, InThreads
from serving.server.waiting import Signal
from tests.serving.http2.office import Office


def in_a_loop(test):
    def run() -> None:
        asyncio.run(test())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@in_a_loop
async def test_quick_calls_come_to_run_in_the_loop():
    office = Office()
    assert not (await office.places(1))[0]
    await office.quick()
    assert not (await office.places(1, path="/other"))[0]  # another kind is learnt by itself


@in_a_loop
async def test_slow_calls_stay_in_threads():
    assert not any(await Office().places(8, lambda: time.sleep(0.04)))


@in_a_loop
async def test_one_slow_call_sends_its_kind_back_to_threads():
    office = Office()
    await office.quick()
    assert (await office.places(1, lambda: time.sleep(0.02))) == [True]
    assert not (await office.places(1))[0]
    await office.quick()  # it may come again


@pytest.mark.parametrize("message", [Message(bytes(2**20 + 1)), Message(gzip.compress(b"x"), "gzip")])
def test_large_and_compressed_messages_are_read_in_threads(message):
    async def test() -> None:
        assert not any(await Office().places(20, message=message))

    asyncio.run(test())


@in_a_loop
async def test_all_run_in_threads_where_the_rule_says_so():
    assert not any(await Office(placing=InThreads()).places(20))


def wait_for(gate: futures.Future) -> None:
    signal = Signal()
    gate.add_done_callback(lambda _: signal.set())
    signal.wait()


@in_a_loop
async def test_calls_in_fibers_give_way_to_one_another():
    office, gates = Office(threads=3, placing=InFibers()), [futures.Future() for _ in range(3)]
    calls = [office.take(partial(wait_for, gate)) for gate in gates]
    await office.until(lambda: len(office.in_loop) == 3)
    assert all(office.in_loop.values()) and office.turns.running == 3 and not office.ended
    for index in (1, 0, 2):
        gates[index].set_result(None)
        await office.until(lambda stream=calls[index].stream: stream in office.ended)
    assert list(office.ended) == [2, 1, 3] and office.turns.running == 0


class Ledger:
    """What ran, in its order, and how much at once in threads."""

    def __init__(self) -> None:
        self.ran: list[int] = []
        self.most, self._now, self._lock = 0, 0, threading.Lock()

    def note(self, number: int) -> None:
        with self._lock:
            self.ran.append(number)
        if threading.current_thread() is threading.main_thread():
            return
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.0002)
        with self._lock:
            self._now -= 1


async def a_hundred_in(threads: int) -> Ledger:
    office, ledger = Office(threads=threads, placing=InThreads()), Ledger()
    for number in range(100):
        office.take(partial(ledger.note, number))
    await office.all_ended()
    return ledger


@in_a_loop
async def test_in_a_thread_the_order_is_that_of_coming():
    ledger = await a_hundred_in(threads=1)
    assert ledger.ran == list(range(100)) and ledger.most == 1


@in_a_loop
async def test_no_more_run_in_threads_than_may():
    ledger = await a_hundred_in(threads=3)
    assert sorted(ledger.ran) == list(range(100)) and ledger.most <= 3


@in_a_loop
async def test_a_quick_call_overtakes_those_in_threads_but_none_of_its_kind():
    office, ledger = Office(threads=1), Ledger()
    await office.quick()
    gate = threading.Event()
    office.take(gate.wait, path="/slow")
    office.take(partial(ledger.note, 0))
    await office.until(lambda: ledger.ran == [0])
    assert office.turns.running == 1
    gate.set()
    for number in range(1, 100):
        office.take(partial(ledger.note, number), path="/a" if number % 2 else "/b")
    await office.all_ended()
    assert [number for number in ledger.ran if number % 2] == list(range(1, 100, 2))
    assert [number for number in ledger.ran if not number % 2] == list(range(0, 100, 2))
    assert ledger.most <= 1


@in_a_loop
async def test_the_bound_on_those_that_wait():
    office, gate = Office(threads=1, most=2), threading.Event()
    for waiting in (0, 1, 2):
        assert office.turns.full() == ""
        office.take(gate.wait)
        await asyncio.sleep(0)
        assert (office.turns.waiting, office.turns.running) == (waiting, waiting + 1)
    assert office.turns.full() == "The request queue is full: 2 requests wait to run already"
    gate.set()
    await office.all_ended()
    assert office.turns.full() == "" and office.turns.running == 0


@in_a_loop
async def test_calls_for_which_nobody_waits_never_run():
    office, gate = Office(threads=1), threading.Event()
    office.take(gate.wait)
    late, gone, good = office.take(timeout=0.001), office.take(), office.take(timeout=10)
    gone.end()
    office.ended[gone.stream] = None
    await asyncio.sleep(0.005)
    gate.set()
    await office.all_ended()
    error = office.ended[late.stream]
    assert isinstance(error, StatusError) and error.code == "DEADLINE_EXCEEDED"
    assert set(office.in_loop) == {1, good.stream}


@in_a_loop
async def test_what_goes_wrong_becomes_a_status():
    def refuse() -> None:
        raise StatusError("NOT_FOUND", "no such model")

    office = Office(limit=10)
    office.take(refuse)
    office.take(lambda: 1 / 0)
    office.take(message=Message(gzip.compress(bytes(11)), "gzip"))
    office.take(message=Message(b"?", "gzip"))
    await office.all_ended()
    assert [each.code for each in office.ended.values()] == [  # type: ignore[union-attr]
        "NOT_FOUND",
        "INTERNAL",
        "RESOURCE_EXHAUSTED",
        "INTERNAL",
    ]


@in_a_loop
async def test_a_slow_call_does_not_hold_up_a_quick_one_while_threads_are_free():
    office, gate = Office(threads=4), threading.Event()
    await office.places(3)
    office.take(gate.wait, path="/slow")
    waiting = [office.take(), office.take(path="/other")]
    await office.until(lambda: all(each.stream in office.ended for each in waiting))
    assert len(office.ended) == 5
    gate.set()
    await office.all_ended()
