"""Pure values and algorithms: no trio, no sockets, no clock, no dice."""

from __future__ import annotations

from clusterkit.core.dissemination import rounds as rounds
from clusterkit.core.hash_ring import HashRing as HashRing
from clusterkit.core.vector_clock import Entry as Entry, VectorClock as VectorClock
