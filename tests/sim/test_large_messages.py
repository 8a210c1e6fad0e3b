"""Large messages between nodes: what passes them, what stays behind, what is lost."""

from __future__ import annotations

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.config import Config
from clusterkit.errors import CallTimeout, MailboxFull, RemoteFault
from clusterkit.events import Refused
from clusterkit.testing.sim import simulate

from .rings import Collector, form, listening, until

LARGE = bytes(10_000_000)
"""Over a link with `LATENCY`, the memory network takes some seconds for it."""

LATENCY = 0.02


class Desk(GenServer):
    """Notes the order in which things come, and sends large things back."""

    def __init__(self):
        self.log = []

    @cast
    async def note(self, name, ballast=b""):
        self.log.append(name)

    @call
    async def read(self, ballast=b""):
        return list(self.log)

    @call
    async def mint(self, size):
        return bytes(size)

    @call
    async def mint_and_end(self, size):
        self.exit()
        return bytes(size)


def handled(node, actor):
    (row,) = [row for row in node.statistics().actors if row.name == actor]
    return row.handled


async def two(sim, **options):
    actors = {"desk": Desk, "other": Desk}
    a, b = await form(sim, "ab", actors=actors, **options)
    sim.delay("a", "b", LATENCY)
    return a, b


def test_what_is_for_others_passes_and_what_is_for_the_same_actor_does_not(sim_seed):
    async def main(sim):
        a, _ = await two(sim)
        began = sim.now
        a.cast_nowait("desk@b", "note", 1)
        a.cast_nowait("desk@b", "note", 2, LARGE)
        a.cast_nowait("desk@b", "note", 3)
        a.cast_nowait("other@b", "note", "quick")
        assert await a.call("other@b", "read") == ["quick"]
        assert sim.now - began < 0.2
        assert await a.call("desk@b", "read") == [1, 2, 3]
        assert sim.now - began > 1

    simulate(main, seed=sim_seed)


def test_pings_pass_a_large_message():
    async def main(sim):
        a, _ = await two(sim)
        await a.cast("desk@b", "note", 1, LARGE)
        for _ in range(5):
            began = sim.now
            await a.ping("b")
            assert sim.now - began < 0.2
        assert await a.call("other@b", "read") == []

    simulate(main)


def test_a_large_answer_lets_small_ones_pass():
    async def main(sim):
        a, _ = await two(sim)
        sizes = []

        async def fetch(size):
            sizes.append(len(await a.call("desk@b", "mint", size, timeout=30)))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetch, len(LARGE))
            await trio.sleep(0.1)
            nursery.start_soon(fetch, 1)
        assert sizes == [1, len(LARGE)]

    simulate(main)


def test_large_messages_for_different_actors_take_turns():
    async def main(sim):
        a, b = await two(sim)
        await a.cast("desk@b", "note", "large", LARGE)
        await a.cast("other@b", "note", "less", bytes(200_000))
        await until(lambda: True)
        began = sim.now
        while not await b.call("other", "read"):
            await trio.sleep(0.01)
        assert await b.call("desk", "read") == []
        assert sim.now - began < 1

    simulate(main)


def test_a_down_comes_after_a_large_answer():
    async def main(sim):
        events = []

        class Watcher(GenServer):
            @call
            async def ask(self):
                self.monitor("desk@b")

            async def handle_info(self, message):
                events.append((message.reason, a.statistics().pending_calls))

        a, _ = await two(sim)
        await a.start("watcher", Watcher)
        await a.call("watcher", "ask")
        answer = await a.call("desk@b", "mint_and_end", len(LARGE), timeout=30)
        assert len(answer) == len(LARGE)
        await until(lambda: events)
        assert events == [("normal", 0)]

    simulate(main)


def test_a_call_that_is_given_up_half_sent_never_runs_and_leaves_nothing():
    async def main(sim):
        a, b = await two(sim)
        with pytest.raises(CallTimeout):
            await a.call("desk@b", "read", LARGE, timeout=0.2)
        assert a.kernel.links()[0].outbox_bytes < 1000
        await a.cast("desk@b", "note", "next")
        assert await a.call("desk@b", "read") == ["next"]
        assert b.kernel.assembly.taken == 0
        assert handled(b, "desk") == 2

    simulate(main)


def test_cuts_in_the_middle_of_large_messages_lose_nothing(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"list": Collector})

        async def speak(node, to):
            for n in range(30):
                await node.cast(f"list@{to}", "add", [n, bytes(n * 20_000)])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak, a, "b")
            nursery.start_soon(speak, b, "a")
            for _ in range(10):
                await trio.sleep(sim.rng.random() * 0.2)
                sim.cut("a", "b")
        for node, peer in ((a, "b"), (b, "a")):
            items = await node.call(f"list@{peer}", "all", timeout=60)
            assert [n for n, _ in items] == list(range(30))
            assert all(len(data) == n * 20_000 for n, data in items)
            assert node.kernel.assembly.taken == 0

    simulate(main, seed=sim_seed)


def test_a_peer_that_is_restarted_gets_a_half_sent_message_from_its_beginning():
    async def main(sim):
        a, _ = await form(sim, "ab", actors={"list": Collector})
        sim.delay("a", "b", LATENCY)
        await a.cast("list@b", "add", LARGE)
        await trio.sleep(0.1)
        await sim.crash("b")
        await trio.sleep(0.1)
        b = await sim.restart("b")
        await until(lambda: handled(b, "list") == 1, 30)
        assert await b.call("list", "all") == [LARGE]

    simulate(main)


def test_what_all_peers_have_under_way_is_bounded_and_the_rest_is_told():
    async def main(sim):
        config = Config(assembly_bytes=15_000_000)
        nodes = await form(sim, "abc", actors={"desk": Desk}, config=config)
        a, b, c = nodes
        for node in (a, b):
            sim.delay(node.name, "c", LATENCY)
        async with listening(b, Refused) as refusals:
            await a.cast("desk@c", "note", "first", LARGE)
            await trio.sleep(0.2)
            began = sim.now
            with pytest.raises(MailboxFull):
                await b.call("desk@c", "read", LARGE, timeout=30)
            assert sim.now - began < 0.2
            assert b.kernel.links()[1].outbox_bytes < 1000
            await b.cast("desk@c", "note", "refused", LARGE)
            await until(lambda: refusals)
        assert refusals == [Refused("c", "desk", 1)]
        assert c.statistics().busy == {"no_room": 1}
        assert c.statistics().dropped == {"no_room": 1}
        assert await a.call("desk@c", "read", timeout=30) == ["first"]
        assert await b.call("desk@c", "read", LARGE, timeout=30) == ["first"]
        assert c.kernel.assembly.taken == 0

    simulate(main)


def test_an_answer_that_finds_no_room_ends_its_call():
    async def main(sim):
        config = Config(assembly_bytes=15_000_000)
        a, _, c = await form(sim, "abc", actors={"desk": Desk}, config=config)
        sim.delay("a", "b", LATENCY)
        await sim.nodes["b"].cast("desk@a", "note", "first", LARGE)
        await trio.sleep(0.2)
        with pytest.raises(RemoteFault) as caught:
            await a.call("desk@c", "mint", len(LARGE))
        assert caught.value.type == "NoRoom"
        assert a.statistics().dropped == {"no_room": 1}
        assert c.statistics().late_replies == 0

    simulate(main)


def test_many_large_calls_at_once_do_not_make_small_ones_wait():
    async def main(sim):
        a, _ = await two(sim)
        began = sim.now
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(
                    lambda: a.call("desk@b", "read", bytes(1_000_000), timeout=60)
                )
            await trio.sleep(0.1)
            for _ in range(5):
                asked = sim.now
                await a.ping("b")
                assert sim.now - asked < 0.2
            # What waits for its turn is not encoded yet.
            assert a.kernel.links()[0].outbox_bytes < 3_000_000
        assert sim.now - began > 5

    simulate(main)


def test_a_large_call_that_never_has_its_turn_times_out():
    async def main(sim):
        a, b = await two(sim)
        await a.cast("desk@b", "note", "first", LARGE)
        with pytest.raises(CallTimeout):
            await a.call("desk@b", "read", bytes(1_000_000), timeout=0.1)
        assert await a.call("desk@b", "read", timeout=60) == ["first"]
        assert handled(b, "desk") == 2

    simulate(main)


def test_senders_of_large_casts_wait_for_room_and_others_do_not():
    async def main(sim):
        a, _ = await two(sim)
        sent = []

        async def send():
            for n in range(4):
                await a.cast("desk@b", "note", n, LARGE)
                sent.append(n)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await trio.sleep(0.1)
            assert sent == [0]
            began = sim.now
            await a.cast("other@b", "note", "quick")
            assert await a.call("other@b", "read") == ["quick"]
            assert sim.now - began < 0.2
        assert await a.call("desk@b", "read", timeout=60) == [0, 1, 2, 3]

    simulate(main)


def test_those_who_die_in_the_middle_of_large_messages_leave_room_for_others():
    async def main(sim):
        nodes = await form(sim, "abcdef", actors={"desk": Desk})
        b, *_, f = nodes[1:]
        for node in nodes[1:5]:
            sim.delay("a", node.name, LATENCY)
            await node.cast("desk@a", "note", "half", bytes(16_000_000))
        await until(lambda: nodes[0].kernel.assembly.taken > 60_000_000)
        for node in nodes[1:5]:
            await sim.crash(node.name)
        with pytest.raises(MailboxFull):
            await f.call("desk@a", "read", LARGE)
        await trio.sleep(60)
        assert await f.call("desk@a", "read", LARGE) == []
        assert not b.kernel.is_connected("a")

    simulate(main)
