"""A write that is refused changes nothing."""

from __future__ import annotations

import pytest
import trio

from clusterkit.core.replica import Summary
from clusterkit.core.state_input import size_of
from clusterkit.errors import EncodeError, MessageTooLarge
from clusterkit.testing.sim import simulate


@pytest.mark.parametrize("value", [bytes(40_000), bytes(32_000)], ids=["one", "all"])
def test_a_write_that_has_no_room_changes_no_end(sim_seed, value):
    async def main(sim):
        a = await sim.start("a")
        a.state.set("stays", 1)
        a.state.set("ends", 1, ttl=5)
        for n in range(8):
            a.state.set(f"k{n}", bytes(32_000))
        with pytest.raises(MessageTooLarge):
            a.state.set("stays", value, ttl=1)
        with pytest.raises(MessageTooLarge):
            a.state.set("ends", value)
        with pytest.raises(MessageTooLarge):
            a.state.set("new", value, ttl=1)
        await trio.sleep(10)
        assert a.state.get("stays") == 1
        assert a.state.get("ends") is None
        a.state.delete("k0")
        a.state.set("new", 1)
        await trio.sleep(10)
        assert a.state.get("new") == 1

    simulate(main, seed=sim_seed)


def test_a_value_that_cannot_travel_changes_no_end(sim_seed):
    async def main(sim):
        a = await sim.start("a")
        a.state.set("stays", 1)
        with pytest.raises(EncodeError):
            a.state.set("stays", object(), ttl=1)
        await trio.sleep(5)
        assert a.state.get("stays") == 1

    simulate(main, seed=sim_seed)


def test_room_is_what_the_keys_take_that_are_there(sim_seed):
    """However often they were written, deleted, ended, or outgrew a lie."""

    async def main(sim):
        a = await sim.start("a")
        book = a.state._book
        for n in range(300):
            key = f"k{sim.rng.randrange(20)}"
            if sim.rng.random() < 0.3:
                a.state.delete(key)
            else:
                ttl = sim.rng.choice((None, 0.5))
                a.state.set(key, bytes(sim.rng.randrange(100)), ttl=ttl)
            if n % 50 == 0:
                book.known.defend(Summary(a.incarnation + n, 10**6, 0))
            await trio.sleep(0.05)
        own = list(book.known.own)
        assert (book._keys, book._bytes) == (len(own), sum(map(size_of, own)))

    simulate(main, seed=sim_seed)
