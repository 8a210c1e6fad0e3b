"""A disk that stays full for long, and what the node keeps meanwhile."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest
import trio

from clusterkit import Config
from clusterkit.cluster.ring_work import HELD, SAVE_AGAIN
from clusterkit.errors import StateError
from clusterkit.events import Left, RingChanged
from clusterkit.testing.sim import simulate

from .rings import at, form, listening, members, quiet, until


def held(node):
    return list(node.gossip._work._held)


async def insert(node, name):
    with pytest.raises(StateError):
        await node.gossip.insert(at(name))


def test_a_quiet_hour_on_a_full_disk_piles_nothing_up():
    # As many attempts to save as with the defaults, and fewer Pings between them.
    config = Config(gossip_interval=5.0, ping_after=60.0, dead_after=180.0)

    async def main(sim):
        a, b = await form(sim, "ab", disk=True, config=config)
        sim.disk("a").capacity = 0
        await insert(a, "x")
        before = [list(job.todo) for job in held(a)]
        await trio.sleep(3000)
        assert [list(job.todo) for job in held(a)] == before
        assert len(before) == 1
        sim.disk("a").capacity = None
        await quiet(sim)
        assert members(b) == "abx"

    simulate(main)


def test_changes_on_a_full_disk_are_bounded_and_then_told_as_fewer():
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        sim.disk("a").capacity = 0
        names = [f"n{i}" for i in range(HELD + 20)]
        async with listening(a, RingChanged, Left) as heard:
            for name in names:
                await insert(a, name)
            assert len(held(a)) == HELD
            assert a.ring.number_nodes() == 2 + len(names)
            sim.disk("a").capacity = None
            await quiet(sim)
        assert len(heard) == HELD
        assert heard[0].old.number_nodes() == 2
        assert all(e.new is f.old for e, f in pairwise(heard))
        assert heard[-1].new == a.ring == b.ring

    simulate(main)


def test_a_disk_with_room_again_is_noticed_though_nothing_happens(caplog):
    async def main(sim):
        config = Config(gossip_interval=1000.0)
        a, _ = await form(sim, "ab", disk=True, config=config)
        sim.disk("a").capacity = 0
        async with listening(a, RingChanged) as heard:
            await insert(a, "x")
            await trio.sleep(100)
            assert heard == []
            sim.disk("a").capacity = None
            await until(lambda: heard, 2 * SAVE_AGAIN)
        assert members(a) == "abx"

    with caplog.at_level(logging.INFO, "clusterkit.cluster"):
        simulate(main)
    words = [getattr(record, "event", "") for record in caplog.records]
    assert words.count("state_not_saved") == words.count("state_saved_again") == 1


def test_a_defect_in_saving_fails_the_command_and_not_the_node(monkeypatch, caplog):
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        with monkeypatch.context() as patched:
            patched.setattr(a.gossip._work._file, "save", None)
            await insert(a, "x")
        await quiet(sim)
        assert members(b) == "abx"

    simulate(main)
    assert "saving raised" in caplog.text
