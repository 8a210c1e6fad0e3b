"""Which beacons are believed: signed, of now, never heard before, of this ring.

Nothing here raises for what a stranger can send. The order of the checks is part
of the protocol: first who may be looked at, then the proof, then everything
else, so that a stranger costs no more than a proof and learns nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from clusterkit.core.quota import Quota
from clusterkit.errors import ConfigError
from clusterkit.wire.beacon import MAX_BEACON, Beacon, read_body

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.wire.beacon import BeaconKeys

MOST_NAMES: Final = 10_000
"""Names whose last beacon is remembered: as many as a ring has."""

Refused: TypeAlias = Literal[
    "oversized",
    "flood",
    "form",
    "forged",
    "invalid",
    "clock",
    "ring",
    "duplicate",
    "replayed",
    "stale",
    "own",
    "name_taken",
]
"""Why a beacon is not taken. `oversized`: longer than any. `flood`: more than is
looked at. `form`: encrypted, and not here, or the other way round. `forged`: not
made with a cookie of ours, truncated or no beacon at all. `invalid`: by somebody who
has the cookie, and nonsense. `clock`: its clock is too far from ours. `ring`: of
another ring. `duplicate`: the one heard last, by another way. `replayed`: an older
one. `stale`: of an earlier life of its node. `own`: ours. `name_taken`: another node
has our name."""


class Judge:
    """Judges the beacons that one node hears.

    Args:
        window: Seconds that a beacon's clock may differ from ours.
        now: The time, in seconds.
    """

    def __init__(self, window: float, now: float) -> None:
        self._window_ms = int(window * 1000)
        self._quota = Quota(now)
        # Incarnation and sequence by ring and name; the one heard least lately is
        # first.
        self._heard: dict[tuple[str, str], tuple[int, int]] = {}
        self.last: Beacon | None = None
        """The beacon refused last, if its proof was good: for the log."""

    def __repr__(self) -> str:
        return f"<Judge names={len(self._heard)} {self._quota!r}>"

    def hear(
        self,
        datagram: bytes,
        source: str,
        keys: Callable[[], BeaconKeys],
        me: Callable[[], Beacon],
        now: float,
    ) -> Beacon | Refused:
        """Return what was said, or why it is not believed.

        Args:
            datagram: As it came.
            source: The host that it came from.
            keys: Returns those of the cookies that count now. Not called for what
                is not looked at, as `me` is not: most of a flood.
            me: Returns what this node would say now.
            now: The time, in seconds.
        """
        self.last = None
        if len(datagram) > MAX_BEACON:
            return "oversized"
        if not self._quota.admits(source, now):
            return "flood"
        known = keys()
        body = known.open(datagram)
        if body is None:
            return "form" if known.is_of_other_form(datagram) else "forged"
        try:
            beacon = read_body(body)
        except ConfigError:
            return "invalid"
        refused = self._refuse(beacon, me())
        if refused in (None, "ring"):
            # Only what is new shows that its source belongs here: whatever else is
            # well signed may be a recording, sent under any address.
            self._quota.trust(source, now)
            self._note(beacon)
        if refused is None:
            return beacon
        self.last = beacon
        return refused

    def _refuse(self, beacon: Beacon, me: Beacon) -> Refused | None:
        name = beacon.node.id
        if name == me.node.id and beacon.incarnation == me.incarnation:
            return "own"
        repeated = self._repeats(beacon)
        if repeated is not None:
            return repeated
        if abs(beacon.wall_ms - me.wall_ms) > self._window_ms:
            return "clock"
        if beacon.ring != me.ring:
            return "ring"
        if name != me.node.id:
            return None
        # An earlier life of this very node may still be on its way.
        return "own" if beacon.node == me.node else "name_taken"

    def _repeats(self, beacon: Beacon) -> Refused | None:
        incarnation, sequence = self._heard.get(_key(beacon), (0, 0))
        if beacon.incarnation != incarnation:
            return "stale" if beacon.incarnation < incarnation else None
        if beacon.sequence > sequence:
            return None
        return "duplicate" if beacon.sequence == sequence else "replayed"

    def _note(self, beacon: Beacon) -> None:
        self._heard.pop(_key(beacon), None)
        if len(self._heard) >= MOST_NAMES:
            del self._heard[next(iter(self._heard))]
        self._heard[_key(beacon)] = beacon.incarnation, beacon.sequence


def _key(beacon: Beacon) -> tuple[str, str]:
    return beacon.ring, beacon.node.id
