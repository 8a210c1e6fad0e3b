"""Sessions may be cut at any byte: nothing is lost, doubled, or out of order."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings, strategies as st

from .wire_world import World, run_schedule

SEEDS = st.integers(0, 2**64)


@settings(max_examples=600)
@given(SEEDS, st.integers(10, 300))
def test_links_that_break_lose_and_double_nothing(seed, steps):
    run_schedule(Random(seed), steps=steps, faithful=True)


@settings(max_examples=600)
@given(SEEDS, st.integers(10, 300))
def test_nodes_that_die_or_give_up_double_nothing_and_account_for_the_rest(seed, steps):
    run_schedule(Random(seed), steps=steps, faithful=False)


def test_a_schedule_is_a_function_of_its_seed():
    first, again = (run_schedule(Random(7), steps=200, faithful=False) for _ in "12")
    assert first.nodes["a"].delivered == again.nodes["a"].delivered
    assert first.payload == again.payload > 0


def test_schedules_reach_what_they_are_for():
    worlds = [run_schedule(Random(n), steps=300, faithful=False) for n in range(60)]
    nodes = [node for world in worlds for node in world.nodes.values()]
    assert max(node.sessions for node in nodes) > 5
    assert max(len(node.delivered) for node in nodes) > 20
    assert max(world.resumed for world in worlds) > 1
    assert any(world.refused for world in worlds)
    assert any(world.halves for world in worlds)
    assert any(world.torn for world in worlds)
    assert any(world.graves for world in worlds)
    assert any(node.told for node in nodes)


def connected():
    """Return a world in which a has dialled b, and both are up."""
    world = World(Random(0))
    world.nodes["a"].start_dial()
    for _ in range(3):
        for node in world.nodes.values():
            world.deliver(node, 10**6)
    world.nodes["a"].flush()
    world.deliver(world.nodes["b"], 10**6)
    return world


def test_a_cut_at_every_byte_of_a_frame_costs_nothing():
    world = connected()
    for _ in range(5):
        world.queue(world.nodes["a"])
    length = len(sent_by(world))
    for size in range(length + 1):
        world = connected()
        for _ in range(5):
            world.queue(world.nodes["a"])
        sent_by(world)
        if size:
            world.deliver(world.nodes["b"], size)
        world.calm_down()
        world.judge(faithful=True)
        assert world.nodes["b"].delivered == [1, 2, 3, 4, 5]


def sent_by(world):
    """Let a write one frame; return what is under way."""
    node = world.nodes["a"]
    node.flush()
    return node.end.other.inbox


def test_a_cut_at_every_byte_of_the_handshake_costs_nothing():
    for size in range(0, 800, 3):
        world = connected()
        for node in world.nodes.values():
            world.queue(node)
            world.queue(node)
            node.flush()
            node.detach()
        world.ends.clear()
        world.nodes["a"].start_dial()
        left = size
        while left > 0 and (busy := [e for e in world.ends if e.inbox]):
            end = busy[0]
            some = min(left, len(end.inbox))
            data = bytes(end.inbox[:some])
            del end.inbox[:some]
            end.node.read(end, data)
            left -= some
        world.calm_down()
        world.judge(faithful=True)
        assert world.nodes["b"].delivered == [1, 2]
        assert world.nodes["a"].delivered == [3, 4]
