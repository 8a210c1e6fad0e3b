"""A handler that holds the event loop: what came meanwhile is not overlooked."""

from __future__ import annotations

import trio

from clusterkit import GenServer, call
from tests.unit.nodes import pair, virtual


class Echo(GenServer):
    @call
    async def echo(self, value):
        return value


def hold_the_loop(seconds):
    """Let time pass in which no task can run."""
    trio.lowlevel.current_clock().jump(seconds)


@virtual
async def test_a_peer_whose_bytes_lie_unread_is_not_dead():
    async with pair() as (a, b):
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(30):
            for node, peer in ((a, "b"), (b, "a")):
                connection = node.kernel.peers[peer].connection
                connection.session.say_ping()
                connection.flush()
            hold_the_loop(3.5)
            await trio.sleep(0.1)
        assert a.kernel.links()[0].reconnects == 0
        assert b.kernel.links()[0].reconnects == 0


@virtual
async def test_a_call_whose_answer_lies_unread_does_not_time_out():
    async with pair(actors={"x": Echo}) as (a, b):
        for number in range(30):
            async with trio.open_nursery() as nursery:

                async def ask(number=number):
                    assert await a.call("x@b", "echo", number, timeout=1) == number

                b.pause("x")
                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                (record,) = b.kernel.peers["a"].open_calls.values()
                b._runtime.reply(b.kernel.peers["a"], record, number)
                b.kernel.peers["a"].flush()
                hold_the_loop(1.5)
            b.resume("x")
