"""What a node stands on: network, disk, dice, the clock on the wall.

The real one by default; a simulation passes its own. trio's clock is the only
other source of time, and a simulation replaces that itself.
"""

from __future__ import annotations

import random
import time
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from clusterkit.frozen import frozen
from clusterkit.net.datagrams import UdpTransport
from clusterkit.net.disk import FileDisk
from clusterkit.net.tcp import TcpTransport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clusterkit.cluster.ending import Ending
    from clusterkit.net.datagrams import DatagramTransport
    from clusterkit.net.transport import Disk, Transport


@frozen(kw_only=True)
class Platform:
    """The seams of one node.

    Attributes:
        transport: Makes streams.
        datagrams: Makes sockets for what is said to all.
        rng: Jitter, ids and the choice of gossip partners.
        disk: Keeps the state file.
        wall_clock: Seconds since 1970; only for incarnations and expiry.
        run_blocking: Runs a function that takes tens of milliseconds, or hangs
            with the file system that it reads; in a thread, which is left alone
            when the caller is cancelled, or in place where virtual time knows no
            threads.
        copy_local: Send local calls through the codec, too, so that a test
            with one node finds what would fail between two.
        watchdog: Measure how long handlers hold the event loop, by real time.
        ending: Of one node; who holds it can end that as a crash would. None:
            nobody does.
    """

    transport: Transport = field(default_factory=TcpTransport)
    datagrams: DatagramTransport = field(default_factory=UdpTransport)
    rng: random.Random = field(default_factory=random.SystemRandom)
    disk: Disk = field(default_factory=FileDisk)
    wall_clock: Callable[[], float] = time.time
    run_blocking: Callable[..., Awaitable[Any]] = partial(
        trio.to_thread.run_sync, abandon_on_cancel=True
    )
    copy_local: bool = False
    watchdog: bool = True
    ending: Ending | None = None
