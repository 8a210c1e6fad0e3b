"""What happens in a cluster, as frozen values.

`async with node.events(LinkUp, RingChanged) as events: async for e in events`
subscribes. Each event but `EventsLost`, which is its subscriber's own affair, is
logged too: under its name in snake case, unless its docstring has another.
"""

from __future__ import annotations

from clusterkit.events.actors import (
    ActorGaveUp,
    ActorRestarted,
)
from clusterkit.events.base import (
    Event,
    EventsLost,
)
from clusterkit.events.discovery import AddressCheckFailed, Discovered
from clusterkit.events.links import (
    Busy,
    BusyReason,
    Dropped,
    DropReason,
    LinkDown,
    LinkGivenUp,
    LinkUp,
    Refused,
    Undelivered,
)
from clusterkit.events.members import (
    MemberBack,
    MemberDown,
    MemberLeft,
    MemberSuspect,
    MemberUp,
    StateDeleted,
    StateUpdated,
)
from clusterkit.events.ring import (
    Cause,
    Left,
    Removed,
    RingChanged,
    RingConflict,
    RingEntry,
)
from clusterkit.events.services import (
    Demotion,
    MasterDown,
    MasterUp,
    Promotion,
    ServiceChanged,
    ServiceDown,
    ServiceFailed,
    ServicesNotReady,
    ServicesReady,
    ServiceUp,
)

__all__ = [
    "ActorGaveUp",
    "ActorRestarted",
    "AddressCheckFailed",
    "Busy",
    "BusyReason",
    "Cause",
    "Demotion",
    "Discovered",
    "DropReason",
    "Dropped",
    "Event",
    "EventsLost",
    "Left",
    "LinkDown",
    "LinkGivenUp",
    "LinkUp",
    "MasterDown",
    "MasterUp",
    "MemberBack",
    "MemberDown",
    "MemberLeft",
    "MemberSuspect",
    "MemberUp",
    "Promotion",
    "Refused",
    "Removed",
    "RingChanged",
    "RingConflict",
    "RingEntry",
    "ServiceChanged",
    "ServiceDown",
    "ServiceFailed",
    "ServiceUp",
    "ServicesNotReady",
    "ServicesReady",
    "StateDeleted",
    "StateUpdated",
    "Undelivered",
]
