"""The part of `node.state` that asks nobody: reading, and writing one's own keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusterkit.cluster.announcing import MARK
from clusterkit.errors import ConfigError
from clusterkit.names import check_timeout

if TYPE_CHECKING:
    from clusterkit.actors.own_thread import OwnThread
    from clusterkit.cluster.state_book import StateBook


class StateKeys:
    """The keys of all members, as this node knows them.

    Args:
        name: The node's.
        book: What is known.
        thread: The node's own.
    """

    def __init__(self, name: str, book: StateBook, thread: OwnThread) -> None:
        self._name = name
        self._book = book
        self._thread = thread

    def set(self, key: str, value: object, *, ttl: float | None = None) -> None:
        """Give a key of this node a value, for all members to see.

        Args:
            key: Text of 1 to 128 bytes; those that begin with `_` are the node's own.
            value: Anything that travels, encoded in up to 32 KiB.
            ttl: Seconds after which it is deleted, unless it is set again; None
                for never.

        Raises:
            ConfigError: The key or the time is not valid.
            EncodeError: The value cannot travel.
            MessageTooLarge: It is too long, or this node has too many keys, or too
                much in them (500 keys, 255 KiB).
        """
        self._thread.require()
        _refuse_own(key)
        if ttl is not None:
            check_timeout(ttl)
        self._book.set(key, value, ttl)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value of this node's own; see `value`.

        Args:
            key: The key.
            default: Returned if there is none.
        """
        return self.value(self._name, key, default)

    def delete(self, key: str) -> bool:
        """Delete a key of this node, everywhere; return whether it was there.

        Args:
            key: The key.

        Raises:
            ConfigError: The key is not valid.
        """
        self._thread.require()
        _refuse_own(key)
        return self._book.delete(key)

    def keys(self, peer: str) -> tuple[str, ...]:
        """Return a node's keys, in the order they were last written.

        Args:
            peer: Its name; of a node of which nothing is known there are none.
        """
        return self._book.keys(peer)

    def value(self, peer: str, key: str, default: Any = None) -> Any:
        """Return what a node's key has, as far as is known here.

        Args:
            peer: Its name.
            key: The key.
            default: Returned if there is no such node or key.

        Raises:
            ConfigError: The key is not valid.
            DecodeError: It cannot be built here.
        """
        return self._book.value(peer, key, default)


def _refuse_own(key: object) -> None:
    """Keep what clusterkit says of the node from its application's hands."""
    if isinstance(key, str) and key.startswith(MARK):
        raise ConfigError(
            f"{key!r:.150} is a key of the node itself, as all are that begin with "
            f"{MARK}: choose another name"
        )
