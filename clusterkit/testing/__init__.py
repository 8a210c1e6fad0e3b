"""Simulated networks, disks and whole clusters, in virtual time, by a seed.

`simulate` runs an async function so that the same seed gives the same run.
`MemoryNetwork` and `MemoryDisk` are what it runs on, usable alone.
"""

from clusterkit.testing.disk import MemoryDisk as MemoryDisk
from clusterkit.testing.network import (
    MemoryNetwork as MemoryNetwork,
    NetworkStatistics as NetworkStatistics,
)
from clusterkit.testing.runner import Simulation as Simulation, Trace as Trace
from clusterkit.testing.sim import (
    ClusterSimulation as ClusterSimulation,
    simulate as simulate,
)
