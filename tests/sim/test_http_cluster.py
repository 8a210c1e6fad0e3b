"""Clusters over HTTP alone, in virtual time."""

from __future__ import annotations

import logging

import pytest
import trio

from clusterkit.events import (
    MemberBack,
    MemberDown,
    MemberLeft,
    MemberUp,
    StateUpdated,
)
from clusterkit.httpcluster.creation import create_http_cluster
from clusterkit.testing.sim import simulate

from .http_world import HttpWorld, formed, sees, until, url
from .rings import listening

DAY = 86_400.0


def playing(play, seed=0, limit=3600.0, **world):
    """Run `play(world)` in virtual time."""

    async def main(sim):
        async with trio.open_nursery() as nursery:
            await play(HttpWorld(sim, nursery, **world))
            nursery.cancel_scope.cancel()

    return simulate(main, seed=seed, limit=limit)


def test_ten_nodes_come_to_know_each_other_and_what_each_says(sim_seed):
    async def play(world):
        began = trio.current_time()
        nodes = await formed(world, 10)
        assert trio.current_time() - began < 10
        for node in nodes:
            node.state.set("version", node.name * 2)
        names = [node.name for node in nodes]
        taken = await until(
            lambda: all(
                node.state.value(name, "version") == name * 2
                for node in nodes
                for name in names
            )
        )
        assert taken < 8
        (monitor, *others) = nodes[1].members.all()
        assert nodes[1].state.peers() == ("n1", *sorted({*names} - {"n1"}))
        assert [m.id for m in others if m.monitor] == ["n0"]
        assert others[0].url == url("n0")
        assert (monitor.phi, monitor.state) == (None, "alive")
        assert {m.state for m in others} == {"alive"}

    playing(play, sim_seed)


def test_a_crash_is_seen_by_all_and_the_restart_comes_back_fresh(sim_seed):
    async def play(world):
        nodes = await formed(world, 10, interval=1.0)
        nodes[3].state.set("a", "before")
        await until(lambda: nodes[9].state.value("n3", "a") == "before")
        rest = [node for node in nodes if node.name != "n3"]
        async with listening(rest[0], MemberDown, MemberBack, MemberLeft) as heard:
            await world.crash("n3")
            taken = await until(
                lambda: all(node.members.state("n3") == "dead" for node in rest)
            )
            assert taken < 30
            again = await world.restart("n3")
            again.state.set("b", "after")
            await until(
                lambda: all(node.state.keys("n3")[-1:] == ("b",) for node in rest)
            )
            assert all("a" not in node.state.keys("n3") for node in rest)
            await until(
                lambda: all(node.members.state("n3") == "alive" for node in rest)
            )
        assert heard == [MemberDown("n3"), MemberBack("n3")]

    playing(play, sim_seed)


def test_who_is_put_offline_stays_so_until_it_is_put_online(sim_seed):
    async def play(world):
        nodes = await formed(world, 5)
        nodes[2].set_online(False)
        assert not nodes[2].is_ready

        def offline():
            return [node.state.value("n2", "_status") for node in nodes]

        await until(lambda: offline() == ["offline"] * 5)
        for _ in range(60):
            await trio.sleep(1)
            assert offline() == ["offline"] * 5
            assert all(node.members.state("n2") == "alive" for node in nodes)
        nodes[2].set_online(True)
        await until(lambda: offline() == [None] * 5)
        assert nodes[2].is_ready

    playing(play, sim_seed)


def test_who_ends_says_so_to_monitors_first(sim_seed):
    async def play(world):
        nodes = await formed(world, 10)
        async with listening(nodes[0], MemberLeft, MemberDown) as heard:
            await world.stop("n7")
            assert nodes[0].members.state("n7") == "left"
            rest = [node for node in nodes if node.name != "n7"]
            taken = await until(
                lambda: all(node.members.state("n7") == "left" for node in rest)
            )
            assert taken < 8
            await trio.sleep(60)
        assert heard == [MemberLeft("n7")]

    playing(play, sim_seed)


def test_who_has_ended_asks_nobody_any_more(sim_seed):
    async def play(world):
        nodes = await formed(world, 3)
        nodes[2].drain()
        await until(lambda: nodes[2].phase == "ended")
        asked = len([sender for sender, *_ in world.posted if sender == "n2"])
        await trio.sleep(30)
        assert len([s for s, *_ in world.posted if s == "n2"]) == asked
        assert nodes[0].members.state("n2") == "left"

    playing(play, sim_seed)


@pytest.mark.parametrize("monitors", [0, 1])
def test_two_halves_find_together_again(sim_seed, monitors):
    async def play(world):
        nodes = await formed(world, 10, monitors=monitors)
        halves = [{f"n{i}" for i in range(5)}, {f"n{i}" for i in range(5, 10)}]
        world.partition(*halves)
        await until(
            lambda: all(
                sees(node, half)
                for half in halves
                for node in nodes
                if node.name in half
            )
        )
        nodes[0].state.set("a", 1)
        nodes[9].state.set("a", 9)
        await trio.sleep(300)
        world.partition()
        taken = await until(
            lambda: all(sees(node, halves[0] | halves[1]) for node in nodes)
        )
        assert taken < 30
        await until(
            lambda: all(
                (node.state.value("n0", "a"), node.state.value("n9", "a")) == (1, 9)
                for node in nodes
            )
        )

    playing(play, sim_seed)


def test_a_lossy_web_makes_nobody_dead(sim_seed):
    async def play(world):
        nodes = await formed(world, 6)
        world.loss = 0.05  # of requests and of answers, and each takes 5 s to fail
        async with listening(nodes[1], MemberDown) as heard:
            await trio.sleep(600)
        assert heard == []

    playing(play, sim_seed)


def test_who_was_dead_for_a_day_is_forgotten_and_nobody_brings_it_back():
    async def play(world):
        nodes = await formed(world, 4, interval=60.0, within=3600.0)
        await world.crash("n3")
        rest = nodes[:3]
        await until(lambda: all(n.members.state("n3") == "dead" for n in rest), 3600)
        # They did not see it at one time, so they do not forget it at one time.
        await trio.sleep(DAY - 1200)
        assert all("n3" in node.state.peers() for node in rest)
        await until(lambda: all("n3" not in node.state.peers() for node in rest), 3600)
        assert all(node.state.keys("n3") == () for node in rest)
        for _ in range(60):
            await trio.sleep(60)
            assert all("n3" not in node.state.peers() for node in rest)
        await world.restart("n3")
        await until(lambda: all("n3" in node.members.alive() for node in rest), 3600)

    playing(play, limit=3 * DAY)


@pytest.mark.parametrize("wall", [3 * 3600.0, -3 * 3600.0, -9e8])
def test_clocks_that_are_hours_apart_are_no_matter(sim_seed, wall):
    async def play(world):
        nodes = await formed(world, 3)
        other = await world.start("x", seeds=[url("n0")], wall=wall)
        await until(
            lambda: all(sees(n, ["n0", "n1", "n2", "x"]) for n in [*nodes, other])
        )
        other.state.set("a", 1)
        await until(lambda: all(n.state.value("x", "a") == 1 for n in nodes))
        # It is set the other way, and the node begins again: a lower incarnation.
        await world.crash("x")
        await until(lambda: all(n.members.state("x") == "dead" for n in nodes))
        again = await world.restart("x", wall=wall - 7200)
        await until(lambda: all(n.members.state("x") == "alive" for n in nodes))
        again.state.set("a", 2)
        await until(lambda: all(n.state.value("x", "a") == 2 for n in nodes))

    playing(play, sim_seed)


def test_a_node_that_hangs_keeps_nobody_from_the_others(sim_seed):
    async def play(world):
        nodes = await formed(world, 5, monitors=0)
        world.hangs.add("n4")
        rest = nodes[:4]
        await until(lambda: all(node.members.state("n4") == "dead" for node in rest))
        assert all(sees(node, [n.name for n in rest]) for node in rest)

    playing(play, sim_seed)


def test_of_a_cluster_with_another_cookie_or_name_nothing_is_heard(sim_seed):
    async def play(world):
        a = await world.start("a", seeds=[url("b"), url("c")])
        b = await world.start("b", seeds=[url("a")], cookie="another")
        c = await world.start("c", seeds=[url("a")], ring="another")
        await trio.sleep(30)
        for node in (a, b, c):
            assert node.members.alive() == (node.name,)
        assert a.refused["forged"] >= 5
        assert a.refused["ring"] >= 5
        assert b.refused["forged"] >= 5

    playing(play, sim_seed)


@pytest.mark.parametrize("wrong", [{"cookie": "another"}, {"ring": "another"}])
def test_who_is_let_in_nowhere_is_told_why_in_its_own_log(caplog, wrong):
    async def play(world):
        await world.start("a")
        caplog.set_level(logging.WARNING, "clusterkit.http")
        await world.start("b", seeds=[url("a")], **wrong)
        await trio.sleep(130)
        told = [m for m in caplog.messages if m.startswith("http_failed ")]
        assert len(told) == 3  # once a minute
        assert "http://a.example/cluster" in told[0]
        assert "another cookie or ring" in told[0]
        assert "more=" in told[1]

    playing(play)


def test_who_knows_others_does_not_log_each_that_is_not_there(caplog):
    async def play(world):
        caplog.set_level(logging.WARNING, "clusterkit.http")
        a = await world.start("a")
        await world.start("b", seeds=[url("a"), url("nobody")])
        await until(lambda: "b" in a.members.alive())
        caplog.clear()
        await trio.sleep(200)
        assert [m for m in caplog.messages if m.startswith("http_failed ")] == []

    playing(play)


def test_while_the_cookie_is_changed_nobody_is_lost(sim_seed):
    async def play(world):
        nodes = await formed(world, 4, cookie="old")
        async with listening(nodes[0], MemberDown) as heard:
            for cookies in (["old", "new"], ["new", "old"], "new"):
                for node in nodes:
                    await node.cookies.replace(cookies)
                    await trio.sleep(3)
        assert heard == []
        assert all(not node.refused["forged"] for node in nodes)

    playing(play, sim_seed)


def test_what_was_sent_cannot_be_sent_again(sim_seed):
    async def play(world):
        nodes = await formed(world, 3)
        await trio.sleep(5)  # and all know each other's lives
        world.posted.clear()
        await trio.sleep(10)
        world.partition({"n0"}, {"n1"}, {"n2"})
        await trio.sleep(6)  # so that nothing is under way
        captured = list(world.posted)
        to_n1 = [body for _, to, body in captured if to.startswith(url("n1"))]
        to_others = [body for _, to, body in captured if not to.startswith(url("n1"))]
        assert len(to_n1) > 2
        assert len(to_others) > 5
        n1 = nodes[1]
        before = n1.members.all()
        # What reached it was taken; what the partition has swallowed is new to it.
        taken = sum(n1.gossip(body, "thief").status == 200 for body in to_n1)
        assert taken <= 10
        statuses = [n1.gossip(body, "thief").status for body in to_n1]
        assert set(statuses) <= {401, 409}  # or it only asked who is here
        assert statuses.count(401) > 2
        assert {n1.gossip(body, "thief").status for body in to_others} == {409}
        assert [m.id for m in n1.members.all()] == [m.id for m in before]
        await world.crash("n1")
        again = await world.restart("n1")
        # It is told who is here, and whoever has the cookie may ask anew.
        assert {again.gossip(body, "thief").status for body in to_n1} == {409}
        assert again.members.alive() == ("n1",)

    playing(play, sim_seed)


def test_a_member_is_dialled_only_where_it_is_allowed(sim_seed):
    async def play(world):
        a = await world.start("a", allow=())
        await world.start("evil", seeds=[url("a")])
        await until(lambda: "evil" in a.members.alive())
        await until(lambda: a.refused["not_allowed"] == 1)
        await trio.sleep(60)
        assert "evil" in a.members.alive()  # it asks, and is answered
        assert [to for sender, to, _ in world.posted if sender == "a"] == []

    playing(play, sim_seed)


def test_a_namesake_is_found_out(sim_seed):
    async def play(world):
        a = await world.start("a", seeds=[url("b")])
        await world.start("b", seeds=[url("a")])
        await until(lambda: a.members.alive() == ("a", "b"))

        async def namesake(*, task_status):
            platform = world.sim.platform("other")
            post = world._post_of("other")
            async with create_http_cluster(
                "b",
                url("other"),
                cookie="simulated",
                seeds=[url("a"), url("b")],
                platform=platform,
                post=post,
            ) as other:
                task_status.started(other)
                await trio.sleep_forever()

        other = await world._nursery.start(namesake)
        await until(
            lambda: (
                world.nodes["b"].refused["name_taken"] > 0
                or other.refused["name_taken"] > 0
            )
        )

    playing(play, sim_seed)


def test_of_itself_a_node_hears_by_no_seed(sim_seed):
    async def play(world):
        a = await world.start("a", seeds=[url("a"), url("b")])
        b = await world.start("b", seeds=[url("a"), url("b")])
        await until(lambda: sees(a, "ab") and sees(b, "ab"))
        await trio.sleep(20)
        assert not a.refused["name_taken"]
        assert not b.refused["name_taken"]
        dialled = [to for sender, to, _ in world.posted[-20:] if sender == "a"]
        assert url("a") + "/gossip" not in dialled

    playing(play, sim_seed)


def test_events_tell_who_comes_and_what_is_new(sim_seed):
    async def play(world):
        a = await world.start("a")
        async with listening(a, MemberUp, StateUpdated) as heard:
            b = await world.start("b", seeds=[url("a")])
            b.state.set("x", 5)
            await until(lambda: a.state.value("b", "x") == 5)
            await trio.sleep(1)
        assert heard[0] == MemberUp("b")
        assert StateUpdated("b", "x", 5) in heard
        assert len(heard) == 3  # and where it is, but no heartbeats

    playing(play, sim_seed)


def test_a_node_that_has_ended_can_be_told_to_end_again():
    async def play(world):
        a = await world.start("a")
        await a.shutdown()
        a.drain()
        assert a.phase == "ended"
        await world.stop("a")
        a.drain()
        await a.shutdown()
        await a.serve_forever()
        assert not a.is_ready

    playing(play)


def test_the_next_process_of_a_name_takes_over_when_the_one_before_ends(sim_seed):
    async def play(world):
        nodes = await formed(world, 5)
        nodes[3].state.set("version", "old")
        before = world._lives["n3"]
        after = await world.restart("n3")  # at the same URL, and the other goes on
        after.state.set("version", "new")
        rest = [node for node in nodes if node.name != "n3"]
        await trio.sleep(30)
        assert all(node.members.state("n3") == "alive" for node in rest)
        assert after.refused["contested"]
        before.scope.cancel()
        await before.over.wait()
        await until(
            lambda: all(node.state.value("n3", "version") == "new" for node in rest), 30
        )
        await trio.sleep(5)
        for _ in range(60):
            await trio.sleep(1)
            assert all(node.members.state("n3") == "alive" for node in rest)

    playing(play, sim_seed)
