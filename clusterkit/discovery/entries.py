"""Addresses as people and programs write them down, checked one by one.

The invariant is that a bad entry costs itself and no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio

from clusterkit.errors import ConfigError
from clusterkit.names import Address, NodeInfo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from clusterkit.discovery.allowed import Allowed
    from clusterkit.discovery.source import Keeper

MOST_ENTRIES: Final = 10_000
"""Entries that are read of one list, as many as a ring has names."""

TURN: Final = 100
"""Entries that are dealt with before others have a turn: some milliseconds."""

T = TypeVar("T")


def check_interval(interval: object) -> float:
    """Return the seconds between two looks; infinity has a source look once.

    Raises:
        ConfigError: It is no such number.
    """
    if isinstance(interval, (int, float)) and interval > 0:
        return interval
    raise ConfigError(f"interval is seconds above 0, not {interval!r:.100}")


def read_entry(entry: object) -> NodeInfo | Address:
    """Return what an entry says.

    Args:
        entry: `name@host:port`, `host:port`, or an object with id, host and port.

    Raises:
        ConfigError: It says none of these.
    """
    if isinstance(entry, str):
        return NodeInfo.parse(entry) if "@" in entry else Address.parse(entry)
    return NodeInfo.from_json(entry)


async def in_turns(entries: Iterable[T]) -> AsyncIterator[T]:
    """Yield entries, and give way to others now and then; to be run to its end."""
    for number, entry in enumerate(entries):
        if number % TURN == 0:
            await trio.lowlevel.checkpoint()
        yield entry


async def tell_all(
    addresses: list[Any],
    allowed: Allowed,
    found: Callable[[Any], None],
    node: Keeper,
) -> None:
    """Tell of those that are allowed, in an order of this node's own.

    Were it the list's, all nodes of a cluster would begin with the same dead host.
    """
    node.rng.shuffle(addresses)
    async for address in in_turns(addresses):
        if allowed.admits(address.host):
            found(address)
        else:
            node.count("not_allowed")
            node.say("not_allowed", address=address, remedy="add it to allow=")
