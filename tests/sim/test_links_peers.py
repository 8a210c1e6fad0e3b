"""What callers are told when a peer's process ends, hangs, or is out of reach."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio

from clusterkit import GenServer, call, cast
from clusterkit.cluster.creation import create_cluster
from clusterkit.config import Config
from clusterkit.errors import ActorDown, CallTimeout, MailboxFull, NodeDown
from clusterkit.events import LinkDown, LinkUp, Refused, Undelivered
from clusterkit.testing.sim import PORT, simulate

from .ledger import Ledger
from .rings import Collector, at, form, links, listening, until

NEAR = pytest.approx


class Slow(GenServer):
    """Takes its time over everything."""

    mailbox = 8

    def __init__(self):
        self.items = []

    @cast
    async def add(self, item):
        await trio.sleep(0.05)
        self.items.append(item)

    @call
    async def all(self):
        return self.items

    @call
    async def wait(self, seconds):
        await trio.sleep(seconds)
        return seconds


async def fails(outcomes, node, target, event, *args, timeout=60.0):
    """Call, and enter how and when it failed."""
    try:
        await node.call(target, event, *args, timeout=timeout)
    except NodeDown as error:
        outcomes.append((error.outcome, trio.current_time()))
    except ActorDown as error:
        outcomes.append((error.code, trio.current_time()))


def test_every_message_around_restarts_is_accounted_for(sim_seed):
    async def main(sim):
        async with trio.open_nursery() as nursery:
            ledger = Ledger(sim, nursery)
            await ledger.start("a")
            await ledger.start("b")
            async with trio.open_nursery() as talkers:
                talkers.start_soon(
                    lambda: ledger.talk("a", "b", 600, calls=0.4, pause=0.1)
                )
                for _ in range(8):
                    await trio.sleep(sim.rng.random() * 2)
                    await ledger.crash("b", silent=sim.rng.random() < 0.5)
                    await trio.sleep(sim.rng.random() * sim.rng.choice((0.1, 4)))
                    await ledger.restart("b")
            await ledger.settled()
            ledger.judge()
            nursery.cancel_scope.cancel()

    simulate(main, seed=sim_seed)


def test_what_is_cast_while_a_peer_is_away_comes_to_its_next_life(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", actors={"list": Collector}, disk=True)
        async with listening(a, LinkDown, Undelivered) as heard:
            await sim.crash("b")
            await until(lambda: heard)
            for n in range(10):
                await a.cast("list@b", "add", n)
            await trio.sleep(sim.rng.random() * 20)
            b = await sim.restart("b")
            await until(lambda: links(a) == "b")
            await trio.sleep(1)
        assert await b.call("list", "all") == list(range(10))
        assert [event for event in heard if getattr(event, "actor", "") == "list"] == []

    simulate(main, seed=sim_seed)


def test_a_call_to_a_process_that_ends_fails_as_unknown(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", actors={"slow": Slow}, disk=True)
        outcomes = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, outcomes, a, "slow@b", "wait", 50)
            await trio.sleep(1)
            since = sim.now
            await sim.restart("b")
        assert [outcome for outcome, _ in outcomes] == ["unknown"]
        assert outcomes[0][1] - since < 0.5  # the new incarnation tells at once

    simulate(main, seed=sim_seed)


def test_a_peer_is_down_after_two_seconds_without_a_session(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"slow": Slow})
        await until(lambda: links(a) == "b" and links(b) == "a")
        outcomes = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fails, outcomes, a, "slow@b", "wait", 50)
            await trio.sleep(1)
            sim.partition({"a"}, {"b"})
            sim.cut("a", "b")
            since = sim.now
            await trio.sleep(1)
            nursery.start_soon(fails, outcomes, a, "slow@b", "wait", 50)
        assert sorted(outcome for outcome, _ in outcomes) == ["not sent", "unknown"]
        assert [when - since for _, when in outcomes] == [NEAR(2, abs=0.01)] * 2
        with pytest.raises(NodeDown) as caught:
            await a.call("slow@b", "all")
        assert caught.value.outcome == "not sent"
        assert sim.now == NEAR(since + 2, abs=0.01)

    simulate(main, seed=sim_seed)


def test_a_peer_that_was_down_gets_what_was_cast_meanwhile(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", actors={"list": Collector})
        sim.partition({"a"}, {"b"})
        sim.cut("a", "b")
        for n in range(100):
            await a.cast("list@b", "add", n)
            await trio.sleep(0.1)
        sim.heal()
        await until(lambda: links(a) == "b")
        await trio.sleep(1)
        assert await a.call("list@b", "all") == list(range(100))

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("fault", ["half open", "partition", "silent crash"])
def test_a_silent_peer_is_dead_after_three_seconds(sim_seed, fault):
    async def main(sim):
        a, b = await form(sim, "ab")
        await until(lambda: links(a) == "b" and links(b) == "a")
        await trio.sleep(1 + sim.rng.random())
        async with listening(a, LinkDown) as here, listening(b, LinkDown) as there:
            since = sim.now
            match fault:
                case "half open":
                    sim.cut("a", "b", half_open=True)
                case "partition":
                    sim.partition({"a"}, {"b"})
                case "silent crash":
                    await sim.crash("b", silent=True)
            await until(lambda: here or (fault == "half open" and there))
            # The last byte came up to a Ping's period before the fault.
            assert 1.9 < sim.now - since <= 3.02
        assert "dead" in {event.reason for event in here + there}

    simulate(main, seed=sim_seed)


def test_an_idle_link_stays_up(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        await until(lambda: links(a) == "b" and links(b) == "a")
        async with listening(a, LinkUp, LinkDown) as heard:
            await trio.sleep(200)
        assert heard == []

    simulate(main, seed=sim_seed)


def test_stopping_sends_what_is_queued(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"list": Collector})
        sim.delay("a", "b", 0.05)
        for n in range(2000):
            a.cast_nowait("list@b", "add", n)
        await sim.stop("a")
        assert await b.call("list", "all") == list(range(2000))

    simulate(main, seed=sim_seed)


def test_stopping_lets_actors_handle_what_they_have(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", actors={"slow": Slow})
        answers = []

        async def ask(n):
            answers.append(await a.call("slow@b", "wait", n))

        async with trio.open_nursery() as nursery:
            for n in (0.5, 0.25):
                nursery.start_soon(ask, n)
            await trio.sleep(0.1)
            await sim.stop("b")
        assert sorted(answers) == [0.25, 0.5]

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("timeout", [1.0, 10.0])
def test_stopping_has_a_deadline(sim_seed, timeout):
    async def main(sim):
        config = Config(drain_timeout=timeout)
        a, _ = await form(sim, "ab", disk=True, config=config)
        sim.partition({"a"}, {"b"})
        await a.cast("list@b", "add", 1)
        since = sim.now
        await sim.stop("a")
        assert sim.now - since == NEAR(timeout, abs=0.01)

    simulate(main, seed=sim_seed)


def test_a_cancelled_block_drains_too(sim_seed):
    async def main(sim):
        b = await sim.start("b", actors={"list": Collector})
        with trio.move_on_after(1) as scope:
            async with create_cluster(
                "a", "a", PORT, cookie="simulated", platform=sim.platform("a")
            ) as a:
                await a.meet(b.address)
                sim.delay("a", "b", 0.05)
                await trio.sleep(0.9)
                for n in range(2000):
                    a.cast_nowait("list@b", "add", n)
                await trio.sleep_forever()
        assert scope.cancelled_caught
        assert await b.call("list", "all") == list(range(2000))
        assert b.ring.number_nodes() == 1

    simulate(main, seed=sim_seed)


def test_calls_of_a_node_that_ends_do_not_wait_for_ever(sim_seed):
    async def main(sim):
        b = await sim.start("b", actors={"slow": Slow})
        outcomes = []
        async with trio.open_nursery() as nursery:
            async with create_cluster(
                "a",
                "a",
                PORT,
                cookie="simulated",
                platform=sim.platform("a"),
                actors={"slow": Slow},
                config=Config(drain_timeout=1.0),
            ) as a:
                await a.meet(b.address)
                nursery.start_soon(fails, outcomes, a, "slow@b", "wait", 50)
                nursery.start_soon(fails, outcomes, a, "slow", "wait", 50)
                await trio.sleep(1)
            since = sim.now
        # The node's own actor is cut with its calls; of another node's call
        # nothing more can be known.
        assert {outcome for outcome, _ in outcomes} == {"down", "unknown"}
        assert sim.now == since

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize("on_exit", ["stay", "leave"])
def test_a_node_that_has_ended_says_so(on_exit):
    async def main(sim):
        b = await sim.start("b")
        async with create_cluster(
            "a",
            "a",
            PORT,
            cookie="simulated",
            platform=sim.platform("a"),
            on_exit=on_exit,
        ) as a:
            await a.meet(b.address)
        for operation in (
            a.call("list@b", "all"),
            a.cast("list@b", "add", 1),
            a.start("list", Collector),
        ):
            with pytest.raises(NodeDown, match="this node has ended"):
                await operation

    simulate(main)


def test_a_slow_consumer_gets_all_that_was_awaited(sim_seed):
    async def main(sim):
        config = Config(busy_wait=60.0)
        a, _ = await form(sim, "ab", actors={"slow": Slow}, config=config)
        async with listening(a, Refused, Undelivered) as heard:
            async with trio.open_nursery() as nursery:
                for line in range(5):
                    nursery.start_soon(send, a, line, 40)
            await trio.sleep(20)
            items = await a.call("slow@b", "all", timeout=60.0)
        assert sorted(map(tuple, items)) == [
            (i, n) for i in range(5) for n in range(40)
        ]
        for line in range(5):
            assert [n for i, n in items if i == line] == list(range(40))
        assert [event for event in heard if event.actor == "slow"] == []

    async def send(node, line, count):
        for n in range(count):
            await node.cast("slow@b", "add", [line, n])
            await trio.sleep(0.001)  # more than a round trip

    simulate(main, seed=sim_seed)


def test_awaited_casts_at_full_speed_are_never_refused(sim_seed):
    async def main(sim):
        config = Config(busy_wait=60.0)
        a, b = await form(sim, "ab", actors={"list": Collector}, config=config)
        b.pause("list")
        async with listening(a, Refused, Undelivered) as heard:
            async with trio.open_nursery() as nursery:
                for line in range(3):
                    nursery.start_soon(send, a, line, 5000)
                await trio.sleep(3)
                (collector,) = [s for s in b.statistics().actors if s.name == "list"]
                assert 8192 <= collector.mailbox < 2 * 8192
                b.resume("list")
        items = await a.call("list@b", "all")
        for line in range(3):
            assert [n for i, n in items if i == line] == list(range(5000))
        assert heard == []

    async def send(node, line, count):
        for n in range(count):
            await node.cast("list@b", "add", [line, n])

    simulate(main, seed=sim_seed)


def test_a_choked_sender_that_cannot_wait_is_told_at_once(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", actors={"slow": Slow})
        with suppress(MailboxFull):
            for n in range(100):
                a.cast_nowait("slow@b", "add", n)
                await trio.sleep(0.002)
            pytest.fail("it was never choked")
        with pytest.raises(MailboxFull):
            await a.call("slow@b", "all")

    simulate(main, seed=sim_seed)


def test_a_burst_at_a_full_mailbox_is_refused_and_reported(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"slow": Slow})
        async with listening(a, Refused, Undelivered) as heard:
            for n in range(100):
                a.cast_nowait("slow@b", "add", n)
            await trio.sleep(20)
        items = await b.call("slow", "all")
        assert items == list(range(len(items)))
        assert sum(e.n for e in heard if e.actor == "slow") == 100 - len(items)
        assert 8 <= len(items) < 100

    simulate(main, seed=sim_seed)


def test_a_cut_while_choked_does_not_choke_for_ever(sim_seed):
    async def main(sim):
        config = Config(busy_wait=60.0)
        a, _ = await form(sim, "ab", actors={"slow": Slow}, config=config, disk=True)
        for turn in range(3):
            for n in range(30):
                with trio.fail_after(10):
                    await a.cast("slow@b", "add", n)
                if sim.rng.random() < 0.2:
                    sim.cut("a", "b")
            if turn == 1:
                await sim.restart("b")
        await trio.sleep(20)
        await a.cast("slow@b", "add", "last")
        await trio.sleep(5)
        assert (await a.call("slow@b", "all"))[-1] == "last"

    simulate(main, seed=sim_seed)


def test_a_timed_out_call_that_is_answered_late_disturbs_nobody(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", actors={"slow": Slow})
        for _ in range(5):
            with pytest.raises(CallTimeout):
                await a.call("slow@b", "wait", 0.3, timeout=0.1)
            assert await a.call("slow@b", "wait", 0.01, timeout=5.0) == 0.01
        assert a.statistics().pending_calls == 0

    simulate(main, seed=sim_seed)


def test_a_node_reached_by_one_side_only_works_both_ways(sim_seed):
    async def main(sim):
        b = await sim.start("b", actors={"list": Collector})
        a = await sim.start("a", actors={"list": Collector})
        sim.network.wall("a", "b")
        await b.meet(at("a"))
        assert await a.call("list@b", "all") == []
        sim.cut("a", "b")
        await a.cast("list@b", "add", 1)
        await trio.sleep(1)
        assert await a.call("list@b", "all") == [1]

    simulate(main, seed=sim_seed)
