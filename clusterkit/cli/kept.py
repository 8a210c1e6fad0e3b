"""A connection that is kept: lost, it is dialled again until it is back.

Only the connection is. A question that was under way when it broke has failed,
and is not asked again: whether it took effect is not known.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import trio

from clusterkit.cli.client import open_client
from clusterkit.core.backoff import Backoff
from clusterkit.errors import ClusterError, NodeDown
from clusterkit.wire.messages import PROTOCOL

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.cli.client import Client, Destination


class KeptConnection:
    """Keeps a connection to one node.

    Args:
        to: Which node, and how to be let in.
        tell: Tells the user, once per change.
        changed: Is called after the connection came or went.

    Attributes:
        name: The node's name, once known.
    """

    def __init__(
        self,
        to: Destination,
        tell: Callable[[str], None] = lambda _: None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.to = to
        self.name = ""
        self._tell = tell
        self._changed = changed
        self._client: Client | None = None
        self._reason = "not connected yet"
        self._backoff = Backoff(first=0.05, cap=0.5, patience=10.0, long_cap=2.0)
        self._rng = random.SystemRandom()

    def __repr__(self) -> str:
        state = "connected" if self.connected else self._reason
        return f"<KeptConnection to {self.name} {state}>"

    @property
    def connected(self) -> bool:
        """Whether the node can be asked now."""
        return self._client is not None

    @property
    def client(self) -> Client:
        """The live connection.

        Raises:
            NodeDown: There is none at the moment.
        """
        if self._client is None:
            raise NodeDown(
                f"not connected to {self.name or self.to.address}: {self._reason}",
                outcome="not sent",
            )
        return self._client

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep the connection until cancelled; started once it is there.

        Raises:
            ClusterError: It was not there at first; then there is nothing to keep.
        """
        lost_at = trio.current_time()
        while True:
            try:
                async with open_client(self.to) as client:
                    await self._begin(client)
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    await client.node.ended.wait()
                    lost_at = trio.current_time()
                    self._lose(NodeDown(client.why_lost))
            except ClusterError as error:
                if not self.name:
                    raise
                self._lose(error)
            outage = trio.current_time() - lost_at
            await trio.sleep(self._backoff.next_pause(outage, self._rng))

    async def _begin(self, client: Client) -> None:
        count = len(await client.call("nodes", {}, self.to.timeout))
        node = client.node
        self.name = node.name
        self._client = client
        self._backoff.reset()
        ring = f'ring "{node.ring}"' if node.ring else "no ring"
        nodes = f"{count} node{'' if count == 1 else 's'}"
        self._tell(f"connected to {node.name} · {ring} · {nodes} · protocol {PROTOCOL}")
        self._changed()

    def _lose(self, error: ClusterError) -> None:
        """Note that there is no connection, and say so if it is news."""
        reason = str(error)
        if self._client is not None:
            self._tell(f"disconnected from {self.name}: {reason}; trying again")
        elif not isinstance(error, NodeDown) and reason != self._reason:
            # It is there again, but will not have us: that needs somebody.
            self._tell(f"cannot reconnect to {self.name}: {reason}")
        self._client = None
        self._reason = reason
        self._changed()
