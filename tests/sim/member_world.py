"""Random schedules of all that happens to members, and what must hold after them.

Nodes crash, end in good order, restart, lose the way to others in one direction or in
both, leave the ring, are removed and come back, lose their disks, move, have their
clocks set, and write of themselves meanwhile.
"""

from __future__ import annotations

import trio

from clusterkit.config import Config
from clusterkit.errors import ClusterError
from clusterkit.events import (
    EventsLost,
    MemberBack,
    MemberDown,
    MemberLeft,
    MemberSuspect,
    MemberUp,
    StateDeleted,
    StateUpdated,
)

from .rings import PORT, at, form, until

KINDS = {
    MemberUp: ("alive", {None, "left"}),
    MemberBack: ("alive", {None, "suspect", "dead", "left"}),
    MemberSuspect: ("suspect", {None, "alive", "left"}),
    MemberDown: ("dead", {None, "alive", "suspect", "left"}),
    MemberLeft: ("left", {None, "alive", "suspect", "dead"}),
}
"""What an event makes of a member, and of what. Who was removed has left, and may be
anything when it is a member again."""

STEPS = 30


class Reader:
    """Believes what one life of a node tells its subscribers."""

    def __init__(self, node):
        self.node = node
        self.members = {}
        self.values = {}

    async def read(self, *, task_status):
        kinds = (*KINDS, StateUpdated, StateDeleted, EventsLost)
        async with self.node.events(*kinds) as events:
            self.members, self.values = self.seen_members(), self.seen_values()
            task_status.started()
            async for event in events:
                self.hear(event)

    def hear(self, event):
        if type(event) is StateUpdated:
            key = event.peer, event.key
            assert self.values.get(key) != event.value, event
            self.values[key] = event.value
        elif type(event) is StateDeleted:
            del self.values[event.peer, event.key]
        else:
            after, before = KINDS[type(event)]
            assert self.members.get(event.peer) in before, (self.node.name, event)
            self.members[event.peer] = after

    def judge(self):
        """What was told adds up to what is to be seen."""
        assert self.values == self.seen_values()
        told = {name: state for name, state in self.members.items() if state != "left"}
        assert told == self.seen_members(), (self.node.name, told)

    def seen_members(self):
        rows = self.node.members.all()
        known = {m.id: m.state for m in rows if m.incarnation or m.state != "alive"}
        return {n: s for n, s in known.items() if n != self.node.name and s != "left"}

    def seen_values(self):
        state = self.node.state
        keys = [(peer, key) for peer in state.peers() for key in state.keys(peer)]
        return {key: state.value(*key) for key in keys}


class MemberWorld:
    """A handful of nodes and what becomes of them."""

    def __init__(self, sim, names="abcdef"):
        self.sim = sim
        self.names = names
        self.rng = sim.generator("schedule")
        self.readers = {}
        self.count = self.wipes = 0

    async def run(self):
        small = self.rng.random() < 0.5
        config = Config(full_mesh=5, idle_close=3.0) if small else Config()
        async with trio.open_nursery() as self.nursery:
            await form(self.sim, self.names, config=config, disk=True)
            for name in self.names:
                await self._read(name)
            for _ in range(STEPS):
                await self._step()
                await trio.sleep(self.rng.choice((0.05, 0.5, 4.0)))
            self._calm_down()
            await until(self._settled, 60)
            await trio.sleep(0.001)  # until readers have read what was just told
            for name in self.sim.nodes:
                self.readers[name].judge()
            self.nursery.cancel_scope.cancel()

    async def _step(self):
        name, other = self.rng.sample(self.names, 2)
        steps = ["write"] * 6 + ["crash", "stop", "restart", "restart", "partition"]
        steps += ["heal", "heal", "wall", "leave", "remove", "insert", "meet", "meet"]
        steps += ["cut", "loss", "wipe", "move"]
        step = getattr(self, f"_{self.rng.choice(steps)}")
        if name in self.sim.nodes or step in (self._restart, self._wipe, self._move):
            await step(name, other)

    async def _write(self, name, _):
        state, key = self.sim.nodes[name].state, f"k{self.rng.randrange(3)}"
        if self.rng.random() < 0.3:
            state.delete(key)
        else:
            self.count += 1
            state.set(key, self.count, ttl=self.rng.choice((None, None, 2.0)))

    async def _crash(self, name, _):
        await self.sim.crash(name, silent=self.rng.random() < 0.5)

    async def _stop(self, name, _):
        await self.sim.stop(name)

    async def _restart(self, name, _=None, *, port=None, hours=None):
        """Start again, on a clock that may have been set."""
        clock = type(self.sim).wall
        hours = self.rng.choice((0, 0, -3, 3)) if hours is None else hours
        self.sim.wall = lambda: clock(self.sim) + 3600 * hours
        await self.sim.restart(name, port=port)
        await self._read(name)

    async def _wipe(self, name, _):
        """Come back with an empty disk; not on an earlier clock as well.

        Those that list it would not believe that it is a later life, and it knows
        nobody whom it could ask.
        """
        self.wipes += 1
        if name in self.sim.nodes:
            await self.sim.crash(name)
        self.sim.disk(name).files.clear()
        await self._restart(name, hours=3 + self.wipes)

    async def _move(self, *_):
        """Come back at another address; always the same node does."""
        await self._restart(self.names[-1], port=PORT + self.rng.randrange(4))

    async def _partition(self, *_):
        cut = self.rng.randrange(1, len(self.names))
        order = self.rng.sample(self.names, len(self.names))
        self.sim.partition(set(order[:cut]), set(order[cut:]))

    async def _heal(self, *_):
        self.sim.heal()

    async def _wall(self, name, other):
        self.sim.network.wall(name, other, up=self.rng.random() < 0.5)

    async def _cut(self, name, other):
        self.sim.cut(name, other, half_open=self.rng.random() < 0.5)

    async def _loss(self, *_):
        loss = self.rng.choice((0.0, 0.1))
        self.sim.network.everywhere(delay=0.002, spread=0.01, loss=loss)

    async def _leave(self, name, _):
        await self._command(self.sim.nodes[name].gossip.leave())

    async def _remove(self, name, other):
        await self._command(self.sim.nodes[name].gossip.remove(other))

    async def _insert(self, name, other):
        await self._command(self.sim.nodes[name].gossip.insert(at(other)))

    async def _meet(self, name, other):
        await self._command(self.sim.nodes[name].meet(at(other), timeout=2.0))

    async def _command(self, command):
        with trio.move_on_after(3):
            try:
                await command
            except ClusterError:
                return  # it cannot be done now, or takes effect later

    async def _read(self, name):
        reader = self.readers[name] = Reader(self.sim.nodes[name])
        await self.nursery.start(reader.read)

    def _calm_down(self):
        self.sim.heal()
        self.sim.network.everywhere()
        for name in self.names:
            for other in self.names:
                if name != other:
                    self.sim.network.wall(name, other, up=False)

    def _settled(self):
        nodes = self.sim.nodes
        return all(self._sees(node, nodes) for node in nodes.values())

    def _sees(self, node, nodes):
        """Whether a node knows of every member that it shares a ring with."""
        for member in node.members.all():
            peer = nodes.get(member.id)
            knows = peer is not None and node.name in peer.ring.weights()
            if peer is None or (peer.port != member.port and not knows):
                # One that was inserted, and has moved, cannot be found.
                if member.state not in ("dead", "left"):
                    return False
            elif (
                not knows
                or member.state != "alive"
                or self._keys(node, peer.name) != self._keys(peer, peer.name)
            ):
                return False
        return True

    def _keys(self, node, name):
        return {key: node.state.value(name, key) for key in node.state.keys(name)}
