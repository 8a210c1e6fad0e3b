"""Erlang-style actors over signed TCP links, on trio.

    from clusterkit import GenServer, call, create_cluster


    class Counter(GenServer):
        value = 0

        @call
        async def add(self, n: int) -> int:
            self.value += n
            return self.value


    async with create_cluster("foo", cookie="monster", actors={"counter": Counter}) as foo:
        counter = foo.ref(Counter, "counter")
        assert await counter.call(Counter.add, 5) == 5

The names below are all that most programs need; `errors`, `events`, `core` and
`testing` are modules of their own.
"""

# General layout. Imports point down only; import-linter checks it.
#
#   cli       testing      people: the command line; the simulator
#   settings               what a node is told: file, environment, arguments
#   cluster                GenServers that make nodes a cluster
#   discovery              where addresses of others come from
#   actors                 processes: GenServer, mailboxes, calls
#   net                    the trio shell: the only floor that awaits sockets
#   wire                   the protocol, sans IO: bytes <-> records
#   core                   pure values: vector clock, hash ring
#   errors names events config logs
#
# The walk of one remote call, from `actors/ref.py` down to the bytes and back
# up on the other node, is in docs/explanation/architecture.md.

from __future__ import annotations

# First, for a Ctrl-C that comes while all the rest is imported.
import clusterkit.cli.loading as _loading  # noqa: F401

# isort: split
from clusterkit.actors.down import Down as Down
from clusterkit.actors.handlers import call as call, cast as cast, later as later
from clusterkit.actors.ref import ActorRef as ActorRef
from clusterkit.actors.server import Caller as Caller, GenServer as GenServer
from clusterkit.actors.stream import OpenStream as OpenStream, Stream as Stream
from clusterkit.actors.stream_handlers import stream as stream
from clusterkit.cluster.answers import Answer as Answer
from clusterkit.cluster.creation import (
    ActorFactory as ActorFactory,
    create_cluster as create_cluster,
)
from clusterkit.cluster.node import ClusterNode as ClusterNode
from clusterkit.cluster.providers import Service as Service
from clusterkit.cluster.subscriptions import ChannelMessage as ChannelMessage
from clusterkit.config import Config as Config
from clusterkit.core import HashRing as HashRing, VectorClock as VectorClock
from clusterkit.core.election import Epoch as Epoch
from clusterkit.errors import Rejected as Rejected
from clusterkit.names import NodeInfo as NodeInfo
from clusterkit.net.certificates import Tls as Tls, TlsContexts as TlsContexts
from clusterkit.settings.loading import load_settings as load_settings
from clusterkit.wire.extensions import register as register

__version__ = "0.1.0"
