"""A tool that is connected to this node: `cluster-cli` and its like.

It has no listener and no name that anybody else knows. Nothing is resumed:
what it asked for dies with its connection, and two of the same name coexist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import trio

from clusterkit.net.connection import Connection
from clusterkit.net.peer import Peer

if TYPE_CHECKING:
    from clusterkit.net.kernel import Kernel
    from clusterkit.net.transport import Stream
    from clusterkit.wire.greetings import Role
    from clusterkit.wire.messages import Record
    from clusterkit.wire.session import Session


class ClientPeer(Peer):
    """One connected tool."""

    role: ClassVar[Role] = "client"

    def __init__(self, name: str, kernel: Kernel) -> None:
        super().__init__(name, kernel.config, kernel.assembly)
        self._kernel = kernel

    def attach(self, stream: Stream, session: Session) -> None:
        """Begin its only session."""
        self.connection = Connection(stream, session, self.outbox, self._deliver)
        self._kernel.clients[self] = None
        self._kernel.spawn(self._carry, self.connection)

    async def drain(self) -> None:
        """Wait until everything accepted so far is acknowledged, then say Bye."""
        while self.connection is not None:
            if not len(self.outbox) and not self.talk.outgoing.unacked:
                await self.connection.finish()
                return
            await trio.sleep(self._config.ack_delay)

    def _deliver(self, records: list[Record], size: int) -> None:
        self._kernel.observer.deliver(self, records, size)

    async def _carry(self, connection: Connection) -> None:
        reason = await connection.run()
        self.connection = None
        self.gone = True
        del self._kernel.clients[self]
        if connection.error is not None:
            self._kernel.refusals.reject(connection.error.reason, self.name, None)
        self.talk.assembly.clear()
        self._kernel.observer.peer_down(self, reason)
        self.unpark()
