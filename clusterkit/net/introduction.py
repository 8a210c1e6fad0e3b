"""Who is at an address: a handshake as a tool, and good-bye.

An address without a name is not dialled as a peer, since links have names; this
learns the name. The invariant is that nothing of it stays, here or there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from clusterkit.errors import NodeDown
from clusterkit.frozen import frozen
from clusterkit.net.client import connect_as_client

if TYPE_CHECKING:
    from clusterkit.names import Address
    from clusterkit.net.kernel import Kernel


@frozen
class Introduced:
    """Who answered."""

    name: str
    """Its name."""

    incarnation: int
    """The number of its life."""

    ring: str
    """The ring it is in, "" for none."""


async def introduce(kernel: Kernel, address: Address) -> Introduced:
    """Ask who is at an address, within `dial_timeout`.

    Both ends prove the cookie, so the answer is a node's of this cluster.

    Args:
        kernel: Whose cookies and transport are used.
        address: Where to ask.

    Raises:
        NodeDown: Nobody answers.
        LinkError: Somebody does, and refuses; as for `connect_as_client`.
    """
    timeout = kernel.config.dial_timeout
    with trio.move_on_after(timeout):
        async with connect_as_client(
            address,
            tuple(kernel.cookies),
            kernel.transport,
            kernel.codec,
            kernel.config,
            kernel.rng,
            lambda *_: None,
        ) as node:
            return Introduced(node.name, node.talk.incarnation, node.ring)
    raise NodeDown(f"{address} did not answer within {timeout:g} s", "not sent")
