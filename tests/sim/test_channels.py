"""Channels: who has joined gets what is sent, once, in order; nobody else does."""

from __future__ import annotations

import pytest
import trio

from clusterkit.cluster.channels import ChannelMessage
from clusterkit.cluster.subscriptions import MOST_WAITING
from clusterkit.config import Config
from clusterkit.errors import ConfigError, EncodeError, MessageTooLarge
from clusterkit.testing import simulate

from .rings import form, links, until


class Log(list):
    """A handler that remembers."""

    async def __call__(self, message):
        self.append(message)


def values(log):
    return [message.value for message in log]


async def joined(nodes, channel, at):
    """Wait until the nodes know that those at `at` have joined."""
    await until(lambda: all(n.channels.members(channel) == tuple(at) for n in nodes), 1)


def test_who_has_joined_gets_what_is_sent_in_order(sim_seed):
    async def main(sim):
        nodes = a, b, c, d = await form(sim, "abcd")
        at_b, at_c, at_d = Log(), Log(), Log()
        b.channels.join("orders", at_b)
        c.channels.join("orders", at_c)
        d.channels.join("others", at_d)
        await joined(nodes, "orders", "bc")
        for i in range(200):
            assert await a.channels.send("orders", i) == 2
        await until(lambda: len(at_b) == len(at_c) == 200)
        assert values(at_b) == values(at_c) == list(range(200))
        assert at_b[0] == ChannelMessage("orders", "a", 0)
        assert at_d == []
        assert await a.channels.send("nobody", 1) == 0

    simulate(main, seed=sim_seed)


def test_a_sender_that_has_joined_gets_its_own_unless_it_does_not_want_it(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        at_a, at_b = Log(), Log()
        a.channels.join("x", at_a)
        b.channels.join("x", at_b)
        await joined([a, b], "x", "ab")
        value = ["copied"]
        assert await a.channels.send("x", value) == 2
        value.append("later")
        assert await a.channels.send("x", "others", to_self=False) == 1
        await until(lambda: len(at_b) == 2)
        assert values(at_a) == [["copied"]]
        assert values(at_b) == [["copied"], "others"]

    simulate(main, seed=sim_seed)


def test_patterns_join_many_and_send_to_many(sim_seed):
    async def main(sim):
        nodes = a, b, c = await form(sim, "abc")
        all_orders, new, everything = Log(), Log(), Log()
        b.channels.join("orders.*", all_orders)
        b.channels.join("orders.new", new)
        c.channels.join("*", everything)
        await joined(nodes, "orders.new", "bc")
        await a.channels.send("orders.new", 1)
        await a.channels.send("orders.old", 2)
        await a.channels.send("stock", 3)
        await a.channels.send("orders.*", 4)
        await until(lambda: len(everything) == 4)
        assert values(everything) == [1, 2, 3, 4]
        assert values(all_orders) == [1, 2, 4]
        assert values(new) == [1, 4]
        assert all_orders[-1].channel == "orders.*"

    simulate(main, seed=sim_seed)


def test_who_leaves_gets_nothing_more(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        log = Log()
        b.channels.join("x", log)
        await joined([a], "x", "b")
        await a.channels.send("x", 1)
        await until(lambda: log)
        assert b.channels.leave("x")
        assert not b.channels.leave("x")
        await a.channels.send("x", 2)
        await joined([a], "x", "")
        assert await a.channels.send("x", 3) == 0
        await trio.sleep(1)
        assert values(log) == [1]
        b.channels.join("x", log)
        await joined([a], "x", "b")
        await a.channels.send("x", 4)
        await until(lambda: values(log) == [1, 4])

    simulate(main, seed=sim_seed)


def test_a_handler_may_leave_and_a_running_one_is_cancelled():
    async def main(sim):
        a = await sim.start("a")
        seen, cancelled = [], []

        async def once(message):
            seen.append(message.value)
            a.channels.leave("x")
            await trio.sleep(1)
            seen.append("done")

        async def endless(_):
            try:
                await trio.sleep_forever()
            finally:
                cancelled.append(True)

        a.channels.join("x", once)
        a.channels.join("y", endless)
        for i in range(3):
            await a.channels.send("x", i)
            await a.channels.send("y", i)
        await trio.sleep(2)
        assert seen == [0, "done"]
        a.channels.leave("y")
        await trio.sleep(1)
        assert cancelled == [True]

    simulate(main)


def test_a_handler_that_raises_goes_on_with_the_next(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        seen = []

        async def handler(message):
            seen.append(message.value)
            if message.value == 1:
                raise ValueError("no")

        b.channels.join("x", handler)
        await joined([a], "x", "b")
        for i in range(3):
            await a.channels.send("x", i)
        await until(lambda: seen == [0, 1, 2])

    simulate(main, seed=sim_seed)


def test_a_slow_handler_loses_the_newest_and_holds_nobody_up(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        slow, quick = [], Log()
        go_on = trio.Event()

        async def handler(message):
            await go_on.wait()
            slow.append(message.value)

        b.channels.join("x", handler)
        b.channels.join("*", quick)
        await joined([a], "x", "b")
        total = MOST_WAITING + 500
        for i in range(total):
            await a.channels.send("x", i)
            if i % 100 == 0:
                await trio.sleep(0.01)
        await until(lambda: len(quick) == total)
        go_on.set()
        await until(lambda: len(slow) >= MOST_WAITING)
        await trio.sleep(1)
        assert slow == list(range(len(slow)))
        statistics = b.channels.statistics()
        assert (statistics.joined, statistics.waiting) == (2, 0)
        assert statistics.dropped == total - len(slow)
        assert b.channels.leave("x")
        assert b.channels.statistics().dropped == statistics.dropped
        assert MOST_WAITING <= len(slow) <= MOST_WAITING + 1

    simulate(main, seed=sim_seed)


def test_what_is_kept_is_for_those_that_want_it_and_join_late(sim_seed):
    async def main(sim):
        nodes = a, b, c = await form(sim, "abc")
        live, late, without = Log(), Log(), Log()
        b.channels.join("price", live, kept=True)
        await joined(nodes, "price", "b")
        await a.channels.send("price", 1, keep=True)
        await a.channels.send("price", 2, keep=True)
        await until(lambda: len(live) == 2)
        await trio.sleep(1)
        assert values(live) == [1, 2]  # none twice
        c.channels.join("price", late, kept=True)
        c.channels.join("*", without)
        await until(lambda: late)
        assert late == [ChannelMessage("price", "a", 2, is_kept=True)]
        d = await sim.start("d", seeds=[a.address])
        newest = Log()
        d.channels.join("*", newest, kept=True)  # before it knows anybody
        await until(lambda: newest)
        assert values(newest) == [2]
        await joined(nodes, "price", "bcd")
        await a.channels.send("price", 3, keep=True)
        await a.channels.send("price", 4)
        await until(lambda: len(live) == 4)
        await trio.sleep(1)
        assert values(live) == [1, 2, 3, 4]
        assert values(late) == [2, 3, 4]
        assert values(newest) == [2, 3, 4]
        assert values(without) == [3, 4]
        assert a.channels.forget_kept("price")
        assert not a.channels.forget_kept("price")

    simulate(main, seed=sim_seed)


def test_what_a_former_life_kept_is_gone(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        log = Log()
        b.channels.join("x", log, kept=True)
        await joined([a], "x", "b")
        await a.channels.send("x", "old", keep=True)
        await until(lambda: log)
        await sim.crash("a")
        await trio.sleep(8)
        a = await sim.restart("a")
        await joined([a], "x", "b")
        await a.channels.send("x", "new", keep=True)
        await until(lambda: values(log) == ["old", "new"])
        await trio.sleep(1)
        assert values(log) == ["old", "new"]

    simulate(main, seed=sim_seed)


def test_messages_of_an_overruled_master_are_dropped(sim_seed):
    async def main(sim):
        nodes = a, b, c = await form(sim, "abc")
        log = Log()
        c.channels.join("jobs", log)
        for node in nodes:
            node.masters.stand()
        await joined(nodes, "jobs", "c")
        old = a.masters.promote()
        await a.channels.send("jobs", 1, epoch=old)
        await until(lambda: log)
        new = b.masters.promote()
        await b.channels.send("jobs", 3, epoch=new)
        await until(lambda: len(log) == 2)
        await a.channels.send("jobs", 2, epoch=old)
        await trio.sleep(1)
        assert values(log) == [1, 3]
        assert c.channels.ignored["old_epoch"] == 1

    simulate(main, seed=sim_seed)


def test_members_that_die_are_sent_nothing(sim_seed):
    async def main(sim):
        nodes = a, b, c = await form(sim, "abc")
        logs = Log(), Log()
        b.channels.join("x", logs[0])
        c.channels.join("x", logs[1])
        await joined(nodes, "x", "bc")
        await sim.crash("b")
        await until(lambda: a.channels.members("x") == ("c",), 10)
        assert await a.channels.send("x", 1) == 1


def test_for_whom_there_is_no_room_a_message_is_not_sent(sim_seed):
    async def main(sim):
        config = Config(outbox_messages=10)
        nodes = a, b = await form(sim, "ab", config=config)
        log = Log()
        b.channels.join("x", log)
        await joined(nodes, "x", "b")
        sim.partition({"a"}, {"b"})
        await until(lambda: links(a) == "")
        sent = sum([await a.channels.send("x", i) for i in range(100)])
        assert a.channels.statistics().not_sent == 100 - sent > 0
        sim.heal()
        await until(lambda: len(log) == sent)
        assert values(log) == sorted(values(log))

    simulate(main, seed=sim_seed)

    simulate(main, seed=sim_seed)


def test_cuts_repeat_nothing_and_change_no_order(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        log = Log()
        b.channels.join("x", log)
        await joined([a], "x", "b")
        for i in range(300):
            await a.channels.send("x", i)
            await trio.sleep(sim.rng.random() * 0.02)
            if sim.rng.random() < 0.05:
                sim.cut("a", "b")
        await until(lambda: len(log) == 300)
        assert values(log) == list(range(300))

    simulate(main, seed=sim_seed)


def test_mistakes_are_told_at_once():
    async def main(sim):
        a = await sim.start("a")
        log = Log()
        a.channels.join("x", log)
        with pytest.raises(ConfigError, match="joined already"):
            a.channels.join("x", log)
        with pytest.raises(ConfigError, match="async function, not None"):
            a.channels.join("y", None)
        with pytest.raises(ConfigError, match="MasterUp"):
            a.channels.join("master", log)
        with pytest.raises(ConfigError, match="not valid"):
            await a.channels.send("_x", 1)
        with pytest.raises(ConfigError, match="pattern"):
            await a.channels.send("x.*", 1, keep=True)
        for wrong in (5, "ab", (), ("a", 1), (1, 2), (2**63, "a")):
            with pytest.raises(ConfigError, match="no epoch"):
                await a.channels.send("x", 1, epoch=wrong)
        with pytest.raises(EncodeError):
            await a.channels.send("y", object())
        with pytest.raises(MessageTooLarge):
            await a.channels.send("x", "x" * 40_000, keep=True)
        await trio.sleep(1)
        assert log == []
        assert repr(a.channels) == "<Channels joined=['x']>"

    simulate(main)


def test_what_is_no_message_is_counted(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        log = Log()
        b.channels.join("x", log)
        for args in (
            (),
            ("x",),
            ("_x", b"", None, None),
            ("x", "text", None, None),
            ("x", b"\xc1", None, None),
            ("x", b"\x01", [1], None),
            ("x", b"\x01", None, ["a", 1]),
            ("x", b"\x01", None, [True, "a"]),
        ):
            a._runtime.sending.cast_nowait("b", "_channels", "message", args, {})
        await a.cast("_channels@b", "message", "x", b"\x01", None, None)
        await until(lambda: values(log) == [1])
        assert b.channels.ignored["invalid"] == 6

    simulate(main, seed=sim_seed)


def test_what_is_kept_is_a_copy_for_each_that_gets_it(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        seen = []

        async def spoil(message):
            seen.append(list(message.value))
            message.value.append("spoilt")

        await b.channels.send("x", [1], keep=True)
        await until(lambda: "_kept.x" in a.state.keys("b"))
        for pattern in ("x", "*", "x"):
            a.channels.leave(pattern)
            a.channels.join(pattern, spoil, kept=True)
            await trio.sleep(1)
        assert seen == [[1]] * 3

    simulate(main, seed=sim_seed)


def test_what_is_kept_is_not_given_again_after_a_partition(sim_seed):
    async def main(sim):
        nodes = a, b, _ = await form(sim, "abc")
        log = Log()
        b.channels.join("*", log, kept=True)
        await joined(nodes, "x", "b")
        await a.channels.send("x", 1, keep=True)
        await a.channels.send("y", 1, keep=True)
        await until(lambda: len(log) == 2)
        await until(lambda: {"_kept.x", "_kept.y"} <= set(b.state.keys("a")))
        sim.partition({"a"}, {"b", "c"})
        await until(lambda: a.channels.members("x") == ())
        await a.channels.send("x", 2, keep=True)
        await trio.sleep(20)
        sim.heal()
        await until(lambda: len(log) == 3, 20)
        await trio.sleep(10)
        assert [(m.channel, m.value) for m in log] == [("x", 1), ("y", 1), ("x", 2)]

    simulate(main, seed=sim_seed)


def test_what_is_kept_no_more_is_not_given_twice():
    async def main(sim):
        nodes = a, b, _ = await form(sim, "abc")
        log = Log()
        b.channels.join("x", log, kept=True)
        await joined(nodes, "x", "b")
        sim.partition({"a", "c"}, {"b", "c"})  # b hears of a by way of c only
        await a.channels.send("x", 1, keep=True)
        await until(lambda: log)
        a.channels.forget_kept("x")
        await until(lambda: "_kept.x" not in b.state.keys("a"))
        sim.heal()
        await trio.sleep(10)
        assert values(log) == [1]

    simulate(main)


@pytest.mark.parametrize("channel", ["", "x y", "_x", "x.*", "master", "x" * 101])
@pytest.mark.parametrize("seen_first", [True, False])
def test_nothing_is_kept_of_what_is_no_channel(channel, seen_first):
    async def main(sim):
        a, b = await form(sim, "ab")
        log = Log()
        b.services._announcements.announce(f"_kept.{channel}", [[1, 1], "value"])
        if seen_first:
            await trio.sleep(1)
        a.channels.join("*", log, kept=True)
        await trio.sleep(2)
        assert log == []

    simulate(main)
