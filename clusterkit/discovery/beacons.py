"""Nodes of one LAN find each other: each says now and then that it is there.

What is said, and who is believed, is in `wire.beacon` and `wire.beacon_judge`. The
invariant is that beacons cost a node that has found its ring nothing but a few of
its own, and one look each at those of the others.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, ip_address
from math import inf
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import ConfigError
from clusterkit.names import check_port
from clusterkit.net.datagrams import Reach, is_ipv4
from clusterkit.net.guesses import source_of
from clusterkit.net.tcp import is_unspecified
from clusterkit.wire.beacon import NONCE_BYTES, Beacon, BeaconKeys, write_body
from clusterkit.wire.beacon_judge import Judge

if TYPE_CHECKING:
    from clusterkit.discovery.source import Found, Surroundings
    from clusterkit.net.datagrams import Datagrams

BEACON_PORT: Final = 7022
"""UDP port of beacons, that of nodes on TCP: one number for a firewall."""

GROUP: Final = "239.255.70.22"
"""Multicast group of beacons, of those that stay within a site (RFC 2365)."""

LOOPBACK: Final = "127.0.0.1"
"""Where those of a node that listens on this machine only leave."""

BROADCAST: Final = "255.255.255.255"
"""Address for those that no switch carries a group for."""

FIRST: Final = (0.1, 0.3)
"""Seconds after the first beacon at which it is repeated: one in ten may be lost."""

ANSWER_WITHIN: Final = 0.1
"""Seconds within which a node that was not known is answered by a beacon."""

ANSWER_PAUSE: Final = 0.5
"""Least seconds between two such answers."""

ANSWERS: Final = 4
"""How many members of a ring answer a newcomer, on average."""

_REOPEN: Final = 5.0  # seconds until a socket that cannot be had is tried again


class Beacons:
    """Find nodes of the same ring and cookie on the same LAN, by UDP.

    Args:
        group: Multicast group, None for none.
        broadcast: Broadcast address, None for none.
        port: UDP port, the same for all.
        interface: IPv4 address of the interface to use. None: the one that the
            node was told to listen at, or else the system's choice.
        interval: Seconds between two beacons, about.
        window: Seconds that clocks may differ. A beacon that somebody has
            recorded is good for as long, to a node that has not heard it.
        encrypt: Whether beacons are encrypted, so that nobody reads names and
            addresses; all nodes do, or none. Needs `clusterkit[encryption]`.

    Attributes:
        reach: Whom it hears, and whom it speaks to.

    Raises:
        ConfigError: A value is impossible, or the package is missing.
    """

    name: Final = "beacons"

    def __init__(
        self,
        *,
        group: str | None = GROUP,
        broadcast: str | None = BROADCAST,
        port: int = BEACON_PORT,
        interface: str | None = None,
        interval: float = 1.0,
        window: float = 30.0,
        encrypt: bool = False,
    ) -> None:
        if group is None and broadcast is None:
            raise ConfigError("beacons need a multicast group or a broadcast address")
        for address in (group, broadcast, interface):
            if address is not None and not is_ipv4(address):
                raise ConfigError(f"beacons are sent by IPv4, not to {address!r:.100}")
        if group is not None and not ip_address(group).is_multicast:
            raise ConfigError(f"{group} is no multicast group: 224.0.0.0 and above are")
        _check_seconds("interval", interval)
        _check_seconds("window", window)
        BeaconKeys((bytes(32),), encrypted=encrypt)
        self.interface = interface
        self.reach = Reach(
            port=check_port(port), group=group, broadcast=broadcast, interface=interface
        )
        self.interval = interval
        self.window = window
        self._encrypt = encrypt

    def __repr__(self) -> str:
        reach = self.reach
        return f"<Beacons {reach.group} {reach.broadcast} port={reach.port}>"

    @property
    def destination(self) -> str:
        """Where beacons go, of which way this machine's address is told."""
        return self.reach.group or self.reach.broadcast or BROADCAST

    def at(self, host: str) -> Beacons:
        """Return the same for a node that listens at `host` only.

        On a loopback address beacons stay on this machine; on another IPv4
        address they use its interface.
        """
        host = LOOPBACK if host == "localhost" or _is_ipv6_loopback(host) else host
        if self.interface is not None or not is_ipv4(host) or is_unspecified(host):
            return self
        reach = replace(self.reach, interface=host)
        if ip_address(host).is_loopback and reach.broadcast == BROADCAST:
            reach = replace(reach, broadcast="127.255.255.255")
        local = Beacons.__new__(Beacons)
        vars(local).update(vars(self), interface=host, reach=reach)
        return local

    async def run(self, found: Found, node: Surroundings) -> None:
        """Say that the node is there, and listen; see `Source.run`."""
        talk = _Talk(self, found, node)
        while True:
            try:
                socket = await node.datagrams.open(self.reach)
                try:
                    await talk.run(socket)
                finally:
                    socket.close()
            except* OSError as group:
                node.count("no_socket")
                remedy = f"is UDP port {self.reach.port} free, and an interface up?"
                node.say("beacons_failed", error=_first(group), remedy=remedy)
            await node.refresh(_REOPEN)

    def keys(self, secrets: tuple[bytes, ...]) -> BeaconKeys:
        """Return the keys that follow from stretched cookies.

        Args:
            secrets: The cookies; the first signs.
        """
        return BeaconKeys(secrets, encrypted=self._encrypt)


class _Talk:
    """What one node says and hears."""

    _socket: Datagrams

    def __init__(self, beacons: Beacons, found: Found, node: Surroundings) -> None:
        self._beacons = beacons
        self._found = found
        self._node = node
        self._judge = Judge(beacons.window, trio.current_time())
        self._sequence = 0
        self._secrets: tuple[bytes, ...] = ()
        self._keys = beacons.keys(())
        self._next = trio.current_time()
        self._answered = -ANSWER_PAUSE
        self._sooner = trio.Event()

    async def run(self, socket: Datagrams) -> None:
        """Speak and listen on a socket until it fails."""
        self._socket = socket
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._speak)
            await self._listen()

    async def _speak(self) -> None:
        began = trio.current_time()
        due = [began, *(began + seconds for seconds in FIRST)]
        while True:
            self._next = due.pop(0) if due else self._after()
            await self._pause()
            if self._node.ring():
                await self._send()

    def _after(self) -> float:
        return trio.current_time() + self._beacons.interval * self._node.rng.uniform(
            0.9, 1.1
        )

    async def _pause(self) -> None:
        """Wait until the next beacon is due, which may come to be sooner."""
        while (left := self._next - trio.current_time()) > 0:
            self._sooner = trio.Event()
            with trio.move_on_after(left):
                await self._sooner.wait()

    async def _send(self) -> None:
        self._sequence += 1
        body = write_body(self._me())
        datagram = self._current_keys().seal(
            body, self._node.rng.randbytes(NONCE_BYTES)
        )
        for to in self._beacons.reach.destinations:
            try:
                await self._socket.send(datagram, to)
            except OSError as error:  # one way may be closed, and the other open
                self._node.count("not_sent")
                self._node.say("beacon_not_sent", to=to, error=error)

    async def _listen(self) -> None:
        while True:
            datagram, host = await self._socket.receive()
            if not self._node.ring():
                continue
            said = self._judge.hear(
                datagram,
                source_of(host),
                self._current_keys,
                self._me,
                trio.current_time(),
            )
            if isinstance(said, Beacon):
                self._hear(said, host)
            else:
                self._refuse(said, host)

    def _hear(self, beacon: Beacon, host: str) -> None:
        node = beacon.node
        if host != node.host and is_ipv4(node.host) and is_ipv4(host):
            self._node.count("other_source")
            self._node.say(
                "beacon_from_elsewhere",
                peer=node,
                host=host,
                remedy="set advertise= there if it cannot be dialled",
            )
        if self._node.knows(node):
            return
        self._found(node, heard=True)
        now = trio.current_time()
        # Of a large ring a few answer: the newcomer needs one.
        if now - self._answered < ANSWER_PAUSE:
            return
        if self._node.rng.random() * len(self._node.members()) < ANSWERS:
            self._answered = now
            soon = now + self._node.rng.uniform(0, ANSWER_WITHIN)
            self._next = min(self._next, soon)
            self._sooner.set()

    def _refuse(self, reason: str, host: str) -> None:
        if reason in {"own", "duplicate"}:  # every beacon comes by two ways
            return
        self._node.count(reason)
        last = self._judge.last
        if reason == "clock" and last is not None:
            ahead = last.wall_ms / 1000 - self._node.wall_clock()
            self._node.say(
                "beacon_clock",
                peer=last.node,
                ahead=f"{ahead:+.0f} s",
                remedy="set the clocks of both machines right, with NTP, or raise window=",
            )
        elif reason == "name_taken" and last is not None:
            self._node.say(
                "name_taken",
                peer=last.node,
                remedy="give every node a name of its own, and restart this one",
            )
        elif reason in {"form", "forged"}:
            self._node.say(
                "beacon_refused", host=host, reason=reason, remedy=_why(reason)
            )

    def _me(self) -> Beacon:
        node = self._node
        wall_ms = int(node.wall_clock() * 1000)
        return Beacon(
            node.ring(), node.info(), node.incarnation(), self._sequence, wall_ms
        )

    def _current_keys(self) -> BeaconKeys:
        secrets = self._node.secrets()
        if secrets != self._secrets:
            self._secrets, self._keys = secrets, self._beacons.keys(secrets)
        return self._keys


def _check_seconds(what: str, value: object) -> None:
    if not isinstance(value, (int, float)) or not 0 < value < inf:
        raise ConfigError(f"{what} is seconds above 0, not {value!r:.100}")


def _is_ipv6_loopback(host: str) -> bool:
    try:
        address = IPv6Address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped
    return address.is_loopback or (mapped is not None and mapped.is_loopback)


def _first(group: BaseExceptionGroup[OSError]) -> BaseException:
    """Return one of the errors, that of a task among them."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _why(reason: str) -> str:
    if reason == "form":
        return "encrypt beacons on all nodes, or on none"
    return "give all nodes the same cookie, or the two clusters different ports"
