"""What a source of addresses is, and what it may know of its node.

A source says where nodes may be; whether they are dialled, and when, is decided by
`cluster.discovering`. So a source knows no ring and no links.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import trio

from clusterkit.discovery.entries import read_entry
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from clusterkit.names import Address, NodeInfo
    from clusterkit.net.datagrams import DatagramTransport


@frozen(kw_only=True)
class Surroundings:
    """What a source may know of the node that it runs for."""

    info: Callable[[], NodeInfo]
    """Returns its name, and the address that it tells others."""

    incarnation: Callable[[], int]
    """Returns the number of its life."""

    ring: Callable[[], str]
    """Returns the ring that it wants to be found for; "" while it wants not to be
    found: in no ring, removed from its ring, or about to end."""

    knows: Callable[[NodeInfo], bool]
    """Says whether a node is a member of its ring, at that address."""

    members: Callable[[], tuple[NodeInfo, ...]]
    """Returns the members of its ring that are not known to be dead, itself among
    them."""

    secrets: Callable[[], tuple[bytes, ...]]
    """Returns its cookies, stretched; the first signs."""

    datagrams: DatagramTransport
    """Makes sockets for datagrams."""

    rng: Random
    """Jitter and nonces."""

    wall_clock: Callable[[], float]
    """Returns seconds since 1970."""

    run_blocking: Callable[..., Awaitable[Any]]
    """Runs a function that reads files, beside the event loop."""

    count: Callable[[str], None]
    """Counts what went wrong, by reason; see `node.discovery.refused`."""

    say: Callable[..., None]
    """Logs a warning, `say(event, **fields)`, at most once a minute for each event."""

    read: Callable[[object], Any] = read_entry
    """Reads an entry of a list; raises `ConfigError` if it is none."""

    left: Callable[[], float] = lambda: inf
    """Returns the seconds that the node's end leaves to its sources; infinite as long
    as it does not end."""

    async def refresh(self, seconds: float) -> None:
        """Wait about so many seconds, a tenth more or less.

        Args:
            seconds: How many.

        Cancellation:
            Ends the wait.
        """
        await trio.sleep(seconds * self.rng.uniform(0.9, 1.1))


class Place(Protocol):
    """Where a node is, as a list has it."""

    @property
    def id(self) -> str:
        """Its name."""

    def to_json(self) -> dict[str, Any]:
        """Return its entry."""


class Keeper(Protocol):
    """What a list may know of the node that reads and keeps it; see `Surroundings`."""

    @property
    def info(self) -> Callable[[], Place]:
        """Returns where it is itself."""

    @property
    def ring(self) -> Callable[[], str]:
        """Returns "" while it does not want to be found."""

    @property
    def members(self) -> Callable[[], Sequence[Place]]:
        """Returns the members that are not known to be dead."""

    @property
    def rng(self) -> Random:
        """Jitter."""

    @property
    def wall_clock(self) -> Callable[[], float]:
        """Returns seconds since 1970."""

    @property
    def count(self) -> Callable[[str], None]:
        """Counts what went wrong."""

    @property
    def say(self) -> Callable[..., None]:
        """Logs a warning, now and then."""

    @property
    def read(self) -> Callable[[object], Any]:
        """Reads an entry, into something that has a `host`."""

    @property
    def left(self) -> Callable[[], float]:
        """Returns the seconds that are left for what must be said at the end."""

    async def refresh(self, seconds: float) -> None:
        """Wait about so many seconds."""


class Found(Protocol):
    """What a source calls for each address it knows of, as often as it likes."""

    def __call__(self, address: NodeInfo | Address, *, heard: bool = False) -> None:
        """Tell of an address.

        Args:
            address: Of a node; without its name, if that is not known.
            heard: Whether the node itself has just spoken, and proved it.
        """
        ...


@runtime_checkable
class Source(Protocol):
    """Something that knows where nodes may be."""

    async def run(self, found: Found, node: Surroundings) -> None:
        """Tell of addresses, for as long as the node lives.

        Whatever may go wrong for a while is counted, said, and tried again.

        Args:
            found: Is called for each.
            node: What there is to know of the node.

        Cancellation:
            The node ends. What must be said at the end, in a shielded scope, takes
            `node.left()` seconds at most: the node waits for it.
        """
        ...


def name_of(source: Source) -> str:
    """Return what a source is called: its `name`, or that of its class."""
    return str(getattr(source, "name", type(source).__name__))
