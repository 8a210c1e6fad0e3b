"""A network in memory: hosts, ports, and faults one can order.

Here lives who can reach whom and what breaks. What one host does is
`host.py`, a connection's end `stream.py`, how bytes travel `pipe.py`.
Invariants: every fault does to a stream what TCP would let it see; and
nothing depends on the order of a set or on any randomness but the generator
given, so a seed is a run.
"""

from __future__ import annotations

from math import inf
from random import Random
from typing import TYPE_CHECKING, Final

from clusterkit.frozen import frozen
from clusterkit.testing.host import MemoryTransport
from clusterkit.testing.pipe import Courier, Pipe
from clusterkit.testing.route import Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clusterkit.testing.stream import MemoryStream

BUFFER: Final = 64 * 1024
"""Bytes each direction of a stream holds before a write takes none."""


@frozen(kw_only=True)
class NetworkStatistics:
    """What a `MemoryNetwork` has carried so far."""

    segments: int
    """Writes that were handed over."""

    bytes: int
    """Bytes in them."""

    checksum: int
    """A CRC over all of them in order, and the pipes they took."""

    streams: int
    """Ends that are open now."""


class MemoryNetwork:
    """Hosts with names, and links between them that delay, lose and break.

    Every host is its own machine: it has all ports to itself, and reaches
    the others by their names. It belongs to one `trio.run`.

        network = MemoryNetwork(random.Random(7))
        listener = await network.host("a").listen(Address("a", 7022))
        stream = await network.host("b").connect(Address("a", 7022))

    Args:
        rng: Where all chance comes from.
        trace: Called with a line of text for each connection and fault.
        short: The probability that a write takes, or a read returns, only a
            part of what it could, as real ones may.
        buffer: Bytes each direction of a stream holds.

    Guarantees:
        Order within a stream is kept, whatever the delays. With equal calls
        at equal times, an equal generator gives an equal run.
    """

    def __init__(
        self,
        rng: Random | None = None,
        *,
        trace: Callable[[str], None] | None = None,
        short: float = 0.0,
        buffer: int = BUFFER,
    ) -> None:
        self.rng = rng or Random(0)  # noqa: S311 - a simulation, no secret
        self.trace = trace or _discard
        self.buffer = buffer
        self.courier = Courier(short=short)
        self._pipes = 0
        self._hosts: dict[str, MemoryTransport] = {}
        self._dark: set[str] = set()
        self._walls: set[tuple[str, str]] = set()
        self._groups: tuple[frozenset[str], ...] = ()
        self._routes: dict[str, dict[str, Route]] = {}
        self._conditions = {"delay": 0.0, "spread": 0.0, "loss": 0.0}

    def __repr__(self) -> str:
        return f"<MemoryNetwork of {len(self._hosts)} hosts, {self.statistics()}>"

    def statistics(self) -> NetworkStatistics:
        """Return what was carried so far."""
        courier = self.courier
        return NetworkStatistics(
            segments=courier.segments,
            bytes=courier.bytes,
            checksum=courier.checksum,
            streams=sum(len(host.streams) for host in self._hosts.values()),
        )

    def host(self, name: str) -> MemoryTransport:
        """Return the transport of host `name`, which is made or started anew.

        A transport is good for one life of its host. After `crash` this gives
        another; what holds the old one reaches nothing with it.
        """
        transport = self._hosts.get(name)
        if transport is None or not transport.alive:
            transport = self._hosts[name] = MemoryTransport(self, name)
            if name in self._dark:
                self._dark.discard(name)
                self._reroute(name)
        return transport

    def delay(self, a: str, b: str, seconds: float, *, spread: float = 0.0) -> None:
        """Make each segment between `a` and `b` travel this long, one way.

        Args:
            a: A host; the order of the two does not matter.
            b: The other.
            seconds: The least time, 0 or more.
            spread: Up to this many seconds more, uniformly; order is kept.
        """
        _check("a delay", seconds, spread)
        for route in self._both_ways(a, b):
            route.set_conditions(delay=seconds, spread=spread, loss=route.loss)

    def loss(self, a: str, b: str, p: float) -> None:
        """Lose each try to send a segment between `a` and `b` with chance `p`.

        TCP sends again, so the segment comes 200 ms later, then 400 ms more,
        and so on, doubling; later segments wait behind it. One write is one
        segment. A lost try to connect is repeated after 1 s, doubling.
        """
        _check_probability(p)
        for route in self._both_ways(a, b):
            route.set_conditions(delay=route.delay, spread=route.spread, loss=p)

    def everywhere(
        self, *, delay: float = 0.0, spread: float = 0.0, loss: float = 0.0
    ) -> None:
        """Set delay and loss of all pairs, those to come as well.

        What `delay` and `loss` said of single pairs before is replaced.

        Args:
            delay: The least seconds a segment travels, one way.
            spread: Up to this many seconds more.
            loss: The chance that a try to send is lost, as for `loss`.
        """
        _check("a delay", delay, spread)
        _check_probability(loss)
        self._conditions = {"delay": delay, "spread": spread, "loss": loss}
        for _, _, route in self._all_routes():
            route.set_conditions(**self._conditions)

    def partition(self, *groups: Iterable[str]) -> None:
        """Let two hosts reach each other only if they share a group.

        Hosts in no group are one group more, so `partition({"a"})` isolates
        `a`; a host in two groups is a bridge. Replaces any partition before.

        As in TCP nothing is told: streams across fall silent, writes fill
        the buffer, tries to connect hang (127 s at most). After `heal` the
        bytes flow again, each stream at its next retransmission: the longer
        the silence, the later. No stream gives up by itself in between, as
        Linux does only after a quarter of an hour.
        """
        self._groups = tuple(frozenset(group) for group in groups)
        named = " | ".join(",".join(sorted(group)) for group in self._groups)
        self.trace(f"partition {named}")
        self._reroute()

    def heal(self) -> None:
        """End the partition; delays, losses and walls stay."""
        self._groups = ()
        self.trace("heal")
        self._reroute()

    def wall(self, a: str, b: str, *, up: bool = True) -> None:
        """Let no try to connect from `a` reach `b`, as a firewall does.

        Streams that are open, and those that `b` opens, are not concerned.
        `up=False` takes the wall away.
        """
        (self._walls.add if up else self._walls.discard)((a, b))
        self.trace(f"wall {a} -> {b} {'up' if up else 'down'}")

    def cut(self, a: str, b: str, *, half_open: bool = False) -> None:
        """Break all streams between `a` and `b`; new ones can be opened.

        Both ends are reset and bytes under way are lost, from a seeded byte
        on. With `half_open` neither end is told: they are silent for ever,
        writes fill the buffer and go nowhere.
        """
        self.trace(f"cut {a} {b}{' half-open' if half_open else ''}")
        for stream in self._streams_between(a, b):
            if half_open:
                stream.sever()
            else:
                stream.reset("cut")

    def abort(self, a: str, b: str) -> None:
        """Break all streams between `a` and `b` and tell `a` only.

        For `b` they are silent for ever; it finds out when it has to.
        """
        self.trace(f"abort {a} {b}")
        for stream in self._streams_between(a, b):
            stream.sever()
            if stream.transport.name == a:
                stream.reset("cut")

    def crash(self, name: str, *, silent: bool = False) -> None:
        """End all that host `name` had open, and free its ports.

        Without `silent` only its process dies: peers get a reset, tries to
        connect are refused. With it the machine is gone: peers hear nothing
        and tries to connect hang, until `host(name)` starts it anew; then
        what peers had under way is answered with resets.

        The transport of that life is dead from now on: its methods raise, so
        that tasks that are still being torn down reach nobody.
        """
        transport = self._hosts.get(name)
        if transport is None or not transport.alive:
            return
        self.trace(f"crash {name}{' silent' if silent else ''}")
        if silent:
            self._dark.add(name)
            self._reroute(name)
            for route in self._routes.get(name, {}).values():
                for pipe in route.pipes:
                    pipe.lose()
        transport.die(silent=silent)

    def route(self, a: str, b: str) -> Route:
        """Return the way from `a` to `b`."""
        routes = self._routes.setdefault(a, {})
        route = routes.get(b)
        if route is None:
            route = routes[b] = Route(self.rng, **self._conditions)
            if not self._reaches(a, b):
                route.block()
        return route

    def find(self, name: str) -> MemoryTransport | None:
        """Return the transport that host `name` has or had last."""
        return self._hosts.get(name)

    def hosts(self) -> list[MemoryTransport]:
        """Return the hosts that are alive, in the order they came."""
        return [host for host in self._hosts.values() if host.alive]

    def walled(self, a: str, b: str) -> bool:
        """Whether a wall keeps `a` from connecting to `b`."""
        return (a, b) in self._walls

    def pipe(self, a: str, b: str) -> Pipe:
        """Make a pipe from `a` to `b`."""
        self._pipes += 1
        return Pipe(self.route(a, b), self.courier, self._pipes, self.buffer)

    def _reaches(self, a: str, b: str) -> bool:
        if a in self._dark or b in self._dark:
            return False
        for group in self._groups:
            if a in group and b in group:
                return True
        return not any(a in group or b in group for group in self._groups)

    def _reroute(self, name: str | None = None) -> None:
        for a, b, route in list(self._all_routes(name)):
            if self._reaches(a, b):
                route.unblock()
            else:
                route.block()

    def _all_routes(self, name: str | None = None) -> Iterator[tuple[str, str, Route]]:
        """Yield each route, or each from or to the host `name`."""
        for a, routes in self._routes.items():
            for b in routes if name in {None, a} else {name} & routes.keys():
                yield a, b, routes[b]

    def _both_ways(self, a: str, b: str) -> tuple[Route, Route]:
        return self.route(a, b), self.route(b, a)

    def _streams_between(self, a: str, b: str) -> list[MemoryStream]:
        return [
            pipe.sender for route in self._both_ways(a, b) for pipe in list(route.pipes)
        ]


def _discard(_: str) -> None:
    """Trace nothing."""


def _check(what: str, *seconds: float) -> None:
    if not all(0 <= value < inf for value in seconds):
        raise ValueError(f"{what} is a number of seconds from 0, not {seconds}")


def _check_probability(p: float) -> None:
    if not 0 <= p < 1:
        raise ValueError(f"a probability of loss is from 0 to below 1, not {p}")
