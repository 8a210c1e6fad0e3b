"""Which members are alive, and what they say."""

from __future__ import annotations

from typing import Any

from clusterkit.events.base import Event
from clusterkit.frozen import frozen


@frozen
class MemberUp(Event):
    """A member of the ring was heard of for the first time; see `node.members`."""

    peer: str
    """Its name."""


@frozen
class MemberSuspect(Event):
    """A member is silent, and was not reached through others: it may be dead."""

    peer: str
    """Its name."""

    by: tuple[str, ...] = ()
    """Who suspects it, as far as is known here."""


@frozen
class MemberDown(Event):
    """A member is dead: a suspect that did not refute it in time, or a former life."""

    peer: str
    """Its name."""

    by: tuple[str, ...] = ()
    """Who had suspected it."""


@frozen
class MemberLeft(Event):
    """A member has ended in good order, or is no member any more."""

    peer: str
    """Its name."""


@frozen
class MemberBack(Event):
    """A member that was suspect or dead, or had left, is alive."""

    peer: str
    """Its name."""


@frozen
class StateUpdated(Event):
    """A node has given one of its keys a value; see `node.state`.

    Of several writes that follow each other fast, perhaps only the last is told.
    Logged at the level DEBUG.
    """

    peer: str
    """The node, which may be this one."""

    key: str
    """The key."""

    value: Any
    """What it has now: a copy."""


@frozen
class StateDeleted(Event):
    """A key of a node is gone: deleted, or with the node's life or membership.

    Logged at the level DEBUG.
    """

    peer: str
    """The node, which may be this one."""

    key: str
    """The key."""
