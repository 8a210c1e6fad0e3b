"""The ring's actor as other nodes see it: what it takes from whom.

Peers speak to these handlers and to no others; what they say is judged by
`core.membership`. The invariant is that nothing which a peer can send makes
them raise: an actor that crashes would be restarted, and then not any more.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from clusterkit.actors.handlers import cast
from clusterkit.actors.server import GenServer
from clusterkit.cluster.meetings import Meetings
from clusterkit.cluster.ring_post import Parts
from clusterkit.errors import ConfigError, NameTaken
from clusterkit.logs import log
from clusterkit.names import check_name

if TYPE_CHECKING:
    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.ring_work import RingWork
    from clusterkit.config import Policy
    from clusterkit.core.membership import Membership
    from clusterkit.names import NodeInfo

logger = logging.getLogger("clusterkit.cluster")


class Hearing(GenServer):
    """Takes gossip in.

    Args:
        membership: The state machine.
        work: Carries out its effects.
        runtime: The node's actors.
    """

    mailbox_policy: ClassVar[Policy | None] = (
        "wait"  # whatever the node's is: gossip must not go
    )

    def __init__(
        self, membership: Membership, work: RingWork, runtime: Runtime
    ) -> None:
        self._membership = membership
        self._work = work
        self._runtime = runtime
        self._meetings = Meetings(membership, work, runtime)
        self._parts = Parts()
        self._forgiven = membership.parted

    @property
    def name(self) -> str:
        """Name of the ring this node belongs to, "" after it has left.

        That of its ring, not of the actor, as all other actors' is.
        """
        return self._work.name

    @property
    def seeks_company(self) -> bool:
        """Whether this node may be brought together with others that are found.

        Not in no ring, nor once it was removed from one: what an operator has
        parted would be together again at once. Until it is met, or restarted.
        """
        if not self._membership.alone:
            self._forgiven = self._membership.parted
        return bool(self.name) and self._membership.parted <= self._forgiven

    def knows(self, node: NodeInfo) -> bool:
        """Say whether a node is a member, at that address."""
        return self.lists(node.id) and self._membership.find(node.id) == node

    def lists(self, name: str) -> bool:
        """Say whether `name` is a member."""
        return self._membership.lists(name)

    def has_parted_with(self, name: str) -> bool:
        """Say whether `name` is known to have left the ring, or to be removed."""
        return not self.lists(name) and self._membership.find(name) is not None

    @cast
    async def gossip(self, ring: str, message: Any) -> None:
        """Take what a member of a ring says."""
        if self._is_member():
            self._parts.forget(self.caller.node)
            await self._hear(ring, message)

    @cast
    async def part(self, number: Any, index: Any, count: Any, piece: Any) -> None:
        """Take a part of what a member says; see `ring_post`."""
        if not self._is_member():
            return
        try:
            whole = self._parts.take(self.caller.node, number, index, count, piece)
        except ValueError:  # after an outage, the end of what began before it
            self._work.dropped["invalid"] += 1
            return
        if whole is not None:
            await self._hear(*whole)

    def _is_member(self) -> bool:
        """Whether the sender may speak of rings; tools may not."""
        if self.caller.origin.role == "member":
            return True
        self._work.dropped["foreign"] += 1
        return False

    async def _hear(self, ring: object, message: object) -> None:
        if not self._may_hear(ring):
            self._work.dropped["foreign"] += 1
            return
        todo = self._membership.receive(self.caller.node, message)
        if ring and not self.name and self._membership.others:
            self._enter(str(ring))  # another ring has inserted this node
        await self._work.submit(todo).taken.wait()
        self._meetings.look_again()

    def _may_hear(self, ring: object) -> bool:
        """Whether gossip of a ring of this name may concern this node."""
        if self.name:
            return ring in ("", self.name)
        return ring == "" or _is_name(ring)

    def _enter(self, ring: str) -> None:
        self._work.name = ring
        try:
            self._runtime.registry.alias(ring, self._process)
        except NameTaken:  # it is reached by its other name all the same
            log(logger, logging.WARNING, "ring_name_taken", ring=ring)


def _is_name(ring: object) -> bool:
    try:
        check_name(ring)
    except ConfigError:
        return False
    return True
