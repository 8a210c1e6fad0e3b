"""Carrying out what the ring's state machine asks for, in order.

One task works through the effects of one step after the other: save, tell,
send, close links. A step whose change cannot be saved is held back with all
that follows, and whoever ordered it is told; saving is tried again with every
step, and every second. So whatever a peer or a subscriber hears from this node
survives its crash.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.cluster.handing_over import HandingOver
from clusterkit.cluster.ring_job import Job
from clusterkit.cluster.ring_post import RingPost
from clusterkit.core import HashRing, ring_effects as effects
from clusterkit.errors import StateError
from clusterkit.events import Left, Removed, RingChanged, RingConflict, RingEntry
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from clusterkit.cluster.neighbourhood import Neighbourhood
    from clusterkit.cluster.process_hooks import ProcessHooks
    from clusterkit.cluster.ring_file import RingFile
    from clusterkit.config import Config
    from clusterkit.core.membership import Membership
    from clusterkit.core.registers import Entry
    from clusterkit.events import Event
    from clusterkit.names import NodeInfo
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.link import Link

logger = logging.getLogger("clusterkit.cluster")

SAVE_AGAIN: Final = 1.0
"""Seconds until what could not be saved is tried again without a new step."""

HELD: Final = 100
"""Steps held back while nothing can be saved, beside those that close links or
hand something over. Of more, the oldest changes are told as one with the next."""


class RingWork:
    """Works through jobs.

    Args:
        membership: The state machine; read for what to save.
        kernel: Its links follow the membership.
        neighbourhood: Keeps the links to members.
        config: Bounds and times.
        ring: The hash ring of the members so far.
        file: Where the state is kept, None for nowhere.
        hooks: Run after each change.
        notify: Publishes an event.
        wall_clock: Seconds since 1970.

    Attributes:
        name: Of the ring, "" while this node is in none.
        ring: The members as a hash ring, as of the last `RingChanged`.
        polls: Whether members may be asked what is new: the ring was announced.
        dropped: What was ignored, by kind; `unsent` and `failed` are our own.
    """

    def __init__(
        self,
        membership: Membership,
        kernel: Kernel,
        neighbourhood: Neighbourhood,
        config: Config,
        *,
        name: str,
        ring: HashRing,
        file: RingFile | None,
        hooks: ProcessHooks,
        notify: Callable[[Event], None],
        wall_clock: Callable[[], float],
    ) -> None:
        self.name = name
        self.ring = ring
        self.polls = False
        self.dropped: Counter[str] = Counter()
        self.neighbourhood = neighbourhood
        self._members: Mapping[NodeInfo, int] | None = None
        self._current = ring
        self._membership = membership
        self._kernel = kernel
        self._post = RingPost(kernel, membership, self.dropped)
        self._handing = HandingOver(membership, kernel, self._say)
        self._config = config
        self._file = file
        self._hooks = hooks
        self._notify = notify
        self._wall_clock = wall_clock
        self._jobs: deque[Job] = deque()
        self._held: deque[Job] = deque()
        self._arrived = trio.lowlevel.ParkingLot()
        self._unsaved = False
        self._failing = False
        self._table: dict[type, Callable[[Any, Job], None]] = {
            effects.Send: self._send,
            effects.HandedOver: self._handed_over,
            effects.Changed: self._changed,
            effects.Conflict: self._conflict,
            effects.LeftRing: self._left,
            effects.RemovedFromRing: self._removed,
            effects.CloseLinks: self._close_links,
            effects.Dropped: self._drop,
        }

    def __repr__(self) -> str:
        return f"<RingWork {self.name or '(no ring)'} jobs={len(self._jobs)}>"

    def current_ring(self) -> HashRing:
        """Return the members as a hash ring, as they are now; the same one each time.

        Unlike `ring`, it has changes that could not be saved yet.
        """
        members = self._membership.members
        if members is not self._members:
            self._current = apply(self._current, members)
            self._members = members
        return self._current

    def submit(self, todo: list[effects.Effect], *, force: bool = False) -> Job:
        """Queue the effects of one step; a cancelled waiter stops nothing.

        A step without any is done when what came before is.
        """
        job = Job(todo, force=force)
        self._jobs.append(job)
        self._arrived.unpark()
        return job

    async def caught_up(self) -> None:
        """Wait until everything submitted so far is saved and carried out.

        Raises:
            StateError: It could not be saved.
        """
        job = self.submit([])
        await job.done.wait()
        if job.error is not None:
            raise job.error

    async def run(self) -> None:
        """Work until cancelled; an effect that fails is logged, and not fatal."""
        while True:
            job = await self._next_job()
            if not await self._save(job):
                self._hold(job)
                continue
            while self._held:
                self._carry_out(self._held.popleft())
            self._carry_out(job)

    async def save(self) -> None:
        """Write the state file now.

        Raises:
            StateError: The disk refused.
        """
        if self._file is not None:
            plain = self._membership.to_plain(self._wall_clock())
            await self._file.save(self.name, plain)

    async def _next_job(self) -> Job:
        """Wait for a job; after a save that failed, at last return an empty one."""
        if self._jobs:
            return self._jobs.popleft()
        if not self._unsaved:
            await self._arrived.park()
        else:
            with trio.move_on_after(SAVE_AGAIN):
                await self._arrived.park()
        return self._jobs.popleft() if self._jobs else Job([], force=False)

    async def _save(self, job: Job) -> bool:
        """Save if the job needs it; say whether it may go on."""
        if job.todo and isinstance(job.todo[0], effects.Persist):
            job.todo.popleft()
            self._unsaved = True
        if not self._unsaved:
            return True
        job.error = await self._failure_to_save()
        failing, self._failing = self._failing, job.error is not None
        self._unsaved = self._failing
        if self._failing and not failing:  # and not once a second
            log(logger, logging.ERROR, "state_not_saved", error=job.error)
        elif failing and not self._failing:
            log(logger, logging.INFO, "state_saved_again")
        return not self._failing

    async def _failure_to_save(self) -> StateError | None:
        try:
            await self.save()
        except StateError as error:
            return error
        except Exception as error:  # a defect, which must not end the node
            logger.exception("saving raised")
            return StateError(f"the state could not be saved: {error!r}")
        return None

    def _hold(self, job: Job) -> None:
        """Keep what has to be done once the state is saved.

        Messages are not kept: gossip says again what was not said, and nobody
        would read those of an hour.
        """
        for effect in job.todo:
            if isinstance(effect, effects.Dropped):
                self._drop(effect, job)
        job.todo = deque(
            effect
            for effect in job.todo
            if not isinstance(effect, effects.Send | effects.Dropped)
        )
        if job.todo:
            self._held.append(job)
        if len(self._held) > HELD:
            old = next((job for job in self._held if job.only_tells), None)
            if old is not None:
                self._held.remove(old)
        job.release()

    def _carry_out(self, job: Job) -> None:
        """Do what is left of a job; a hand-over goes on beside the next ones."""
        while job.todo:
            effect = job.todo.popleft()
            if isinstance(effect, effects.HandOver):
                self._kernel.spawn(self._hand_over, effect, job)
                job.taken.set()
                return
            with self._barrier(effect):
                self._table[type(effect)](effect, job)
        if job.leaves:
            log(logger, logging.INFO, "left_ring", told=job.told)
            self._notify(Left(job.told))
        job.release()

    @contextmanager
    def _barrier(self, effect: effects.Effect) -> Iterator[None]:
        """Log and count what an effect raises: it must not end the node."""
        try:
            yield
        except Exception:  # logged below; whatever it is, the node must live on
            self.dropped["failed"] += 1
            kind = type(effect).__name__
            log(logger, logging.ERROR, "ring_effect_failed", effect=kind)
            logger.exception("the effect raised")

    async def _hand_over(self, effect: effects.HandOver, job: Job) -> None:
        """Have somebody take it over, however long; a job waits for one round."""

        def go_on(told: str | None) -> None:
            job.told = told
            self._carry_out(job)

        with self._barrier(effect):
            await self._handing.hand_over(effect, go_on)
        job.release()

    def _handed_over(self, effect: effects.HandedOver, job: Job) -> None:
        self._handing.taken(effect.ticket, effect.by)

    def _send(self, effect: effects.Send, job: Job) -> None:
        self._say(effect.to, effect.message)

    def _say(self, to: str, message: tuple[Any, ...]) -> bool:
        return self._post.send(self.name, to, message)

    def _changed(self, effect: effects.Changed, job: Job) -> None:
        old, is_latest = self.ring, effect.new is self._membership.members
        self.ring = self.current_ring() if is_latest else apply(old, effect.new)
        self.neighbourhood.tend(effect.new)
        log(
            logger,
            logging.INFO,
            "ring_changed",
            cause=effect.cause,
            members=",".join(sorted(node.id for node in effect.new)),
        )
        self._notify(RingChanged(old, self.ring, effect.cause))
        self._hooks.put(old, self.ring)

    def _conflict(self, effect: effects.Conflict, job: Job) -> None:
        log(
            logger,
            logging.WARNING,
            "ring_conflict",
            peer=effect.peer,
            member=effect.name,
        )
        ours, theirs = (_shown(effect.name, e) for e in (effect.ours, effect.theirs))
        self._notify(RingConflict(effect.peer, ours, theirs, effect.name))

    def _left(self, effect: effects.LeftRing, job: Job) -> None:
        job.leaves = True  # told at its end, when it is known who was told

    def _removed(self, effect: effects.RemovedFromRing, job: Job) -> None:
        log(logger, logging.WARNING, "removed_from_ring", by=effect.by)
        self._notify(Removed(effect.by))

    def _close_links(self, effect: effects.CloseLinks, job: Job) -> None:
        for name in effect.peers:
            self._kernel.forget(name)
            link = self._kernel.peers.get(name)
            if link is None:
                continue
            link.pinned = False
            if job.force:
                self._kernel.drop(link, "not a member")
            else:
                self._kernel.spawn(self._part_from, link)

    async def _part_from(self, link: Link) -> None:
        """Close the link to a node that is no member, when all is said."""
        with trio.move_on_after(self._config.drain_timeout):
            # Answers come in their own time: there is no one event for the last.
            while link.interest or link.open_calls:  # noqa: ASYNC110
                await trio.sleep(self._config.ack_delay)
            if not self._needs(link):
                await link.drain()
        if not self._needs(link):
            self._kernel.drop(link, "not a member")

    def _needs(self, link: Link) -> bool:
        """Whether a link is to stay: to a member, or because somebody asked."""
        return link.pinned or self._membership.lists(link.name)

    def _drop(self, effect: effects.Dropped, job: Job) -> None:
        self.dropped[effect.what] += effect.count


def _shown(name: str, entry: Entry) -> RingEntry:
    node = entry.node(name) if entry.present else None
    return RingEntry(node, entry.record.weight)


def apply(ring: HashRing, members: Mapping[NodeInfo, int]) -> HashRing:
    """Return `ring` with exactly these members and weights.

    By differences from the ring that is there, so that its sorted positions
    are spliced instead of sorted anew; unless most are new, since each of them
    would be a ring of its own on the way.
    """
    if 2 * ring.number_nodes() < len(members):
        return HashRing.of(members, ring.rfactor, ring.pfactor)
    for node in ring.nodes():
        if node not in members:
            ring = ring.remove(node)
    for node, weight in members.items():
        if ring.weight(node.id) != weight:
            ring = ring.update(node, weight)
    return ring
