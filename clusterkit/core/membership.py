"""A node's membership in its ring, as a state machine without clock or wire.

`Membership` is what the gossip actor calls: operations, received messages and
the poll go in, effects come out. Sending, saving and waiting never will be
here. The invariant is that a call either raises and changes nothing, or returns
all that follows from it, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusterkit.config import DEFAULT_WEIGHT, TOMBSTONE_TTL
from clusterkit.core import ring_operations as operations
from clusterkit.core.merging import receive
from clusterkit.core.ring_state import Kind, RingState
from clusterkit.core.ring_step import Step
from clusterkit.core.ring_store import read_standing, write_standing
from clusterkit.core.standing import Standing
from clusterkit.errors import RingError
from clusterkit.names import NodeInfo, node_info

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from clusterkit.core.ring_effects import Effect
    from clusterkit.core.vector_clock import VectorClock
    from clusterkit.events import Cause

_SAVES_PER_TTL = 16
"""A file that nothing changes is saved anew this often, so that its age says
how long the node was down and not how long the ring was quiet."""


class Membership:
    """One node's part in a ring: who is a member, and how that changes.

    Members are a map of last-writer registers with logical stamps: concurrent
    inserts of different names both stand, a stale peer brings no removed name
    back, and all nodes agree on every outcome (a state-based CRDT; Shapiro et
    al., 2011). `meet` unites rings; `insert` moves one node.

    Each method that changes something returns the effects to carry out, in
    order; none means that nothing changed. No clock is read: `poll` is told the
    time, and only forgetting depends on it.

    Args:
        node: This node's name and the address that others are to use.
        incarnation: One per process life, higher each time.
        rng: Draws ring ids and tickets, and chooses peers.
        weight: What a node weighs that is inserted without a weight.
        fanout: How many members a change is told to.
        ttl: Seconds for which a removed name is remembered.
        now: Wall seconds.

    Raises:
        ConfigError: The node's name or address is not valid.
        RingError: The weight is not valid.
    """

    def __init__(
        self,
        node: NodeInfo | str,
        *,
        incarnation: int,
        rng: Random,
        weight: int = DEFAULT_WEIGHT,
        fanout: int = 2,
        ttl: float = TOMBSTONE_TTL,
        now: float = 0.0,
    ) -> None:
        self._standing = Standing(
            node_info(node),
            incarnation=incarnation,
            rng=rng,
            weight=operations.valid_weight(weight, weight),
            now=now,
        )
        self._fanout = fanout
        self._ttl = ttl
        self._saved_at = now

    @classmethod
    def restore(
        cls,
        saved: object,
        node: NodeInfo | str,
        *,
        rng: Random,
        now: float,
        weight: int = DEFAULT_WEIGHT,
        fanout: int = 2,
        ttl: float = TOMBSTONE_TTL,
    ) -> Membership:
        """Return the membership that was saved, in a new process life.

        Call `start` next. The incarnation is the wall clock in milliseconds,
        or one more than the saved one if that is higher.

        Args:
            saved: What `to_plain` returned.
            node: This node, perhaps at a new address.
            rng: As for the class; likewise the rest.
            now: Wall seconds.
            weight: As for the class.
            fanout: As for the class.
            ttl: As for the class.

        Raises:
            StateError: What was saved is not valid, or of another node, or
                older than `ttl`; the message says what to do.
        """
        made = cls(
            node,
            incarnation=0,
            rng=rng,
            weight=weight,
            fanout=fanout,
            ttl=ttl,
            now=now,
        )
        read_standing(saved, made._standing, ttl=ttl)
        return made

    def start(self) -> list[Effect]:
        """Begin, or take up where the last process life ended; once, first of all."""
        step, known = self._step("address"), self.state.entries
        self._standing.settle()
        step.spread(known)
        for ticket in self.owed:
            step.hand_over(ticket)
        return step.finish()

    def to_plain(self, now: float) -> dict[str, Any]:
        """Return what to save, as dicts, lists, text and integers.

        Args:
            now: Wall seconds.
        """
        self._saved_at = now
        return write_standing(self._standing, now)

    @property
    def name(self) -> str:
        """This node's name."""
        return self._standing.name

    @property
    def node(self) -> NodeInfo:
        """This node."""
        return self._standing.node

    @property
    def incarnation(self) -> int:
        """Of this process life."""
        return self._standing.incarnation

    def outgrow(self, incarnation: int) -> None:
        """Take a higher incarnation: peers know of a later life than this.

        Before anything was sent. A lower one is ignored.
        """
        if incarnation > self._standing.incarnation:
            self._standing.incarnation = incarnation
            self._standing.unsaved = True

    @property
    def state(self) -> RingState:
        """What is known of the ring."""
        return self._standing.state

    @property
    def clock(self) -> VectorClock:
        """Which operations of which node the state contains."""
        return self._standing.state.clock

    @property
    def members(self) -> Mapping[NodeInfo, int]:
        """All members and their weights, by name, this node among them."""
        return self._standing.state.entries.members

    @property
    def others(self) -> list[str]:
        """The names of the other members."""
        return self._standing.others

    @property
    def owed(self) -> tuple[int, ...]:
        """Tickets of what no member of a ring left has taken over yet."""
        return tuple(self._standing.owed)

    @property
    def parted(self) -> frozenset[int]:
        """The ids of rings that this node has left, or was removed from, of late."""
        return frozenset(self._standing.left)

    @property
    def alone(self) -> bool:
        """Whether nobody else is a member."""
        return self._standing.alone

    @property
    def hash(self) -> int:
        """Eight bytes that are equal where, and nearly only where, all of the ring is."""
        return self._standing.hash

    def lists(self, name: str) -> bool:
        """Whether `name` is a member."""
        return self._standing.state.entries.lists(name)

    def find(self, name: str) -> NodeInfo | None:
        """Return where `name` listens, or did when it was removed."""
        entry = self._standing.state.entries.get(name)
        return None if entry is None else entry.node(name)

    def insert(self, node: NodeInfo | str, weight: int | None = None) -> list[Effect]:
        """Make `node` a member of this ring; it leaves its own if it has one.

        Nothing if it is present at this address.

        Args:
            node: The node, or `id@host:port`.
            weight: Its share of the keys; by default that of the class.

        Raises:
            ConfigError: The node is not valid.
            RingError: It is present at another address, or the weight is not an
                integer from 1 to 65,536, or the ring is full.

        Guarantees:
            Inserts of different names by different nodes all stand. Against a
            concurrent remove of the name the higher Lamport time wins, at a tie
            the insert, and all nodes agree. A name not yet known here to have
            left is present, so inserting it changes nothing.
        """
        return self.minsert([node], weight)

    def minsert(
        self, nodes: Iterable[NodeInfo | str], weight: int | None = None
    ) -> list[Effect]:
        """Insert several nodes in one operation.

        Those present, this node among them, are left as they are.

        Raises:
            ConfigError: As `insert`, of any of them; then none is inserted.
            RingError: Likewise.
        """
        step = self._step("insert")
        operations.insert(step, nodes, weight)
        return step.finish()

    def update(self, node: NodeInfo | str, weight: int | None = None) -> list[Effect]:
        """Change the weight or address of a member; insert one that is absent.

        Args:
            node: The node, with its new address, or `id@host:port`.
            weight: Its new weight; by default it is unchanged.

        Raises:
            ConfigError: The node is not valid.
            RingError: The weight is not valid, or it is this node at an address
                that is not its own.

        Guarantees:
            Against a concurrent remove the node is removed.
        """
        step = self._step("update")
        operations.update(step, node, weight)
        return step.finish()

    def remove(self, name: str) -> list[Effect]:
        """Remove a member and tell it; nothing if it is absent.

        Raises:
            ConfigError: The name is not valid.
            RingError: It is this node.

        Guarantees:
            For as long as a removed name is remembered, only an insert or a
            meeting that comes after brings it back, no stale peer.
        """
        if name == self.name:
            raise RingError(f"{name} is the node spoken to: use leave")
        return self.mremove([name])

    def mremove(self, names: Iterable[str]) -> list[Effect]:
        """Remove several members in one operation, never this node.

        Raises:
            ConfigError: A name is not valid.
        """
        step = self._step("remove")
        operations.remove(step, names)
        return step.finish()

    def leave(self) -> list[Effect]:
        """Leave the ring; this node is alone in a new one, at once.

        Nothing if it is alone, but meetings under way are called off.

        Guarantees:
            Members whom the `HandOver` does not reach learn it when they next
            speak to this node, for as long as removals are remembered.
        """
        step = self._step("leave")
        operations.leave(step)
        return step.finish()

    def meet(self, peer: str) -> list[Effect]:
        """Ask a node to become one ring with this one.

        Nothing if it is a member already. The two are in one ring as soon as
        `lists(peer)`; until then it may be asked again.

        Args:
            peer: The name of a node to which there is a link.
        """
        step = self._step("join")
        operations.meet(step, peer)
        return step.finish()

    def move(self, node: NodeInfo | str) -> list[Effect]:
        """Say that this node listens at another address now.

        Raises:
            ConfigError: The node is not valid.
            RingError: It is not this node.
        """
        step = self._step("address")
        operations.move(step, node)
        return step.finish()

    def receive(self, sender: str, message: object) -> list[Effect]:
        """Take a message of the ring's gossip.

        Args:
            sender: The node that the link authenticated.
            message: What its `Send` or `HandOver` held, as it came in.

        Returns:
            The effects; `Dropped` says what was not valid. No message makes
            this raise.
        """
        step = self._step("merge")
        receive(step, sender, message)
        return step.finish()

    def poll(self, now: float) -> list[Effect]:
        """Forget what is old and send a digest to a random member.

        Args:
            now: Wall seconds. Call it once per gossip interval.
        """
        step = self._expire(now)
        if self.others:
            step.send_digest(self._standing.rng.choice(self.others), Kind.DIGEST)
        return step.finish()

    def greet(self, peer: str) -> list[Effect]:
        """Send a digest to `peer`, if it is a member: the link to it is up."""
        step = self._step("merge")
        if peer != self.name and self.lists(peer):
            step.send_digest(peer, Kind.DIGEST)
        return step.finish()

    def expire(self, now: float) -> list[Effect]:
        """Forget removals older than the time they are remembered for.

        Args:
            now: Wall seconds.
        """
        return self._expire(now).finish()

    def _expire(self, now: float) -> Step:
        step = self._step("merge")
        self._standing.forget(now, self._ttl)
        if now - self._saved_at >= self._ttl / _SAVES_PER_TTL:
            self._standing.unsaved = True
        return step

    def _step(self, cause: Cause) -> Step:
        return Step(self._standing, fanout=self._fanout, ttl=self._ttl, cause=cause)
