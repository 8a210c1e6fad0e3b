"""What a node stands on: network, disk, dice, the clock on the wall.

The real one by default; a simulation passes its own. trio's clock is the only
other source of time, and a simulation replaces that itself.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clusterkit.net.tcp import TcpTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.net.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The seams of one node.

    Attributes:
        transport: Makes streams.
        rng: Jitter, ids and the choice of gossip partners.
        wall_clock: Seconds since 1970; only for incarnations and expiry.
    """

    transport: Transport = field(default_factory=TcpTransport)
    rng: random.Random = field(default_factory=random.SystemRandom)
    wall_clock: Callable[[], float] = time.time
