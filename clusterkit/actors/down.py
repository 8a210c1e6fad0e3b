"""What a monitor tells when what it watches has ended.

Apart from `monitors`, which only a node needs: every program that has actors
imports this.
"""

from __future__ import annotations

from clusterkit.frozen import frozen


@frozen
class Down:
    """A monitored actor or node has ended; comes to `handle_info`.

    Attributes:
        monitor: What `monitor` or `monitor_node` returned.
        target: What was monitored; a node as `@name`.
        reason: Why it ended: `normal`, `shutdown`, the name of an exception,
            `noproc` (there was none), `busy` (this node monitors too many
            actors there), or `noconnection` (its node is down);
            of a node `noconnection`, or `restarted` (it is there again, as
            another process).
    """

    monitor: int
    target: str
    reason: str
