"""When what is said is written: at once if alone, in frames worth it in a burst."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import trio

from clusterkit import GenServer, call
from clusterkit.net.peer import GATHER
from clusterkit.wire.session import Session
from tests.unit.nodes import pair, virtual
from tests.waiting import until


class Echo(GenServer):
    @call
    async def echo(self, value):
        return value

    @call
    async def slow(self):
        await trio.sleep(10)


@contextmanager
def counting_records(monkeypatch):
    """Yield, per session, how many records each of its frames took along."""
    counts = {}

    def noting(session):
        entries = take(session)
        counts.setdefault(session, []).append(len(entries))
        return entries

    take = Session._next_entries
    with monkeypatch.context() as patch:
        patch.setattr(Session, "_next_entries", noting)
        yield counts


async def call_at_once(node, count):
    async with trio.open_nursery() as nursery:
        for n in range(count):
            nursery.start_soon(node.call, "echo@b", "echo", n)


@virtual
async def test_a_burst_of_calls_and_its_answers_travel_in_parts(monkeypatch):
    async with pair(actors={"echo": Echo}) as (a, _):
        with counting_records(monkeypatch) as counts:
            await call_at_once(a, 4 * GATHER)
    assert len(counts) == 2
    for frames in counts.values():
        assert sum(frames) == 4 * GATHER
        assert max(frames) == GATHER
        assert len(frames) <= 8  # parts, not crumbs


@virtual
async def test_an_answer_does_not_wait_for_the_handlers_after_it():
    async with pair(actors={"echo": Echo}) as (a, b):
        b.pause("echo")
        async with trio.open_nursery() as nursery:
            for event, *args in [("echo", 1), ("echo", 2), ("slow",)]:
                nursery.start_soon(partial(a.call, "echo@b", event, *args, timeout=60))
                await trio.sleep(0.1)
            resumed = trio.current_time()
            b.resume("echo")
            await until(lambda: a.statistics().pending_calls == 1)
            assert trio.current_time() - resumed < 1
