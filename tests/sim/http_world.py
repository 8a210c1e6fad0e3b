"""Clusters over HTTP in virtual time: what carries their requests, and their lives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import trio

from clusterkit.cluster.ending import Ending
from clusterkit.httpcluster.creation import create_http_cluster
from clusterkit.httpcluster.posting import WITHIN, NoAnswer

COOKIE = "simulated"


def url(name):
    return f"http://{name}.example/cluster"


@dataclass
class Life:
    """One life of a node."""

    cluster: object = None
    ending: Ending = field(default_factory=Ending)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    over: trio.Event = field(default_factory=trio.Event)


class HttpWorld:
    """Nodes by name, and the web between them.

    Args:
        sim: Time and chance.
        nursery: Runs the nodes.
        loss: How often a request, or its answer, never comes.

    Attributes:
        posted: What was sent: from, URL, body.
        hangs: Who answers nothing.
        slow: For how many seconds who is there does not answer, by name.
        strange: What answers in place of a node, by name: it has a `gossip`.
    """

    def __init__(self, sim, nursery, loss=0.0):
        self.sim = sim
        self.loss = loss
        self.posted = []
        self.hangs = set()
        self.slow = {}
        self.strange = {}
        self._nursery = nursery
        self._rng = sim.generator("web")
        self._lives = {}
        self._options = {}
        self._started = 0
        self._groups = ()

    @property
    def nodes(self):
        """Those that run, by name."""
        return {n: life.cluster for n, life in self._lives.items() if life.cluster}

    async def start(self, name, *, wall=0.0, at=None, **options):
        """Start a node, at a clock on the wall that is so many seconds ahead.

        `at` is where it says that it is, if it is wrong there.
        """
        self._options[name] = {"wall": wall, "at": at, **options}
        options = {"cookie": COOKIE, "allow": ["*.example"], **options}
        self._started += 1
        life = self._lives[name] = Life()
        sim = self.sim
        platform = replace(
            sim.platform(name),
            rng=sim.generator(f"http/{name}/{self._started}"),
            wall_clock=lambda: sim.wall() + wall,
            ending=life.ending,
        )
        await trio.sleep(0.005)
        options = {"platform": platform, "post": self._post_of(name), **options}
        place = at or url(name)
        return await self._nursery.start(self._live, name, place, life, options)

    async def _live(self, name, place, life, options, *, task_status):
        try:
            with life.scope:
                async with create_http_cluster(name, place, **options) as cluster:
                    life.cluster = cluster
                    task_status.started(cluster)
                    await trio.sleep_forever()
        finally:
            life.cluster = None
            life.over.set()

    async def stop(self, name):
        """End a node in good order."""
        self._lives[name].scope.cancel()
        await self._lives[name].over.wait()

    async def crash(self, name):
        """End it without a word."""
        self._lives[name].ending.cut()
        await self.stop(name)

    async def restart(self, name, **changes):
        """Start a node again as it was."""
        return await self.start(name, **{**self._options[name], **changes})

    def partition(self, *groups):
        self._groups = groups

    def _is_cut(self, a, b):
        return any((a in group) != (b in group) for group in self._groups)

    def _post_of(self, sender):
        async def post(to, body):
            receiver = to.removeprefix("http://").partition(".")[0]
            self.posted.append((sender, to, body))
            await self._way(sender, receiver)
            cluster = self.strange.get(receiver) or self.nodes.get(receiver)
            if cluster is None:
                raise NoAnswer("connection refused")
            await trio.sleep(self.slow.get(receiver, 0.0))
            response = cluster.gossip(body, sender)
            await self._way(receiver, sender)
            return response

        return post

    async def _way(self, a, b):
        lost = self._rng.random() < self.loss
        if lost or self._is_cut(a, b) or {a, b} & self.hangs:
            await trio.sleep(WITHIN)
            raise NoAnswer("no answer in time")
        await trio.sleep(self._rng.uniform(0.001, 0.02))


async def formed(world, count, *, monitors=1, within=60.0, **options):
    """Start nodes whose seed is the first; return them when all know all."""
    names = [f"n{number}" for number in range(count)]
    nodes = [
        await world.start(
            name, seeds=[url(names[0])], monitor=number < monitors, **options
        )
        for number, name in enumerate(names)
    ]
    await until(lambda: all(sees(node, names) for node in nodes), within)
    places = lambda: [m.url for node in nodes for m in node.members.all()]  # noqa: E731
    await until(lambda: all(places()), within)
    return nodes


def sees(node, names):
    return sorted(node.members.alive()) == sorted(names)


async def until(condition, seconds=60.0):
    """Wait until something holds; return after how long that was."""
    began = trio.current_time()
    with trio.fail_after(seconds):
        while not condition():
            await trio.sleep(0.05)
    return trio.current_time() - began
