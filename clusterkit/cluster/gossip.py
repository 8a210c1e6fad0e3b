"""GossipRing: which nodes are in the ring, agreed on by gossip.

What a member is, and who may say so, is decided by `core.membership`, a pure
state machine. This actor brings it messages, commands and the time;
`ring_work` carries out what it asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from clusterkit.cluster.hearing import Hearing
from clusterkit.cluster.options import checked_seeds
from clusterkit.cluster.ring_job import saved
from clusterkit.core.ring_input import check_number
from clusterkit.errors import AlreadyInRing, ConfigError, NotInRing
from clusterkit.events import LinkUp
from clusterkit.names import check_name, check_timeout, node_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.platform import Platform
    from clusterkit.cluster.process_hooks import Hook, ProcessHooks
    from clusterkit.cluster.ring_job import Job
    from clusterkit.cluster.ring_work import RingWork
    from clusterkit.core import HashRing, VectorClock
    from clusterkit.core.membership import Membership
    from clusterkit.core.ring_effects import Effect
    from clusterkit.names import NodeInfo


class GossipRing(Hearing):
    """The ring of one node: its members, and the commands that change them.

    An actor, registered under the ring's name; the methods below are for the
    program that runs the node. Each that changes the ring returns whether it
    did, after the change is saved (if there is a state file) and applied here;
    other nodes learn it by gossip, within a few rounds.

    Args:
        membership: The state machine.
        work: Carries out its effects.
        hooks: Run after each change.
        runtime: The node's actors.
        platform: Dice and the clock on the wall.

    Cancellation:
        A cancelled command may still take effect.
    """

    def __init__(
        self,
        membership: Membership,
        work: RingWork,
        hooks: ProcessHooks,
        runtime: Runtime,
        platform: Platform,
    ) -> None:
        super().__init__(membership, work, runtime)
        self._hooks = hooks
        self._config = runtime.config
        self._platform = platform
        self._turn = trio.Lock()

    def __repr__(self) -> str:
        return f"<GossipRing {self.name or '(no ring)'} {self.ring!r}>"

    @property
    def ring(self) -> HashRing:
        """The members as a hash ring, as they are now."""
        return self._work.current_ring()

    @property
    def clock(self) -> VectorClock:
        """Which operations of which node the ring's state contains."""
        return self._membership.clock

    @property
    def ignored(self) -> dict[str, int]:
        """Gossip that was ignored, by reason: foreign, invalid, full, stale.

        `unsent` is what could not be encoded, and `failed` what went wrong here
        in carrying a change out; the log has both.
        """
        return dict(self._work.dropped)

    @property
    def seeking(self) -> tuple[NodeInfo, ...]:
        """Seeds that have not been met yet."""
        return tuple(self._meetings.seeking)

    async def init(self) -> None:
        """Announce this life of the node; from now on it polls."""
        await self._done(self._work.submit(self._membership.start()))
        self._work.neighbourhood.tend(self._membership.members)
        self._work.polls = True

    async def join(self, ring: str) -> bool:
        """Belong to a ring of this name, alone for now; then `meet` a member.

        Args:
            ring: Its name.

        Raises:
            AlreadyInRing: This node belongs to one.
            NameTaken: An actor of this node has the name.
            ConfigError: The name is not valid.
        """
        self._runtime.thread.require()
        if self.name:
            raise AlreadyInRing(f"Node already belongs to ring '{self.name}'")
        check_name(ring, "ring name")
        self._forgiven = self._membership.parted
        return await self._done(self._work.submit(self._belong(ring)))

    async def meet(self, address: NodeInfo | str, *, timeout: float = 5.0) -> bool:
        """Become one ring with the ring of another node.

        Transitive: all members of both rings are in the united one.

        Args:
            address: The node, as `id@host:port`.
            timeout: Seconds for all of it.

        Returns:
            True; False if it is a member at this address already.

        Raises:
            RingError: It is a member at another address, or this node itself.
            NotInRing: This node belongs to no ring; `join` one.
            NodeDown: It was not reached.
            WrongCookie, WrongRing, WrongNode, VersionRefused, TlsRefused,
            NameTaken: It refuses.
            CallTimeout: It was reached, but did not answer in time.
            ConfigError: The address or the timeout is not valid.
        """
        self._check_in_ring()
        check_timeout(timeout)
        return await self._meetings.meet(node_info(address), timeout)

    def seek(self, seeds: Iterable[NodeInfo | str]) -> None:
        """Meet each of `seeds`, however long it takes.

        One that knows another live node of our name ends the node.

        Raises:
            ConfigError: One is not `name@host:port`; then none is sought.
        """
        self._runtime.thread.require()
        self._meetings.seek(checked_seeds(seeds))

    async def insert(
        self, node: NodeInfo | str, weight: int | None = None, *, force: bool = False
    ) -> bool:
        """Make a node a member. Not transitive: it leaves a ring it is in.

        Args:
            node: The node, as `id@host:port`; it need not run yet.
            weight: Its ring positions; `rfactor` by default.
            force: Do not wait for hooks of earlier changes.

        Raises:
            RingError: It is a member at another address, or the weight is not
                a positive integer.
            NotInRing: This node belongs to no ring.
            StateError: The change could not be saved. It stands all the same:
                `ring` has it, and it is told to hooks, subscribers and other
                nodes as soon as it can be saved, which is tried once a second;
                it is lost if the process ends before.
        """
        return await self._mutate(
            lambda: self._membership.insert(node, weight), force=force
        )

    async def minsert(
        self,
        nodes: Iterable[NodeInfo | str],
        weight: int | None = None,
        *,
        force: bool = False,
    ) -> bool:
        """Insert several nodes at once; this one among them is skipped.

        Args:
            nodes: The nodes; members are left as they are.
            weight: Of each, as for `insert`, which has the errors too; if one
                node has one, none is inserted.
            force: Likewise.

        Cancellation:
            The change may still take effect.
        """
        return await self._mutate(
            lambda: self._membership.minsert(nodes, weight), force=force
        )

    async def update(
        self, node: NodeInfo | str, weight: int | None = None, *, force: bool = False
    ) -> bool:
        """Change a member's weight or address; insert it if it is absent.

        Args:
            node: The node, with the address it has or is to have.
            weight: Its ring positions; unchanged by default.
            force: As for `insert`, which has the errors too.
        """
        return await self._mutate(
            lambda: self._membership.update(node, weight), force=force
        )

    async def remove(self, id: str, *, force: bool = False) -> bool:
        """Remove a member; it is told, and is alone then.

        Args:
            id: Its name.
            force: Do not wait for hooks, and close the link at once, without
                sending what is queued.

        Raises:
            RingError: It is this node: `leave`.
            NotInRing: This node belongs to no ring.
            StateError: It could not be saved yet; as for `insert`.
        """
        return await self._mutate(lambda: self._membership.remove(id), force=force)

    async def mremove(self, ids: Iterable[str], *, force: bool = False) -> bool:
        """Remove several members at once; this node among them is skipped.

        Args:
            ids: Their names; unknown ones are ignored.
            force: As for `remove`, which has the errors too.

        Cancellation:
            The change may still take effect.
        """
        return await self._mutate(lambda: self._membership.mremove(ids), force=force)

    async def leave(self, *, force: bool = False) -> bool:
        """Leave the ring; `join` and `meet` lead back.

        Returns when a member has acknowledged it, or none could be reached;
        the `Left` event says which.

        Args:
            force: Do not wait for hooks, and close links at once.

        Raises:
            NotInRing: This node belongs to no ring.
        """
        return await self._mutate(self._depart, force=force)

    def find(self, key: str | bytes, n: int | None = None) -> tuple[NodeInfo, ...]:
        """Return the owner of a key and the owner's neighbours.

        The set is fixed per owner: all its keys have the same one.

        Args:
            key: Any.
            n: How many; `pfactor` + 1 by default, less in a small ring.

        Raises:
            ValueError: `n` is below 1.
        """
        ring = self.ring
        n = ring.pfactor + 1 if n is None else n
        check_number(n)
        owner = ring.find(key)
        return (owner, *ring.next(owner.id, n - 1)) if n > 1 else (owner,)

    def range(self, key: str | bytes, n: int | None = None) -> tuple[NodeInfo, ...]:
        """Return the nodes that own a key, each key having a set of its own.

        Args:
            key: Any; text counts as UTF-8.
            n: How many; as for `find`, which has the error, too.
        """
        return self.ring.range_next(key, n)

    def next(self, id: str, n: int | None = None) -> tuple[NodeInfo, ...]:
        """Return the members that follow `id` on the ring.

        Args:
            id: A member's name; of another there are none.
            n: How many; `pfactor` by default, less in a small ring.

        Raises:
            ValueError: `n` is below 1.
        """
        return self.ring.next(id, n)

    def prev(self, id: str, n: int | None = None) -> tuple[NodeInfo, ...]:
        """Return the members that precede `id` on the ring; as for `next`."""
        return self.ring.prev(id, n)

    def select_random(self, n: int = 1) -> tuple[str, ...]:
        """Return the names of up to `n` other members, at random.

        Raises:
            ValueError: `n` is not an integer of at least 1.
        """
        check_number(n)
        others = self._membership.others
        return tuple(self._platform.rng.sample(others, min(n, len(others))))

    def on_process(self, hook: Hook) -> Hook:
        """Run `hook(old, new)`, async or not, after each change of the ring.

        Mutations wait while it runs, unless forced or its own: those of its
        task and of tasks that it has started. One that it asks an actor for is
        the actor's, and would wait for the hook that waits for it.

        Raises:
            ConfigError: It is no function.
        """
        if not callable(hook):
            raise ConfigError(f"a hook is a function of two rings, not {hook!r:.100}")
        self._hooks.add(hook)
        return hook

    async def handle_info(self, message: Any) -> None:
        """Greet a member whose link has come up."""
        if isinstance(message, LinkUp):
            self._membership.outgrow(self._runtime.kernel.me.incarnation)
            self._work.submit(self._membership.greet(message.peer))

    async def _mutate(
        self, operation: Callable[[], list[Effect]], *, force: bool
    ) -> bool:
        """Carry out a command in its turn, or at once if it is forced."""
        self._check_in_ring()
        if force or self._hooks.inside:
            return await self._done(self._work.submit(operation(), force=force))
        async with self._turn:
            await self._hooks.idle()
            self._check_in_ring()
            job = self._work.submit(operation())
            # Until then no hook knows of it, and the next would overtake.
            await job.taken.wait()
        return await self._done(job)

    async def _done(self, job: Job) -> bool:
        await job.done.wait()
        if job.error is not None:
            raise job.error
        return job.changes

    def _depart(self) -> list[Effect]:
        todo = self._membership.leave()
        self._runtime.registry.unalias(self.name)
        self._work.name = ""
        return saved(todo)

    def _belong(self, ring: str) -> list[Effect]:
        self._runtime.registry.alias(ring, self._process)
        self._work.name = ring
        return saved([])

    def _check_in_ring(self) -> None:
        self._runtime.thread.require()
        if not self.name:
            raise NotInRing("this node belongs to no ring; join one first")
