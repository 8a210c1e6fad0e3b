"""Nonsense under a good seal, asked and answered: counted, and nothing comes of it."""

from __future__ import annotations

import pytest
import trio

from clusterkit.core.registers import MOST_INCARNATION

from .http_liar import Liar
from .http_world import formed, until, url
from .test_http_cluster import playing
from .test_http_liars import encoded

NAMES = ["n0", "n1", "n2", "liar", "ghost", "", "a b"]
KEYS = ["_http", "_status", "_master", "a", "", "x" * 200]
NUMBERS = [0, 1, 5, 64, 2**40, 2**61, MOST_INCARNATION - 1, 2**62, 2**63, -1, 1.0, True]
ATOMS = [None, True, *NUMBERS, "", "n0", "é", b"", b"\xc1", float("nan"), (1,), {2}]
DEEP = b"\x91" * 5000 + b"\xc0"


class Nonsense:
    """What has the shape of a message, more or less."""

    def __init__(self, rng):
        self._rng = rng

    def any(self, depth=0):
        kind = self._rng.random()
        if depth > 4 or kind < 0.5:
            return self._rng.choice(ATOMS)
        if kind < 0.75:
            return [self.any(depth + 1) for _ in range(self._rng.randrange(7))]
        keys = ["url", "monitor", *NAMES]
        return {self._rng.choice(keys): self.any(depth + 1) for _ in range(3)}

    def number(self):
        return self._rng.choice(NUMBERS[:8] if self._rng.random() < 0.98 else NUMBERS)

    def _map(self, length):
        names = self._rng.sample(NAMES[:5], self._rng.randrange(4))
        return {name: [self.number() for _ in range(length)] for name in names}

    def _change(self, version):
        said = ["ending", {"url": url("liar"), "monitor": 1}, self.any()]
        value = self._rng.choice([b"\xc1", *map(encoded, said)])
        return [self._rng.choice(KEYS[:4]), version, value]

    def _part(self):
        version = self._rng.choice([1, 2, 9])
        incarnation = self._rng.choice([1, 2**40, self.number()])
        change = self._change(version)
        return [self._rng.choice(NAMES[:5]), incarnation, 0, version, 0, [change]]

    def argument(self, kind):
        if self._rng.random() < 0.05:
            return self.any()
        match kind:
            case "counters":
                return self._map(2)
            case "digest":
                return self._map(4)
            case "parts":
                return [self._part() for _ in range(self._rng.randrange(3))]
            case "hashes":
                return [self.number() for _ in range(64)]
        return self.number()

    def question(self):
        kinds = {"compare": ["hash"], "digest": ["numbers"]}
        event = self._rng.choice(["compare", "digest", "exchange"])
        args = [self.argument(kind) for kind in kinds.get(event, ["parts", "digest"])]
        body = [event, self.argument("counters"), args]
        whole = self._rng.random()
        return DEEP if whole < 0.02 else encoded(self.any() if whole < 0.05 else body)

    def answer(self, event, args):
        kinds = {"compare": ["digest", "hashes"], "exchange": ["parts"]}
        kind = self._rng.choice(kinds.get(event, ["digest"]))
        whole = self._rng.random()
        told = [self.argument("counters"), self.argument(kind)]
        return DEEP if whole < 0.02 else encoded(self.any() if whole < 0.05 else told)


@pytest.mark.parametrize("run", range(3))
def test_nodes_go_on_whatever_they_are_told(sim_seed, run):
    async def play(world):
        nonsense = Nonsense(world.sim.generator(f"nonsense/{run}"))
        liar = Liar(answer=nonsense.answer)
        world.strange["liar"] = liar
        nodes = await formed(world, 2)
        nodes.append(await world.start("n2", seeds=[url("liar"), url("n0")]))
        statuses = []
        for _ in range(60):
            for node in nodes * 3:
                statuses.append(liar.send(node, nonsense.question())[0].status)
                assert node.members.all()
            await trio.sleep(1)
        assert set(statuses) == {200, 400}
        assert len(liar.heard) > 5
        del world.strange["liar"]
        for node in nodes:
            node.state.set("said", "truly")
        names = [node.name for node in nodes]
        await until(lambda: all(_hears(node, names) for node in nodes), 120)
        await trio.sleep(60)
        for node in nodes:
            assert sorted(node.members.alive()) == names

    playing(play, sim_seed)


def _hears(node, names):
    return all(node.state.value(name, "said") == "truly" for name in names)
