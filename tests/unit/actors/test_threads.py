"""Other threads: what they must not do to a node is refused, and changes nothing."""

from __future__ import annotations

import threading
from functools import partial

import trio

from clusterkit import call, later
from clusterkit.errors import ClusterError
from tests.unit.nodes import alone, pair, virtual
from tests.unit.servers import Sink


class Box(Sink):
    @call
    async def wait(self):
        self.waits = self.caller
        return later()

    async def handle_info(self, message):
        self.got.append(message)


def from_a_thread(function, *args):
    """Run a function in a thread while the loop stands still; return its error."""
    errors = []

    def run():
        try:
            function(*args)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors[0] if errors else None


def refused(function, *args):
    error = from_a_thread(function, *args)
    assert isinstance(error, ClusterError), repr(error)
    assert "from_thread" in str(error)


@virtual
async def test_a_cast_from_another_thread_is_refused_and_the_actor_lives_on():
    async with alone(actors={"box": Box}) as node:
        await trio.testing.wait_all_tasks_blocked()  # the actor is parked
        refused(node.cast_nowait, "box", "put", 1)
        refused(node.ref(Box, "box").cast_nowait, Box.put, 1)
        await node.cast("box", "put", 2)
        assert await node.call("box", "read") == [2]


@virtual
async def test_a_cast_to_another_node_is_refused_and_the_link_lives_on():
    async with pair(actors={"box": Box}) as (a, _):
        await trio.testing.wait_all_tasks_blocked()
        refused(a.cast_nowait, "box@b", "put", 1)
        await a.cast("box@b", "put", 2)
        assert await a.call("box@b", "read") == [2]


@virtual
async def test_a_loop_of_its_own_is_no_way_in_for_a_thread():
    async with pair(actors={"box": Box}) as (a, b):
        for target in ("box@b", "_node@a"):
            refused(trio.run, a.call, target, "read")
        for node in (a, b):
            refused(trio.run, node.start, "other", Box)
            refused(trio.run, node.stop, "box")
            refused(trio.run, node.gossip.insert, "c@c:7022")
            refused(trio.run, node.gossip.join, "another")
            refused(trio.run, node.meet, "c@c:7022")
        assert await a.call("box@b", "read") == []
        assert await b.start("other", Box)


@virtual
async def test_an_actor_is_not_paused_resumed_or_told_from_another_thread():
    async with alone(actors={"box": Box}) as node:
        server = node._runtime.local("box").server
        await trio.testing.wait_all_tasks_blocked()
        for act in (node.pause, node.resume):
            refused(act, "box")
        refused(server.send_after, 0, "late")
        refused(server.exit)
        await trio.sleep(1)
        assert await node.call("box", "read") == []
        assert node.statistics().actors[0].state == "running"


@virtual
async def test_what_members_do_for_each_other_is_not_changed_from_another_thread():
    async def handle(_):
        raise AssertionError

    async with alone() as node:
        services, masters, channels = node.services, node.masters, node.channels
        channels.join("x", handle)
        masters.stand(required=0)
        services.advertise("db")
        for change in (
            partial(services.advertise, "web"),
            partial(services.update, "db", 1),
            partial(services.withdraw, "db"),
            partial(services.need, "db"),
            partial(services.setup, "db", handle),
            partial(trio.run, services.ready),
            partial(masters.stand, weight=2),
            masters.retire,
            masters.promote,
            masters.demote,
            partial(channels.join, "y", handle),
            partial(channels.leave, "x"),
            partial(channels.forget_kept, "x"),
            partial(trio.run, partial(channels.send, "x", 1, keep=True)),
        ):
            refused(change)
        assert node.state.keys(node.name) == ("_channels", "_master", "_service.db")


@virtual
async def test_a_promised_answer_is_not_given_from_another_thread():
    async with alone(actors={"box": Box}) as node, trio.open_nursery() as nursery:
        server = node._runtime.local("box").server
        answers = []

        async def ask():
            answers.append(await node.call("box", "wait"))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        refused(server.waits.reply, 1)
        server.waits.reply(2)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == [2]


def test_a_call_without_a_loop_says_that_there_is_none():
    error = None

    async def main():
        nonlocal error
        async with alone(actors={"box": Box}) as node:
            coroutine = node.call("box", "read")
            error = from_a_thread(coroutine.send, None)
            assert await node.call("box", "read") == []

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert isinstance(error, (ClusterError, RuntimeError))
