"""Where a node learns of others: beacons, DNS, lists and files.

`create_cluster(..., discover=...)` takes one of these, or several. A program may
have sources of its own: whatever has the one method of `Source`.
"""

from clusterkit.discovery.beacons import Beacons as Beacons
from clusterkit.discovery.dns import Dns as Dns
from clusterkit.discovery.dns_srv import DnsSrv as DnsSrv
from clusterkit.discovery.master_list import MasterList as MasterList
from clusterkit.discovery.seed_file import SeedFile as SeedFile
from clusterkit.discovery.source import (
    Found as Found,
    Source as Source,
    Surroundings as Surroundings,
)
