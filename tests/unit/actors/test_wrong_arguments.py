"""Arguments of the wrong kind: refused where they are given, and nothing breaks."""

from __future__ import annotations

import math

import pytest
import trio

from clusterkit import GenServer, HashRing, call, cast
from clusterkit.errors import ConfigError
from clusterkit.events import LinkUp
from tests.unit.nodes import alone, pair, statistics_of, virtual


class Counter(GenServer):
    def __init__(self):
        self.value = 0

    @call
    async def add(self, n):
        self.value += n
        return self.value

    @cast
    async def put(self, n):
        self.value += n


NO_EVENTS = [None, 1, [], {}, b"add", Counter.add]


@pytest.mark.parametrize("event", NO_EVENTS, ids=repr)
@pytest.mark.parametrize("at", ["", "@b"])
@virtual
async def test_what_is_no_event_is_refused_and_harms_no_actor(event, at):
    async with pair(actors={"counter": Counter}) as (a, b):
        node = a if at else b
        for use in (node.call, node.cast, node.cast_nowait):
            with pytest.raises(TypeError, match="the name of"):
                await use(f"counter{at}", event, 1)
        for use in (node.multi_call, node.abcast):
            if use == node.multi_call and event is Counter.add:
                continue
            with pytest.raises(TypeError, match="the name of"):
                await use(["b"], "counter", event, 1)
        assert await a.call("counter@b", "add", 2) == 2
        assert statistics_of(b, "counter").restarts == 0


@virtual
async def test_a_handler_where_a_name_is_due_is_told_its_name():
    async with alone(actors={"counter": Counter}) as node:
        with pytest.raises(TypeError, match="'add'"):
            await node.call("counter", Counter.add, 1)


@pytest.mark.parametrize("timeout", ["1", [], math.nan, -1, b"", 10**400], ids=repr)
@virtual
async def test_what_is_no_timeout_is_refused(timeout):
    async with alone(actors={"counter": Counter}) as node:
        for use in (
            lambda: node.call("counter", "add", 1, timeout=timeout),
            lambda: node.ref(Counter, "counter").within(timeout).call(Counter.add, 1),
            lambda: node.meet("b@b:7022", timeout=timeout),
            lambda: node.gossip.meet("b@b:7022", timeout=timeout),
            lambda: node.shutdown(timeout=timeout),
        ):
            with pytest.raises(ConfigError, match="a timeout is"):
                await use()
        (answer,) = await node.multi_call(["a"], "counter", "add", 1, timeout=timeout)
        assert isinstance(answer.error, ConfigError)
        assert await node.call("counter", "add", 1) == 1


@pytest.mark.parametrize("node_", [b"a", 1, True, [], len], ids=repr)
@virtual
async def test_what_names_no_node_or_target_is_refused(node_):
    async with alone(actors={"counter": Counter}) as node:
        for use in (
            lambda: node.call(node_, "add", 1),
            lambda: node.cast(node_, "put", 1),
            lambda: node.ping(node_),
            lambda: node.multi_call(["a"], node_, "add", 1),
            lambda: node.abcast(["a"], node_, "put", 1),
        ):
            with pytest.raises(ConfigError):
                await use()
        for use in (
            lambda: node.cast_nowait(node_, "put", 1),
            lambda: node.ref(Counter, "counter", at=node_),
        ):
            with pytest.raises(ConfigError):
                use()
        (answer,) = await node.multi_call([node_], "counter", "add", 1)
        assert isinstance(answer.error, ConfigError)


@pytest.mark.parametrize("nodes", ["abc", 1, b"a", True], ids=repr)
@virtual
async def test_what_is_no_list_of_nodes_is_refused(nodes):
    async with alone(actors={"counter": Counter}) as node:
        for use in (node.multi_call, node.abcast):
            with pytest.raises(ConfigError, match="list of"):
                await use(nodes, "counter", "put", 1)


@pytest.mark.parametrize("server", [None, 1, "Counter", [Counter]], ids=repr)
@virtual
async def test_what_builds_no_actor_is_refused_and_the_name_is_free(server):
    async with alone() as node:
        with pytest.raises(ConfigError, match="GenServer"):
            await node.start("counter", server)
        assert await node.start("counter", Counter)


@pytest.mark.parametrize("seeds", [["no node"], "b@b:7022", [1], None], ids=repr)
@virtual
async def test_seeds_that_are_none_are_refused_and_the_node_lives_on(seeds):
    async with alone() as node:
        with pytest.raises(ConfigError):
            node.gossip.seek(seeds)
        await trio.sleep(5)
        assert node.gossip.seeking == ()


@pytest.mark.parametrize("kind", ["LinkUp", LinkUp("b", ""), None, int], ids=repr)
@virtual
async def test_what_is_no_kind_of_event_is_refused(kind):
    async with alone() as node:
        with pytest.raises(ConfigError, match="a kind of event"):
            node.events(kind)


@pytest.mark.parametrize("hook", [None, "hook", 1], ids=repr)
@virtual
async def test_what_is_no_hook_is_refused(hook):
    async with alone() as node:
        with pytest.raises(ConfigError, match="a hook"):
            node.gossip.on_process(hook)


@virtual
async def test_seeds_may_be_text():
    async with alone() as node:
        node.gossip.seek(["b@b:7022"])
        assert [str(seed) for seed in node.gossip.seeking] == ["b@b:7022"]


RING = HashRing.of(["a@host:1", "b@host:2"])


@pytest.mark.parametrize("id_", [None, 1, b"a", []], ids=repr)
def test_what_is_no_id_is_refused_by_a_ring(id_):
    for use in (RING.get, RING.is_defined, RING.weight, RING.remove, RING.next):
        with pytest.raises(ValueError, match="a node is"):
            use(id_)


@pytest.mark.parametrize("n", ["1", 1.5, [], True, None], ids=repr)
@virtual
async def test_what_is_no_number_of_nodes_is_refused_by_the_ring(n):
    async with alone() as node:
        with pytest.raises(ValueError, match="number of nodes"):
            node.gossip.select_random(n)
        if n is not None:
            with pytest.raises(ValueError, match="integer"):
                node.gossip.find("key", n)
