"""A node that ends is not ready any more, and others hear it before it has gone."""

from __future__ import annotations

from itertools import count

import pytest
import trio

from clusterkit import GenServer
from clusterkit.errors import ConfigError, MessageTooLarge
from clusterkit.events import LinkDown, MemberDown, MemberLeft, StateUpdated
from clusterkit.testing.sim import simulate

from .rings import form, listening, until

ENDING = StateUpdated("b", "_status", "ending")
OF_THE_END = (StateUpdated, MemberLeft, MemberDown, LinkDown)


class Slow(GenServer):
    async def terminate(self, reason):
        await trio.sleep(3)


class Looks(GenServer):
    """Notes whether its node is ready, at its beginning and at its end."""

    seen: list[bool] = []

    async def init(self):
        self.seen.append(self.node.is_ready)

    async def terminate(self, reason):
        self.seen.append(self.node.is_ready)


def test_a_node_is_ready_from_the_end_of_its_start_to_the_beginning_of_its_end():
    async def main(sim):
        Looks.seen.clear()
        node = await sim.start("a", actors={"looks": Looks})
        assert node.is_ready
        await sim.stop("a")
        assert not node.is_ready
        assert Looks.seen == [False, False]

    simulate(main)


def test_a_node_that_was_cut_short_is_not_ready():
    async def main(sim):
        node = await sim.start("a")
        await sim.crash("a")
        assert not node.is_ready

    simulate(main)


@pytest.mark.parametrize("on_exit", ["stay", "leave"])
def test_all_members_hear_that_a_node_ends_before_it_has_gone(sim_seed, on_exit):
    async def main(sim):
        a, _, c = await form(sim, "abc", on_exit=on_exit)
        async with (
            listening(a, *OF_THE_END) as at_a,
            listening(c, *OF_THE_END) as at_c,
        ):
            await sim.stop("b")
            await trio.sleep(3)
        for heard in (at_a, at_c):
            assert heard[0] == ENDING
            assert {type(event) for event in heard[1:]} >= {LinkDown}

    simulate(main, seed=sim_seed)


def test_what_a_node_says_of_its_end_is_seen_while_its_actors_end(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", actors={"slow": Slow}, on_exit="stay")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sim.stop, "b")
            await until(lambda: a.state.value("b", "_status") == "ending", 1.0)
            assert a.members.state("b") in ("alive", "left")
            assert not b.is_ready
            assert a.kernel.is_connected("b")

    simulate(main, seed=sim_seed)


def test_a_node_that_has_said_much_just_before_says_that_it_ends(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        async with listening(a, *OF_THE_END) as at_a:
            for number in range(8):
                b.state.set(f"long-{number}", b"x" * 31_000)
            await sim.stop("b")
            await trio.sleep(3)
        keys = [event.key for event in at_a if isinstance(event, StateUpdated)]
        assert keys == [*(f"long-{number}" for number in range(8)), "_status"]
        assert at_a[8] == ENDING

    simulate(main, seed=sim_seed)


def test_a_member_that_does_not_answer_does_not_hold_the_end(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab")
        sim.partition({"a"}, {"b"})
        with trio.fail_after(10.1):
            await sim.stop("b")
        assert not b.is_ready
        assert a.state.value("b", "_status") is None

    simulate(main, seed=sim_seed)


def test_a_node_that_is_back_says_nothing_of_its_end(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", disk=True)
        await sim.stop("b")
        assert a.state.value("b", "_status") == "ending"
        again = await sim.restart("b")
        assert again.is_ready
        await until(lambda: a.state.value("b", "_status") is None)

    simulate(main, seed=sim_seed)


def test_a_node_whose_keys_take_all_their_room_can_say_it_too():
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        for number in range(500):
            b.state.set(f"key {number}", number)
        await until(lambda: len(a.state.keys("b")) == 500)
        await sim.stop("b")
        assert a.state.value("b", "_status") == "ending"

    simulate(main)


@pytest.mark.parametrize("key", ["_status", "_mine", "_"])
def test_keys_of_the_node_itself_are_not_the_application_s(key):
    async def main(sim):
        node = await sim.start("a")
        with pytest.raises(ConfigError, match="begin with _"):
            node.state.set(key, 1)
        with pytest.raises(ConfigError, match="begin with _"):
            node.state.delete(key)
        assert node.state.value("a", key) is None

    simulate(main)


def fill_up(node, size):
    """Give a node keys of so many bytes until it refuses one."""
    for number in count():
        node.state.set(f"key {number}", bytes(size))


@pytest.mark.parametrize("size", [0, 600], ids=["many keys", "many bytes"])
def test_a_master_whose_keys_take_all_their_room_can_be_put_offline(size):
    async def main(sim):
        a, b = await form(sim, "ab", on_exit="stay")
        with pytest.raises(MessageTooLarge):
            fill_up(b, size)
        b.masters.stand()
        b.masters.promote()
        b.set_online(False)
        await until(lambda: a.state.value("b", "_status") == "offline")
        assert a.masters.all() == b.masters.all() == (b.masters.epoch,)
        b.set_online(True)
        await until(lambda: a.state.value("b", "_status") is None)
        await trio.sleep(5)  # until nothing of so much is left to be told
        await sim.stop("b")
        assert a.state.value("b", "_status") == "ending"

    simulate(main)
