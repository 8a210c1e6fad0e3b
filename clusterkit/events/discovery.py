"""Addresses of nodes that were found, and the node's own."""

from __future__ import annotations

from clusterkit.events.base import Event
from clusterkit.frozen import frozen


@frozen
class Discovered(Event):
    """A source of addresses has told of one that was not known; see `node.discovery`.

    It may be of a node, or of none: it is dialled next.
    """

    address: str
    """`name@host:port`, or `host:port` if the source knows no names."""

    source: str
    """Which source, as `node.discovery.sources` has them."""


@frozen
class AddressCheckFailed(Event):
    """This node does not reach itself at the address that it tells others.

    Others may still reach it, as where a router does not send back what is for
    itself. Told once in a node's life.
    """

    address: str
    """The address, as `host:port`."""

    reason: str
    """Who or what answers there."""
