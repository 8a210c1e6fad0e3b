"""clusterkit with one of its parts switched off, to see what that part costs.

    without.py seal|resume|lanes server
    without.py seal|resume|lanes client PORT ONLY

The parts are cut out here, in the processes of the benchmark alone: there is no
switch for them in the product, and nothing measured here is safe to use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import workloads

from clusterkit.actors import answering, sending
from clusterkit.wire import bulk, outbox, session
from clusterkit.wire.conversation import Outgoing
from clusterkit.wire.seal import TAG_BYTES, Sealer

if TYPE_CHECKING:
    from collections.abc import Callable

UNBOUNDED = 2**31


def no_seal() -> None:
    """Put zeros in the place of tags, and look at none."""
    tag = bytes(TAG_BYTES)
    Sealer.tag = lambda *_: tag  # type: ignore[method-assign]
    Sealer.verify = lambda *_: True  # type: ignore[method-assign]


def no_resume() -> None:
    """Keep nothing of what was sent; windows never close."""

    def number(outgoing: Outgoing, entries: list[object], _: int) -> None:
        outgoing.sent += len(entries)

    def ack(outgoing: Outgoing, number: int) -> None:
        outgoing.acked = number

    Outgoing.number = number  # type: ignore[assignment, method-assign]
    Outgoing.ack = ack  # type: ignore[method-assign]


def no_lanes() -> None:
    """Send every message whole, however large, and in its turn."""
    for module in (answering, bulk, outbox, sending):
        module.MOST_WHOLE = UNBOUNDED  # type: ignore[misc, attr-defined]
    session.FRAME_LIMIT = UNBOUNDED  # type: ignore[misc]


PARTS: dict[str, Callable[[], None]] = {
    "seal": no_seal,
    "resume": no_resume,
    "lanes": no_lanes,
}


if __name__ == "__main__":
    PARTS[sys.argv[1]]()
    workloads.main(*sys.argv[2:])
