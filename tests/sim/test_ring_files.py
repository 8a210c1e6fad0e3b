"""What a node keeps of its ring on disk, and what becomes of it after a restart."""

from __future__ import annotations

import errno
import json
from dataclasses import replace

import pytest
import trio

from clusterkit.cluster.creation import create_cluster
from clusterkit.config import Config
from clusterkit.errors import StateError, StateInUse
from clusterkit.events import Removed, RingChanged
from clusterkit.names import Address
from clusterkit.testing.sim import simulate

from .rings import at, form, heard_of, links, listening, members, quiet, until

FULL = OSError(errno.ENOSPC, "no space left")


@pytest.mark.parametrize("end", ["crash", "stop"])
def test_a_member_comes_back_by_itself(sim_seed, end):
    async def main(sim):
        a, b, c = await form(sim, "abc", disk=True)
        await getattr(sim, end)("c")
        await trio.sleep(30)
        assert members(a) == members(b) == "abc"
        c = await sim.restart("c")
        assert members(c) == "abc"
        await until(lambda: links(c) == "ab" and links(a) == "bc", 2)
        await c.gossip.insert(at("x"))
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abcx"] * 3

    simulate(main, seed=sim_seed)


def test_a_whole_cluster_comes_back_by_itself(sim_seed):
    async def main(sim):
        await form(sim, "abcd", disk=True)
        await sim.nodes["a"].gossip.insert(at("x"))
        await quiet(sim)
        for name in "abcd":
            await sim.crash(name, silent=True)
        await trio.sleep(1000)
        for name in "dbca":
            await sim.restart(name)
        await quiet(sim)
        assert {members(node) for node in sim.nodes.values()} == {"abcdx"}
        assert {links(node) for node in sim.nodes.values()} == {
            "abc",
            "abd",
            "acd",
            "bcd",
        }

    simulate(main, seed=sim_seed)


def test_a_new_address_is_told_by_the_node_itself(sim_seed):
    async def main(sim):
        a, b, _ = await form(sim, "abc", disk=True)
        await sim.crash("c")
        async with listening(a, RingChanged) as heard:
            c = await sim.restart("c", port=7099)
            await quiet(sim)
        assert c.address == "c@c:7099"
        for node in (a, b, c):
            assert {n.id: n.port for n in node.ring.nodes()}["c"] == 7099
            assert node.name == "c" or node.kernel.where("c") == Address("c", 7099)
        assert heard_of(heard) == ["merge"]

    simulate(main, seed=sim_seed)


def test_a_wiped_disk_is_told_the_ring_anew(sim_seed):
    async def main(sim):
        a, b, _ = await form(sim, "abc", disk=True)
        await sim.crash("c")
        sim.disk("c").files.clear()
        c = await sim.restart("c")
        await quiet(sim)
        assert [members(n) for n in (a, b, c)] == ["abc"] * 3

    simulate(main, seed=sim_seed)


def test_a_node_removed_while_it_was_down_is_told(sim_seed):
    async def main(sim):
        a, b, _ = await form(sim, "abc", disk=True)
        await sim.crash("c")
        await a.gossip.remove("c")
        await trio.sleep(60)
        c = await sim.restart("c")
        async with listening(c, Removed) as heard:
            await quiet(sim)
        assert heard == [Removed("a")]
        assert [members(n) for n in (a, b, c)] == ["ab", "ab", "c"]
        await sim.restart("c")
        await quiet(sim)
        assert members(sim.nodes["c"]) == "c"

    simulate(main, seed=sim_seed)


def test_what_was_answered_survives_a_crash_at_once(sim_seed):
    async def main(sim):
        a, *_ = await form(sim, "abc", disk=True)
        sim.partition({"a"}, {"b", "c"})
        await a.gossip.insert(at("x"))
        await sim.crash("a")
        sim.heal()
        a = await sim.restart("a")
        assert members(a) == "abcx"
        await quiet(sim)
        assert {members(node) for node in sim.nodes.values()} == {"abcx"}

    simulate(main, seed=sim_seed)


def test_a_leave_survives_a_crash_at_once(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc", disk=True)
        sim.partition({"c"}, {"a", "b"})
        await c.gossip.leave()
        await sim.crash("c")
        sim.heal()
        c = await sim.restart("c")
        assert members(c) == "c"
        await quiet(sim)
        await until(lambda: members(a) == members(b) == "ab")
        assert members(c) == "c"

    simulate(main, seed=sim_seed)


def test_stopping_with_a_file_stays_in_the_ring(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab", disk=True)
        await sim.stop("b")
        await trio.sleep(10)
        assert members(a) == "ab"

    simulate(main, seed=sim_seed)


def test_stopping_without_a_file_leaves(sim_seed):
    async def main(sim):
        a, _ = await form(sim, "ab")
        await sim.stop("b")
        await trio.sleep(1)
        assert members(a) == "a"
        assert links(a) == ""

    simulate(main, seed=sim_seed)


@pytest.mark.parametrize(
    ("on_exit", "disk", "left"),
    [("stay", False, "ab"), ("leave", True, "a")],
)
def test_on_exit_says_otherwise(sim_seed, on_exit, disk, left):
    async def main(sim):
        a, _ = await form(sim, "ab", disk=disk, on_exit=on_exit)
        await sim.stop("b")
        await trio.sleep(1)
        assert members(a) == left

    simulate(main, seed=sim_seed)


def test_a_node_that_left_starts_alone_and_may_name_another_ring(sim_seed):
    async def main(sim):
        await form(sim, "ab", disk=True)
        await sim.nodes["b"].gossip.leave()
        await sim.stop("b")
        b = await sim.start("b", disk=True, ring="other")
        await quiet(sim)
        assert members(b) == "b"
        assert b.gossip.name == "other"

    simulate(main, seed=sim_seed)


def test_the_state_of_another_ring_is_refused():
    async def main(sim):
        await sim.start("a", disk=True, ring="red")
        await sim.crash("a")
        kept = dict(sim.disk("a").files)
        with pytest.raises(StateError, match=r"'red' does not match 'blue'"):
            await sim.start("a", disk=True, ring="blue")
        assert sim.disk("a").files == kept
        assert (await sim.start("a", disk=True, ring="red")).gossip.name == "red"

    simulate(main)


def test_the_state_of_another_node_is_refused():
    async def main(sim):
        await sim.start("a", state="/state")
        await sim.crash("a")
        with pytest.raises(StateError, match="'a', not of b"):
            await sim.start("b", host="a", state="/state")

    simulate(main)


def damaged(content):
    yield content[: len(content) // 2]
    yield b""
    yield b'"text"'
    yield b"\xff" + content
    plain = json.loads(content)
    yield json.dumps({**plain, "crc32": plain["crc32"] ^ 1}).encode()
    yield json.dumps({**plain, "clusterkit": 99}).encode()
    yield content.replace(b'"port"', b'"prot"', 1).replace(b"128", b"129", 1)


def test_a_damaged_file_is_refused_and_kept():
    async def main(sim):
        await sim.start("a", disk=True)
        await sim.crash("a")
        files = sim.disk("a").files
        (path, content), *_ = files.items()
        for wrong in damaged(content):
            files[path] = wrong
            with pytest.raises(StateError, match="move the file away"):
                await sim.restart("a")
            assert files == {path: wrong}
        files[path] = content
        await sim.restart("a")

    simulate(main)


def test_a_file_that_cannot_be_read_is_refused():
    async def main(sim):
        await sim.start("a", disk=True)
        await sim.crash("a")
        sim.disk("a").fail_next(OSError(errno.EIO, "bad sector"), "read")
        with pytest.raises(StateError, match="bad sector"):
            await sim.restart("a")

    simulate(main)


def test_a_file_older_than_what_is_remembered_is_refused():
    async def main(sim):
        config = Config(tombstone_ttl=600.0)
        await form(sim, "ab", disk=True, config=config)
        await sim.crash("b")
        await trio.sleep(700)
        with pytest.raises(StateError, match="old"):
            await sim.restart("b")

    simulate(main)


def test_a_quiet_ring_does_not_age(sim_seed):
    async def main(sim):
        config = Config(tombstone_ttl=60.0)
        await form(sim, "ab", disk=True, config=config)
        await trio.sleep(250)
        await sim.restart("b")
        await quiet(sim)
        assert members(sim.nodes["b"]) == "ab"

    simulate(main, seed=sim_seed)


def test_two_processes_do_not_share_a_file():
    async def main(sim):
        await sim.start("a", disk=True)
        disk = sim.disk("a").share()
        platform = sim.platform("a")
        with pytest.raises(StateInUse):
            async with create_cluster(
                "a",
                "a",
                7099,
                cookie="simulated",
                state="/state/a",
                platform=replace(platform, disk=disk),
            ):
                pass

    simulate(main)


def test_a_full_disk_fails_the_command_and_sends_nothing(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        await quiet(sim)
        sim.disk("a").capacity = 0
        for operation in (
            a.gossip.insert(at("x")),
            a.gossip.insert(at("x")),  # it is there, but not on disk
            a.gossip.update(b.address, 3),
            a.gossip.remove("b"),
        ):
            with pytest.raises(StateError, match="space"):
                await operation
        await trio.sleep(10)
        assert members(b) == "ab"
        assert b.ring.weight("b") == 128

    simulate(main, seed=sim_seed)


def test_a_change_that_could_not_be_saved_is_made_when_it_can(sim_seed):
    async def main(sim):
        a, b = await form(sim, "ab", disk=True)
        await quiet(sim)
        hooked = []
        a.gossip.on_process(lambda old, new: hooked.append(sorted(new.weights())))
        sim.disk("a").capacity = 0
        async with listening(a, RingChanged) as heard:
            with pytest.raises(StateError):
                await a.gossip.insert(at("x"))
            await trio.sleep(5)
            assert heard == hooked == []
            sim.disk("a").capacity = None
            await quiet(sim)
        assert heard_of(heard) == ["insert"]
        assert hooked == [["a", "b", "x"]]
        assert members(b) == "abx"

    simulate(main, seed=sim_seed)


def test_a_leave_that_could_not_be_saved_is_told_when_it_can(sim_seed):
    async def main(sim):
        a, b, c = await form(sim, "abc", disk=True)
        await quiet(sim)
        sim.disk("c").capacity = 0
        with pytest.raises(StateError):
            await c.gossip.leave()
        await trio.sleep(10)
        assert members(a) == "abc"
        sim.disk("c").capacity = None
        await quiet(sim)
        await until(lambda: members(a) == members(b) == "ab")

    simulate(main, seed=sim_seed)


def test_a_full_disk_at_the_end_does_not_keep_a_node():
    async def main(sim):
        await form(sim, "ab", disk=True, on_exit="leave")
        sim.disk("b").capacity = 0
        before = sim.now
        await sim.stop("b")
        assert sim.now - before < 1

    simulate(main)


def test_a_thousand_restarts_leave_one_actor_per_name_in_the_clock():
    async def main(sim):
        a, b, _ = await form(sim, "abc", disk=True)
        for i in range(1000):
            c = await sim.restart("c")
            if i % 100 == 0:
                await quiet(sim)
                await c.gossip.update(c.address, i + 1)
        await quiet(sim)
        assert {members(n) for n in (a, b, c)} == {"abc"}
        assert len(a.gossip.clock) <= 3
        assert c.ring == a.ring

    simulate(main)


def test_hundreds_of_new_processes_of_one_name_do_too():
    async def main(sim):
        a, b, _ = await form(sim, "abc")
        for i in range(200):
            c = await sim.restart("c")
            if i % 50 == 0:
                await quiet(sim)
        await quiet(sim)
        assert {members(n) for n in (a, b, c)} == {"abc"}
        assert len(a.gossip.clock) <= 3

    simulate(main)


def test_a_seed_that_is_met_from_the_file_is_met(sim_seed):
    async def main(sim):
        await sim.start("a", disk=True)
        await sim.start("b", disk=True, seeds=[at("a")])
        await quiet(sim)
        await sim.restart("b")
        await quiet(sim)
        assert sim.nodes["b"].gossip.seeking == ()

    simulate(main, seed=sim_seed)
