"""One node of a cluster over HTTP, as its program has it; `creation` is the door."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, overload

import trio

from clusterkit.cluster.foreground import in_foreground
from clusterkit.events import Event
from clusterkit.names import check_timeout

if TYPE_CHECKING:
    from collections import Counter

    from clusterkit.actors.own_thread import OwnThread
    from clusterkit.cluster.background import Background
    from clusterkit.cluster.broadcast import Broadcast, Events
    from clusterkit.cluster.ending import Ending
    from clusterkit.cluster.keyring import Keyring
    from clusterkit.cluster.readiness import Phase, Readiness
    from clusterkit.httpcluster.answering import Answering
    from clusterkit.httpcluster.members import HttpMembers
    from clusterkit.httpcluster.posting import Response
    from clusterkit.httpcluster.state import HttpState

E = TypeVar("E", bound=Event)

DRAIN: Final = 10.0
"""Seconds that `drain` and the end of the block have."""


class HttpCluster:
    """One node of a cluster that speaks HTTP alone; made by `create_http_cluster`.

    Attributes:
        name: Its name.
        url: Where the others reach it.
        state: What all members say of themselves.
        members: Which members are alive, and where.
        cookies: Its cookies, and how to change them while it runs.
        refused: What was not taken, by reason: see `wire.http_judge.Refused`; and
            `answer`, `failed`, `nonsense`, `body`, `overloaded`, `url`, `url_taken`,
            `not_allowed`, `contested`, `counters`.
    """

    def __init__(
        self,
        name: str,
        url: str,
        state: HttpState,
        members: HttpMembers,
        cookies: Keyring,
        refused: Counter[str],
        *,
        readiness: Readiness,
        answering: Answering,
        background: Background,
        broadcast: Broadcast,
        ending: Ending,
        thread: OwnThread,
        nursery: trio.Nursery,
    ) -> None:
        self.name = name
        self.url = url
        self.state = state
        self.members = members
        self.cookies = cookies
        self.refused = refused
        self._readiness = readiness
        self._answering = answering
        self._background = background
        self._broadcast = broadcast
        self._ending = ending
        self._thread = thread
        self._nursery = nursery

    def __repr__(self) -> str:
        return f"<HttpCluster {self.name} {self.url}>"

    @property
    def is_ready(self) -> bool:
        """Whether it is to be given work: until it is put offline, or ends."""
        return self._readiness.is_ready and not self._ending.over

    @property
    def phase(self) -> Phase:
        """How far its life has come: `running`, `ending` or `ended`."""
        return "ended" if self._ending.over else self._readiness.phase

    @overload
    def events(self) -> Events[Event]: ...
    @overload
    def events(self, *kinds: type[E]) -> Events[E]: ...
    def events(self, *kinds: type[Event]) -> Events[Event]:
        """Subscribe to events; see `ClusterNode.events`.

        There are `MemberUp`, `MemberDown`, `MemberLeft`, `MemberBack`,
        `StateUpdated` and `StateDeleted`.
        """
        return self._broadcast.events(*kinds)

    def set_online(self, online: bool) -> None:  # noqa: FBT001 - as it reads best
        """Have this node given work, or no more until this is called again.

        Offline it says so to all (`_status` of its state), and goes on to gossip.

        Args:
            online: Whether it is given work.
        """
        self._thread.require()
        self._readiness.set_online(online=online)

    async def serve_forever(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run until SIGTERM or SIGINT, or `drain`, then shut down; main thread only.

        See `ClusterNode.serve_forever`. Where a web server answers to signals, it is
        enough to leave the block when that ends.
        """
        await in_foreground(
            self._ending,
            partial(self.shutdown, timeout=DRAIN),
            self.cookies.reload_or_log,
            lambda: None,
            task_status,
        )

    async def shutdown(self, *, timeout: float = DRAIN) -> None:
        """Say that this node ends, to monitors and some others, and ask nobody more.

        Leaving the `create_http_cluster` block does the same. A second call waits
        for the first.

        Args:
            timeout: Seconds for all of it.

        Raises:
            ConfigError: The timeout is no number of seconds.

        Cancellation:
            Stops it where it is; the next call does the rest.
        """
        check_timeout(timeout)
        deadline = trio.current_time() + timeout
        await self._ending.reach(partial(self._end, deadline))

    async def _end(self, deadline: float) -> None:
        await self._readiness.end(deadline)
        self._background.stop()

    def drain(self) -> None:
        """Begin to `shutdown`, and do not wait for it; `serve_forever` returns then."""
        self._thread.require()
        if not self._ending.over:
            self._nursery.start_soon(self.shutdown)

    def gossip(self, body: bytes, source: str | None) -> Response:
        """Return the response to what another node has posted: see `web.app`.

        Args:
            body: Of its request.
            source: Where that came from, for the log.
        """
        return self._answering.answer(body, source)
