"""Whether a node is to be reached at the address that it tells others.

A node with the wrong address is the fault that a newcomer finds last: it dials,
others do not reach it, and it comes and goes. So it dials itself, and says what it
finds. It is no more than a warning, since it may be mistaken: behind some routers a
machine cannot reach its own outer address, which everybody else can.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import LinkError
from clusterkit.events import AddressCheckFailed
from clusterkit.logs import log
from clusterkit.net.introduction import introduce

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.events import Event
    from clusterkit.net.kernel import Kernel

logger = logging.getLogger("clusterkit.cluster")

TRIES: Final = 3
"""How often a node dials itself in vain before it warns."""

PAUSE: Final = 1.0
"""Seconds in between."""

REMEDY: Final = (
    "is it of the interface that the others reach? With a VPN, NAT or several "
    "interfaces give host= or advertise=, and let the port through the firewall"
)


async def check_address(kernel: Kernel, publish: Callable[[Event], None]) -> None:
    """Dial the own address; warn if nobody answers, or somebody else.

    Args:
        kernel: The node's links, which accept connections.
        publish: Is given the event.
    """
    wrong = ""
    for _ in range(TRIES):
        wrong = await _wrong(kernel)
        if not wrong:
            return
        await trio.sleep(PAUSE)
    publish(AddressCheckFailed(str(kernel.address), wrong))
    told = {"address": kernel.address, "reason": wrong, "remedy": REMEDY}
    log(logger, logging.WARNING, "address_check_failed", **told)


async def _wrong(kernel: Kernel) -> str:
    """Return what is wrong with the own address, "" if nothing is."""
    try:
        who = await introduce(kernel, kernel.address)
    except LinkError as error:
        return str(error)
    if who.name != kernel.me.name:
        return f"{who.name} answers there"
    if who.incarnation != kernel.me.incarnation:
        return "another node of this name answers there"
    return ""
