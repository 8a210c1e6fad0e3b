"""Clusters over HTTP whose seed is a balancer, or another name of a node."""

from __future__ import annotations

import pytest
import trio

from .http_liar import Liar
from .http_world import formed, sees, until, url
from .test_http_cluster import playing


class Balancer:
    """Gives each request to another node: in their order, or as the dice fall."""

    def __init__(self, world, *, by_dice):
        self._world = world
        self._rng = world.sim.generator("balancer") if by_dice else None
        self._count = 0

    def gossip(self, body, source):
        nodes = self._world.nodes
        names = sorted(nodes)
        self._count += 1
        name = self._rng.choice(names) if self._rng else names[self._count % len(names)]
        return nodes[name].gossip(body, source)


@pytest.mark.parametrize("by_dice", [False, True])
@pytest.mark.parametrize("count", [1, 2, 10])
def test_who_comes_by_way_of_a_balancer_is_soon_one_of_all(sim_seed, by_dice, count):
    async def play(world):
        nodes = await formed(world, count, monitors=0)
        world.strange["balancer"] = Balancer(world, by_dice=by_dice)
        nodes.append(await world.start("x", seeds=[url("balancer")]))
        names = [node.name for node in nodes]
        await until(lambda: all(sees(node, names) for node in nodes), 30)

    playing(play, sim_seed)


@pytest.mark.parametrize("by_dice", [False, True])
def test_nodes_that_know_nothing_but_a_balancer_find_together(sim_seed, by_dice):
    async def play(world):
        world.strange["balancer"] = Balancer(world, by_dice=by_dice)
        names = [f"n{i}" for i in range(10)]
        seeds = [url("balancer")]
        nodes = [await world.start(name, seeds=seeds) for name in names]
        await until(lambda: all(sees(node, names) for node in nodes))
        # What is asked of a balancer any more is little.
        world.posted.clear()
        await trio.sleep(60)
        asked = [to for _, to, _ in world.posted if to.startswith(url("balancer"))]
        assert len(asked) < len(world.posted) / 5

    playing(play, sim_seed)


def test_a_node_is_reached_by_a_seed_where_its_own_url_leads_nowhere(sim_seed):
    async def play(world):
        a = await world.start("a", at=url("nowhere"))
        b = await world.start("b", seeds=[url("a")], at=url("elsewhere"))
        await until(lambda: sees(a, "ab") and sees(b, "ab"))
        b.state.set("x", 1)
        await until(lambda: a.state.value("b", "x") == 1)
        a.state.set("x", 2)
        await until(lambda: b.state.value("a", "x") == 2)
        await trio.sleep(60)
        assert sees(a, "ab")
        assert sees(b, "ab")

    playing(play, sim_seed)


@pytest.mark.parametrize(
    "at", ["http://10.0.0.1/", "ftp://x", "http://a b", "", "x" * 512]
)
def test_where_a_seed_says_that_it_is_is_dialled_only_if_it_may_be(at):
    async def play(world):
        world.strange["liar"] = liar = Liar(at=at)
        a = await world.start("a", seeds=[url("liar")])
        await trio.sleep(10)
        assert len(liar.heard) > 3
        assert {to for _, to, _ in world.posted} == {f"{url('liar')}/gossip"}
        assert a.members.alive() == ("a",)

    playing(play)


@pytest.mark.parametrize("by_dice", [False, True])
def test_nodes_that_say_the_balancer_is_where_they_are_are_told(
    sim_seed, by_dice, caplog
):
    async def play(world):
        at = url("balancer")
        world.strange["balancer"] = Balancer(world, by_dice=by_dice)
        nodes = [await world.start(name, seeds=[at], at=at) for name in "abcd"]
        await until(lambda: any(node.refused["url_taken"] for node in nodes))

    playing(play, sim_seed)
    told = [m for m in caplog.messages if m.startswith("http_url_taken ")]
    assert "each node has a URL of its own" in told[0]


def test_a_seed_that_was_a_namesake_is_asked_again_when_it_has_another_name(sim_seed):
    async def play(world):
        other = Liar("a")
        world.strange["b"] = other
        a = await world.start("a", seeds=[url("b")])
        await until(lambda: a.refused["name_taken"] > 2)
        del world.strange["b"]
        b = await world.start("b")
        await until(lambda: sees(a, "ab") and sees(b, "ab"))

    playing(play, sim_seed)
