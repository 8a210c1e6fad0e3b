"""An actor that members of the ring speak with, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.actors.server import GenServer
from clusterkit.errors import Rejected

if TYPE_CHECKING:
    from clusterkit.cluster.neighbourhood import Neighbourhood


class NotHeard(Rejected):
    """What was said is not taken: by a stranger, or it has no meaning."""

    code = "not_heard"


class MemberActor(GenServer):
    """What the actors have in common that a node keeps in touch by.

    Args:
        neighbourhood: Knows who is a member.

    Attributes:
        ignored: What was not taken, by reason: `foreign`, `invalid`.
    """

    def __init__(self, neighbourhood: Neighbourhood) -> None:
        self.ignored = {"foreign": 0, "invalid": 0}
        self._neighbourhood = neighbourhood

    def _member(self) -> str:
        """Return who has called.

        Raises:
            NotHeard: It is no member of the ring.
        """
        name = self.caller.node
        is_node = self.caller.origin.role == "member"
        if is_node and self._neighbourhood.is_member(name):
            return name
        self.ignored["foreign"] += 1
        raise NotHeard("only members of the ring are heard")

    def _invalid(self, error: ValueError) -> NotHeard:
        """Count what has no meaning; return what to raise."""
        self.ignored["invalid"] += 1
        return NotHeard(str(error))
