"""This node as an origin and a target: what `Peer` is for all others."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeAlias

from clusterkit.wire.outbox import Outbox

if TYPE_CHECKING:
    from clusterkit.net.peer import Peer
    from clusterkit.wire.greetings import Role
    from clusterkit.wire.messages import Record


Origin: TypeAlias = "Peer | Here"
"""Where a message comes from, and an answer goes."""


class Here:
    """The local end of local calls.

    It has the part of `Peer`'s surface that mailboxes, processes and monitors
    use, so that they do not ask where a message came from.

    Attributes:
        name: This node's name.
        open_calls: Local calls that are not answered yet, by id.
        interest: Local calls and monitors; counted for symmetry.
        outbox: Always empty.
    """

    role: ClassVar[Role] = "member"
    down = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.open_calls: dict[int, Record] = {}
        self.interest = 0
        self.outbox = Outbox()

    def __repr__(self) -> str:
        return f"<Here {self.name}>"

    def wake(self) -> None:
        """Nothing waits to be sent: local answers are there at once."""

    def flush(self) -> None:
        """Nothing waits to be sent."""
