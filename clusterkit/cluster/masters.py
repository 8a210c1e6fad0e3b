"""Master election: so many of the members are masters, and all know which.

What nodes say of themselves is an announcement, so it ends with them; who is chosen
is decided by `core.election`, by each for itself.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.core.election import (
    MOST_COUNTER,
    MOST_REQUIRED,
    Candidate,
    Epoch,
    epochs,
    is_due,
    is_superseded,
    read_candidate,
    read_epoch,
)
from clusterkit.errors import ClusterError, ConfigError, NodeDown
from clusterkit.events import Demotion, MasterDown, MasterUp, Promotion
from clusterkit.logs import Seldom, log
from clusterkit.names import check_timeout

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.announcing import Announcements

__all__ = ["Epoch", "Masters"]

logger = logging.getLogger("clusterkit.cluster")

KEY: Final = "_master"

PATIENCE: Final = 1.0
"""Seconds for which masters must have been wanting before one is chosen."""

SITS_OUT: Final = 5.0
"""Seconds for which one that was demoted is not chosen, unless it is asked to be."""

LOOKS_AGAIN: Final = 0.25
"""Seconds after which one that is next looks again whether it knows its ring."""


class Masters:
    """The masters of a cluster, as one node sees them; `node.masters`.

    Guarantees:
        Epochs are unique. A later master has a greater one, as far as those that
        were masters before it are known to it, or clocks are right. Nodes that see
        each other come to agree; while a partition lasts, each side has masters of
        its own, of which the earlier ones are demoted when it ends. Work that must
        not be done by two needs `accepts`, or a quorum.

    Args:
        announcements: What candidates say.
        runtime: Publishes events; knows this node.
        clock: The time of day, in ms: counters are not below it, so that they go on
            where nobody remembers the last.
        is_settled: Whether the node knows its ring. Until then it is not chosen:
            who is alone for having just begun would be overruling its masters.
    """

    def __init__(
        self,
        announcements: Announcements,
        runtime: Runtime,
        clock: Callable[[], int],
        is_settled: Callable[[], bool],
    ) -> None:
        self._announcements = announcements
        self._runtime = runtime
        self._clock = clock
        self._is_settled = is_settled
        self._candidates: dict[str, Candidate] = {}
        self._masters: tuple[Epoch, ...] = ()
        self._highest = 0
        self._met: set[Epoch] = set()  # in messages, and not heard of otherwise
        self._patience = PATIENCE
        self._over = False
        self._own: Candidate | None = None
        self._waiting: trio.CancelScope | None = None
        self._resting: trio.CancelScope | None = None
        self._disagreeing = Seldom(runtime.now, silence=60.0)
        announcements.follow(KEY, self._follow)

    def __repr__(self) -> str:
        return f"<Masters {list(self._masters)} of {self.required}>"

    # What is known.

    @property
    def required(self) -> int:
        """How many masters there are to be; a node that is no candidate is told."""
        if self._own is not None:
            return self._own.required
        return max((c.required for c in self._candidates.values()), default=1)

    @property
    def epoch(self) -> Epoch | None:
        """Since when this node is a master, None if it is not."""
        own = self._own
        if own is None or not own.counter:
            return None
        return Epoch(own.counter, self._runtime.name)

    @property
    def is_master(self) -> bool:
        """Whether this node is a master, as far as is known here."""
        return self.epoch is not None

    def all(self) -> tuple[Epoch, ...]:
        """Return the epochs of all masters, the latest first; each has its name."""
        return self._masters

    def accepts(self, epoch: object) -> bool:
        """Say whether a message that was sent with an epoch is to be heeded.

        It is if that is a master's, or a living member's and later than all that are
        known here, which then is known. What a master sent before it was overruled
        is not, even if that comes after a message of the one by which it was.

        Args:
            epoch: What came with it, as `(counter, name)` or a list of the two. What
                is no epoch is not heeded.
        """
        epoch = read_epoch(epoch)
        if epoch is None:
            return False
        most = self.required or MOST_REQUIRED
        met = {known for known in (*self._met, epoch) if self._may_be(known)}
        latest = sorted({*self._masters, *met}, reverse=True)
        self._met = set(latest[:most]) & met
        return epoch in latest[:most]

    def _may_be(self, epoch: Epoch) -> bool:
        """Say whether an epoch that only a message told of may be a master's."""
        if epoch.counter <= self._highest or epoch.name == self._runtime.name:
            return False  # its own are known here
        return self._announcements.is_there(epoch.name)

    # What this node does.

    def stand(
        self,
        *,
        weight: float = 1.0,
        required: int = 1,
        eligible: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        """Be a candidate, or be one otherwise. A node that is none only watches.

        Args:
            weight: Who has more is chosen first; at a tie the greater name. A master
                stays one though somebody with more weight comes.
            required: How many masters there are to be, the same for all. 0: none is
                chosen, and those that are asked to be are.
            eligible: Whether this node may be chosen.
            patience: Seconds for which masters must have been wanting; finite, for
                others wait for whoever is next.

        Raises:
            ConfigError: A value is impossible, and nothing is changed.
            NodeDown: This node ends.
            MessageTooLarge: There is no room for it in what the node says of itself.
        """
        self._require()
        if type(required) is not int or not 0 <= required <= MOST_REQUIRED:
            raise ConfigError(
                f"required is 0 to {MOST_REQUIRED}, not {required!r:.100}"
            )
        check_timeout(patience)
        if patience == inf or type(eligible) is not bool:
            raise ConfigError(
                "patience is finite, eligible true or false: who is not to be chosen "
                "stands with eligible=False"
            )
        counter = 0 if self._own is None else self._own.counter
        own = Candidate(_weight(weight), eligible, counter, required, 0)
        if patience != self._patience:
            self._patience = patience
            self._stop_waiting()
        self._rest(None)
        self._say(own)

    def retire(self) -> None:
        """Be a candidate, and a master, no more."""
        self._runtime.thread.require()
        self._retire("asked")

    def end(self) -> None:
        """Retire for good, as the node ends; `shutdown` does."""
        self._over = True
        self._retire("ending")

    def _retire(self, reason: str) -> None:
        self._rest(None)
        self._step_down(reason, eligible=False)
        self._own = None
        self._announcements.withdraw(KEY)

    def promote(self) -> Epoch:
        """Be a master from now on, eligible or not, and be eligible from now on.

        If there are too many, the earliest is demoted.

        Returns:
            Since when it is one: still the same, if it is the latest.

        Raises:
            ConfigError: This node is no candidate.
            NodeDown: It ends.
        """
        self._require()
        own, epoch = self._candidate(), self.epoch
        if epoch is not None and epoch.counter >= self._highest:
            return epoch
        self._rest(None)
        # At the highest of all, which takes a peer that lies, names still decide.
        counter = min(max(self._highest + 1, self._clock()), MOST_COUNTER)
        epoch = Epoch(counter, self._runtime.name)
        self._own = own._replace(counter=counter, eligible=True)
        log(logger, logging.INFO, "promotion", epoch=epoch.counter)
        self._runtime.notify(Promotion(epoch))
        self._say(self._own)
        return epoch

    def demote(self, *, permanent: bool = False) -> bool:
        """Be a master no more, so that another is.

        Args:
            permanent: Whether this node is not eligible any more; else it may be
                chosen again, after five seconds.

        Returns:
            Whether it was one.

        Raises:
            ConfigError: This node is no candidate.
            NodeDown: It ends, and is a master no more for that.
        """
        self._require()
        own = self._candidate()
        was = self._step_down("asked", eligible=False)
        if permanent or not (own.eligible or self._resting):
            self._rest(None)
        else:
            self._rest(trio.CancelScope())
        self._say(self._candidate()._replace(eligible=False))
        return was

    def _require(self) -> None:
        self._runtime.thread.require()
        if self._over:
            raise NodeDown("this node ends: it is no candidate any more", "not sent")

    def _candidate(self) -> Candidate:
        if self._own is None:
            raise ConfigError("this node is no candidate: masters.stand() makes it one")
        return self._own

    def _step_down(self, reason: str, *, eligible: bool) -> bool:
        epoch, own = self.epoch, self._own
        if epoch is None or own is None:
            return False
        self._own = own._replace(counter=0, eligible=eligible)
        log(logger, logging.INFO, "demotion", epoch=epoch.counter, reason=reason)
        self._runtime.notify(Demotion(epoch, reason))
        self._say(self._own)
        return True

    def _say(self, own: Candidate) -> None:
        # Others may hear of the last of several promotions only, or of no one's.
        own = own._replace(highest=max(self._highest, own.counter))
        before, self._own = self._own, own
        try:
            self._announcements.announce(KEY, list(own), spare=True)
        except ClusterError:
            self._own = before
            raise
        self._judge()

    def _rest(self, scope: trio.CancelScope | None) -> None:
        """Be eligible again after a while, or not by itself."""
        if self._resting is not None:
            self._resting.cancel()
        self._resting = scope
        if scope is not None:
            self._runtime.spawn(self._return, scope)

    async def _return(self, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(SITS_OUT)
            if self._resting is scope and self._own is not None:
                self._resting = None
                self._say(self._own._replace(eligible=True))

    # What changes.

    def _follow(self, node: str, rest: str, value: Any) -> None:
        """Follow what a candidate says of itself."""
        if rest:
            return  # of a later version of clusterkit
        self._met = {epoch for epoch in self._met if epoch.name != node}
        candidate = read_candidate(value)
        if candidate is None:
            self._candidates.pop(node, None)
        else:
            self._candidates[node] = candidate
            self._highest = max(self._highest, candidate.counter, candidate.highest)
            self._compare(node, candidate)
        self._judge()

    def _compare(self, node: str, candidate: Candidate) -> None:
        """Say so if a candidate wants another number of masters."""
        own = self._own
        if own is not None and candidate.required != own.required:
            due = self._disagreeing.due(node)
            if due is not None:
                told = {"peer": node, "theirs": candidate.required, **due}
                told |= {"ours": own.required, "remedy": "give all the same"}
                log(logger, logging.WARNING, "masters_required_differs", **told)

    def _judge(self) -> None:
        """Tell who is a master; step down if this node is one too many."""
        self._tell()
        own, said = self._runtime.name, self._own
        if said and is_superseded(own, self._candidates, self.required):
            self._step_down("superseded", eligible=said.eligible)
        due = said is not None and is_due(own, self._candidates, self.required)
        if due and self._waiting is None:
            self._waiting = trio.CancelScope()
            self._runtime.spawn(self._wait, self._waiting)
        elif not due:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    async def _wait(self, scope: trio.CancelScope) -> None:
        """Be a master, if one has been wanting for long enough, and this is next."""
        with scope:
            await trio.sleep(self._patience)
            while not self._is_settled():  # noqa: ASYNC110 - nothing tells
                await trio.sleep(LOOKS_AGAIN)
            if self._waiting is scope:
                self._waiting = None
                self.promote()

    def _tell(self) -> None:
        claimed, required = tuple(epochs(self._candidates)), self.required
        now = claimed[:required] if required else claimed
        before, self._masters = self._masters, now
        for epoch in before:
            if epoch not in now:
                log(logger, logging.INFO, "master_down", peer=epoch.name)
                self._runtime.notify(MasterDown(epoch.name, epoch))
        for epoch in now:
            if epoch not in before:
                told = {"peer": epoch.name, "epoch": epoch.counter}
                log(logger, logging.INFO, "master_up", **told)
                self._runtime.notify(MasterUp(epoch.name, epoch))


def _weight(weight: Any) -> float:
    if isinstance(weight, (int, float)) and not isinstance(weight, bool):
        with suppress(OverflowError):
            if isfinite(weight):
                return float(weight)
    raise ConfigError(f"weight is a number, not {weight!r:.100}")
