"""A ledger of every message that nodes accept, deliver, answer and give up.

Talkers send numbered casts and calls to the `Sink` of a peer; the ledger sees
both ends, every life of every node, and all events. `judge` compares what it
saw with the contract: exactly once and in order while both processes live,
else at most once, and the living sender is told of all that may not have
arrived. It knows the contract and none of the rules that keep it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import trio

from clusterkit import GenServer, call, cast, later
from clusterkit.errors import CallTimeout, MailboxFull, NodeDown, OutboxFull
from clusterkit.events import Refused, Undelivered
from clusterkit.testing.sim import PORT

LARGE = 300 * 1024
"""Bytes of a large message at most."""


class Sink(GenServer):
    """Enters what reaches it into the ledger."""

    def __init__(self, ledger, name):
        self.ledger, self.at = ledger, name

    @cast
    async def take(self, line, number, load):
        self.ledger.delivered(line, number, self.at)

    @call
    async def ask(self, line, number, load):
        self.ledger.delivered(line, number, self.at)
        if self.ledger.sim.rng.random() < 0.7:
            return [line, number, load]
        # Some are answered later, when their calls have long been acknowledged.
        seconds = self.ledger.sim.rng.random()
        self.send_after(seconds, (self.caller, [line, number, load]))
        return later()

    async def handle_info(self, message):
        caller, answer = message
        caller.reply(answer)


@dataclass
class Line:
    """What one talker sent, in the order in which it did."""

    life: Life
    peer: str
    accepted: dict[int, str] = field(default_factory=dict)
    """Number → `cast`, or what became of the call."""
    refused: set[int] = field(default_factory=set)
    bound: dict[int, int] = field(default_factory=dict)
    """Number → the incarnation that no other can take its place for; see
    `Ledger._bound_for`."""


@dataclass
class Life:
    """One life of a node, as a sender."""

    name: str
    number: int
    undelivered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    scopes: list[trio.CancelScope] = field(default_factory=list)

    def scope(self):
        """Return a scope that ends with this life, as tasks of a process do."""
        self.scopes.append(trio.CancelScope())
        return self.scopes[-1]

    def end(self):
        for scope in self.scopes:
            scope.cancel()


class Ledger:
    """Everything that was said in one simulation."""

    def __init__(self, sim, nursery):
        self.sim, self.nursery = sim, nursery
        self.lines: list[Line] = []
        self.lives: dict[str, Life] = {}
        self.seen: list[list[int]] = []
        self.faults: list[str] = []
        self.outcomes: Counter[str] = Counter()
        self._numbers: Counter[str] = Counter()

    def actors(self, name):
        return {"sink": lambda: Sink(self, name)}

    async def start(self, name, **options):
        """Start a node whose events are entered."""
        await self.sim.start(name, actors=self.actors(name), **options)
        return self._begin(name)

    async def restart(self, name, *, silent=False):
        """Crash a node, if it runs, and start it again."""
        await self.crash(name, silent=silent)
        await self.sim.restart(name)
        return self._begin(name)

    async def crash(self, name, *, silent=False):
        if name in self.sim.nodes:
            self.lives[name].end()
            await self.sim.crash(name, silent=silent)

    def _begin(self, name):
        self._numbers[name] += 1
        life = self.lives[name] = Life(name, self._numbers[name])
        self.nursery.start_soon(self._watch, self.sim.nodes[name], life)
        return life

    async def _watch(self, node, life):
        with life.scope():
            async with node.events(Undelivered, Refused) as events:
                async for event in events:
                    if isinstance(event, Refused):
                        life.refused[event.peer] += event.n
                    elif event.actor == "sink":
                        life.undelivered[event.peer] += event.n

    async def talk(
        self, name, peer, count, *, calls=0.5, pause=0.002, timeout=30.0, large=0.02
    ):
        """Send `count` messages from a node to another, one after the other.

        Calls are not awaited before the next message is sent. `large` is the
        share of those with up to `LARGE` bytes.
        """
        life = self.lives[name]
        node = self.sim.nodes[name]
        self.lines.append(Line(life, peer))
        self.seen.append([])
        index = len(self.lines) - 1
        with life.scope():
            await self._say(node, index, count, calls, pause, timeout, large)

    async def _say(self, node, index, count, calls, pause, timeout, large):
        rng = self.sim.rng
        async with trio.open_nursery() as nursery:
            for number in range(count):
                load = b""
                if large and rng.random() < large:
                    load = bytes(rng.randrange(LARGE))
                if rng.random() < calls:
                    nursery.start_soon(self._ask, node, index, number, timeout, load)
                    # It is in the outbox before the next message is.
                    await self._accepted(index, number)
                else:
                    await self._cast(node, index, number, load)
                if rng.random() < 0.2:
                    await trio.sleep(rng.expovariate(1 / pause))

    async def _accepted(self, index, number):
        line = self.lines[index]
        while number not in line.accepted:
            await trio.lowlevel.checkpoint()

    async def _cast(self, node, index, number, load):
        line = self.lines[index]
        line.accepted[number] = "cast"
        line.bound[number] = self._bound_for(node, line.peer)
        try:
            await node.cast(
                f"sink@{line.peer}@{line.peer}:{PORT}", "take", index, number, load
            )
        except (MailboxFull, OutboxFull):
            del line.accepted[number]
            line.refused.add(number)

    async def _ask(self, node, index, number, timeout, load):
        line = self.lines[index]
        line.accepted[number] = "pending"
        try:
            answer = await node.call(
                f"sink@{line.peer}@{line.peer}:{PORT}",
                "ask",
                index,
                number,
                load,
                timeout=timeout,
            )
            assert answer == [index, number, load]
            line.accepted[number] = "answered"
        except NodeDown as error:
            line.accepted[number] = error.outcome
        except CallTimeout:
            line.accepted[number] = "timeout"
        self.outcomes[line.accepted[number]] += 1

    def delivered(self, index, number, name):
        line, seen = self.lines[index], self.seen[index]
        what = f"{line.life.name}/{line.life.number} line {index}: {number}"
        if name != line.peer:
            self.faults.append(f"{what} went astray to {name}")
        if number in line.refused:
            self.faults.append(f"{what} was refused, but delivered")
        if line.accepted.get(number) == "not sent":
            self.faults.append(f"{what} was said not to be sent")
        if seen and number <= seen[-1]:
            kind = "twice" if number in seen else "out of order"
            self.faults.append(f"{what} delivered {kind}, after {seen[-1]}")
        seen.append(number)

    async def settled(self, timeout=60.0):
        """Wait until no live node has anything unsent, unacked or pending."""
        with trio.fail_after(timeout):
            while not all(map(_is_quiet, self.sim.nodes.values())):
                await trio.sleep(0.05)
            await trio.sleep(2)  # notices of refusals come once per second

    def judge(self, *, lossless=False, given_up=False):
        """Raise if the contract was broken.

        Args:
            lossless: No process ended and no link was given up: nothing at
                all may be missing or reported.
            given_up: Links were given up: what is missing need not have been
                meant for a process that has ended.
        """
        missing: Counter[tuple[str, int, str]] = Counter()
        for index, line in enumerate(self.lines):
            seen = set(self.seen[index])
            for number, outcome in line.accepted.items():
                self._judge_one(line, number, outcome, number in seen)
                if outcome == "cast" and number not in seen:
                    missing[line.life.name, line.life.number, line.peer] += 1
                    if not given_up:
                        self._judge_missing(line, index, number)
        for life in self.lives.values():
            for peer in self.lives:
                told = life.undelivered[peer] + life.refused[peer]
                lost = missing[life.name, life.number, peer]
                if lost > told:
                    self.faults.append(
                        f"{life.name} -> {peer}: {lost} casts missing, {told} reported"
                    )
                if lossless and told:
                    self.faults.append(f"{life.name} was told of {told} to {peer}")
                if lossless and lost:
                    self.faults.append(f"{life.name} -> {peer}: {lost} lost")
        assert not self.faults, "\n".join(self.faults[:20])

    def _judge_missing(self, line, index, number):
        """Nothing may be missing that was meant for a process which still lives."""
        life, peer = self.lives[line.life.name], self.sim.nodes.get(line.peer)
        alive = peer is not None and peer.incarnation == line.bound[number]
        if life is line.life and alive and not life.refused[line.peer]:
            self.faults.append(f"{life.name} line {index}: {number} lost, both live")

    def _bound_for(self, node, peer):
        """Return which life of the peer is to get what is accepted now.

        The one that the sender knows; but what is accepted while there is no
        connection has no number yet and goes on to the one that runs now.
        """
        link, there = node.kernel.peers.get(peer), self.sim.nodes.get(peer)
        if there is not None and (link is None or link.connection is None):
            return there.incarnation
        return link.talk.incarnation if link else 0

    def _judge_one(self, line, number, outcome, seen):
        what = f"{line.life.name}/{line.life.number} to {line.peer}: call {number}"
        if outcome == "answered" and not seen:
            self.faults.append(f"{what} was answered, but never ran")
        if outcome == "not sent" and seen:
            self.faults.append(f"{what} ran, but was said not to be sent")
        if outcome == "timeout":
            self.faults.append(f"{what} waited for an answer that could not come")
        if outcome == "pending" and self.lives[line.life.name] is line.life:
            self.faults.append(f"{what} never ended")


def _is_quiet(node):
    return not node.statistics().pending_calls and all(
        link.outbox == link.unacked == 0 for link in node.kernel.links()
    )
