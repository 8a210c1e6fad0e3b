"""What all events are, and what a slow subscriber gets in their place."""

from __future__ import annotations

from clusterkit.frozen import frozen


@frozen
class Event:
    """What all events are."""


@frozen
class EventsLost(Event):
    """This subscriber was too slow: `n` older events were dropped before here."""

    n: int
    """How many."""
