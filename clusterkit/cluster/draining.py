"""What a node that is told to stop still waits for, said before it waits."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from clusterkit.logs import log

if TYPE_CHECKING:
    from clusterkit.net.kernel import Kernel

logger = logging.getLogger("clusterkit.cluster")

MOST_NAMES: Final = 10
"""Peers that the line names; where more are away, it counts them, too."""


def say_what_waits(kernel: Kernel, seconds: float) -> None:
    """Log how much is left to send to nodes that are away; nothing if none is.

    What goes to a node that is there is sent in no time.

    Args:
        kernel: The links.
        seconds: How long the node waits at most.
    """
    owed = {
        link.name: link.owed()
        for link in kernel.peers.values()
        if link.connection is None and link.given_up is None
    }
    away = sorted(name for name, messages in owed.items() if messages)
    if not away:
        return
    more = len(away) - MOST_NAMES
    log(
        logger,
        logging.INFO,
        "draining",
        messages=sum(owed.values()),
        peers=",".join(away[:MOST_NAMES]),
        more_peers=more if more > 0 else None,
        seconds=f"{seconds:g}",
        remedy="a second signal ends the node at once",
    )
