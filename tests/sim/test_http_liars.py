"""What a member with the cookie can do to a cluster over HTTP: nothing that lasts."""

from __future__ import annotations

import pytest
import trio

from clusterkit.events import MemberDown
from clusterkit.wire.http_seal import MOST_TIME, Answer, read_request

from .http_liar import Liar
from .http_world import formed, sees, until, url
from .rings import listening
from .test_http_cluster import playing


def introduced(world, node, liar, *, at=None):
    """Have a node hear of a liar, and know where it is."""
    world.strange[liar.name] = liar
    place = {"url": at or url(liar.name), "monitor": True}
    tell(node, liar, {"_http": place})


def tell(node, liar, state, *, version=1, beat=1):
    """Say of the liar itself what its state is, and that it lives."""
    liar.ask(node, "compare", {liar.name: [1, beat]}, 0)
    changes = [
        [key, version + i, encoded(value)]
        for i, (key, value) in enumerate(state.items())
    ]
    part = [liar.name, 1, 0, version + len(changes) - 1, 0, changes]
    response, _ = liar.ask(node, "exchange", {}, [part], {})
    assert response.status == 200


def encoded(value):
    from clusterkit.wire.codec import Codec
    from clusterkit.wire.stream_values import encode_value

    return encode_value(Codec(2**20), value)


@pytest.mark.parametrize("time_ms", [0, 2**62, 2**63, 2**64 - 1])
def test_whatever_its_clock_shows_nobody_comes_to_harm(time_ms):
    async def play(world):
        (a,) = await formed(world, 1)
        liar = Liar()
        liar.time_ms = time_ms
        introduced(world, a, liar)
        await trio.sleep(30)
        assert (len(liar.heard) > 5) == (time_ms <= MOST_TIME)
        assert a.members.alive() == ("n0",)

    playing(play)


def test_what_is_answered_to_who_only_asked_who_is_there_is_not_taken():
    class Eager(Liar):
        def gossip(self, data, source):
            request = read_request(self._keys.open(data)[0])
            self.heard.append(request.receiver)
            body = encoded([{"invented": [5, 5]}, None])
            return self._reply(200, Answer(request.nonce, self.time_ms, body))

    async def play(world):
        world.strange["liar"] = liar = Eager()
        a = await world.start("a", seeds=[url("liar")])
        await trio.sleep(30)
        assert set(liar.heard) == {""}
        assert a.refused["answer"] == len(liar.heard) > 5
        assert a.members.alive() == ("a",)

    playing(play)


def test_a_node_at_whose_url_another_answers_is_not_taken_for_it():
    async def play(world):
        a = await world.start("a")
        liar = Liar("other", answer=lambda *_: [{"other": [9, 9**9]}, None])
        introduced(world, a, liar)
        liar.name = "another"
        await trio.sleep(10)
        assert liar.heard  # it is asked as who it says that it is
        assert a.members.state("other") == "alive"
        await trio.sleep(60)
        assert a.members.state("other") == "dead"

    playing(play)


def test_members_that_answer_slowly_and_without_end_keep_nobody_from_the_others():
    async def play(world):
        a, b = await formed(world, 2, monitors=0)
        await trio.sleep(3)
        liars = []
        for number in range(8):
            liar = Endless(f"liar{number}")
            world.slow[liar.name] = 4.5
            liars.append(liar)
            introduced(world, a, liar)
            introduced(world, b, liar)
        before = len(world.posted)
        async with listening(a, MemberDown) as heard:
            for beat in range(2, 300):
                for liar in liars:
                    for node in (a, b):
                        liar.ask(node, "compare", {liar.name: [1, beat]}, 0)
                await trio.sleep(1)
        assert heard == []
        to_b = [to for _, to, _ in world.posted[before:] if to.startswith(url("n1"))]
        assert len(to_b) > 60
        assert sum(len(liar.heard) for liar in liars) > 60

    playing(play)


def test_a_thousand_names_that_were_made_up_keep_nobody_out_once_they_are_silent():
    async def play(world):
        nodes = await formed(world, 3, monitors=0)
        names = [node.name for node in nodes]
        liar = Liar()
        for beat in range(1, 20):
            told = {f"x{number}": [1, beat] for number in range(997)}
            for node in nodes:
                liar.ask(node, "compare", told, 0)
            await trio.sleep(1)
        assert all(len(node.members.all()) > 900 for node in nodes)
        x = await world.start("x", seeds=[url("n0")])
        nodes.append(x)
        names.append("x")
        await until(lambda: all(sees(node, names) for node in nodes), 90)
        assert all(len(node.members.all()) <= 1000 for node in nodes)

    playing(play)


@pytest.mark.parametrize(
    "claim", [[1, 2**62], [2**50, 1], [2**62 - 1, 2**62], [2**62, 1], [2**62, 2**62]]
)
def test_whatever_is_claimed_of_others_they_are_soon_heard_again(sim_seed, claim):
    async def play(world):
        nodes = await formed(world, 5, monitors=0)
        names = [node.name for node in nodes]
        liar = Liar()
        for _ in range(5):
            for node in nodes:
                liar.ask(node, "compare", dict.fromkeys(names, claim), 0)
            await trio.sleep(0.3)
        for seconds in (20, 60, 60):
            await trio.sleep(seconds)
            assert all(sees(node, names) for node in nodes)
        for node in nodes:
            node.state.set("said", "truly")
        await until(lambda: all(hears(node, names) for node in nodes))

    playing(play, sim_seed)


@pytest.mark.parametrize("incarnation", [2**50, 2**62 - 1, 2**62])
@pytest.mark.parametrize("version", [1, 2**61 + 5, 2**62])
def test_whatever_others_are_said_to_have_said_is_put_right(
    sim_seed, incarnation, version
):
    async def play(world):
        nodes = await formed(world, 5, monitors=0)
        names = [node.name for node in nodes]
        liar = Liar()
        liar.ask(nodes[0], "compare", {"liar": [1, 1]}, 0)
        lies = {"_status": "ending", "_http": {"url": "http://10.0.0.1"}, "said": 0}
        changes = [
            [key, version - 2 + i, encoded(value)]
            for i, (key, value) in enumerate(lies.items())
            if version - 2 + i > 0
        ]
        for name in names[1:]:
            part = [name, incarnation, 0, version, 0, changes]
            liar.ask(nodes[0], "exchange", {}, [part], {})
        for node in nodes:
            node.state.set("said", "truly")
        await until(lambda: all(hears(node, names) for node in nodes))
        await until(lambda: all(sees(node, names) for node in nodes))
        places = [{m.id: m.url for m in node.members.all()} for node in nodes]
        assert all(row[name] == url(name) for row in places for name in names)

    playing(play, sim_seed)


def hears(node, names):
    return all(node.state.value(name, "said") == "truly" for name in names)


class Endless(Liar):
    """Has something new to tell of itself at each step."""

    def __init__(self, name):
        super().__init__(name, self._tell)
        self.version = 1

    def _tell(self, event, args):
        if event == "compare":
            self.version += 1
            return [{}, {self.name: [1, self.version, 0, 0]}]
        place = {"url": url(self.name), "monitor": False}
        changes = [["_http", self.version, encoded(place)]]
        return [{}, [[self.name, 1, 0, self.version, 0, changes]]]
