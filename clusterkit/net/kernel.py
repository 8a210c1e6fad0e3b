"""The network kernel: the listener, all links, and the way to each.

It knows nothing of actors. What comes in goes to the `Observer` it is given;
what goes out is posted on the `Link` it hands out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.errors import ConfigError, NodeDown, NodeUnknown
from clusterkit.names import Address, NodeInfo, node_info
from clusterkit.net.link import Link
from clusterkit.net.reception import Reception
from clusterkit.net.refusals import Refusals
from clusterkit.net.tcp import is_unspecified
from clusterkit.net.transport import StreamBroken
from clusterkit.wire.assembly import Room
from clusterkit.wire.greetings import COUNTER_LIMIT, NONCE_BYTES
from clusterkit.wire.handshake import Identity
from clusterkit.wire.seal import checked_cookie

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from random import Random

    from clusterkit.config import Config
    from clusterkit.net.client_peer import ClientPeer
    from clusterkit.net.peer import LinkStatistics, Observer, Peer
    from clusterkit.net.transport import Listener, Transport
    from clusterkit.wire.codec import Codec

MOST_LINKS: Final = 4_096
"""Links from which on those that are neither up nor needed are forgotten: nodes
that called once, each under a name of its own, would be kept for ever. What such
a node may send again, because its ack was lost, it is told is undelivered."""


class Kernel:
    """All links of one node.

    Of `node.kernel` programs use `connect`, `disconnect`, `is_connected` and
    `links`; the rest is for the node itself, and may change.

    Args:
        me: Who this node is.
        cookies: The first one dials, all are accepted.
        transport: Makes streams.
        codec: Encodes and decodes records.
        config: Bounds and times.
        rng: Source of nonces, jitter and ids. `random.SystemRandom`, whose
            bytes nobody can guess; a seeded one makes a simulation repeatable.
        observer: What is told what arrives and what happens.
        ring_name: Returns the ring this node is in, "" for none.

    Attributes:
        address: What peers are told; set by `listen`.
        peers: The links, by name.
        clients: Connected tools, oldest first.
        refusals: What was refused, here and there.
        sessions: Highest session number of any link so far. New links begin
            there: one that began at 0 again would accept a Proof which was
            on its way before it was made anew.
        ended: Whether `run` is over.
        assembly: What all peers have together for large messages under way.
    """

    _nursery: trio.Nursery  # from `run` on

    def __init__(
        self,
        me: Identity,
        cookies: Sequence[bytes],
        transport: Transport,
        codec: Codec,
        config: Config,
        rng: Random,
        observer: Observer,
        ring_name: Callable[[], str],
    ) -> None:
        self.me = me
        self.cookies = [checked_cookie(cookie) for cookie in cookies]
        self.transport = transport
        self.codec = codec
        self.config = config
        self.rng = rng
        self.observer = observer
        self.ring_name = ring_name
        self.address = Address("", 0)
        self.peers: dict[str, Link] = {}
        self.clients: dict[ClientPeer, None] = {}
        self.refusals = Refusals(trio.current_time)
        self.sessions = 0
        self.ended = False
        self.reception = Reception(self)
        self.assembly = Room(config.assembly_bytes)
        self._book: dict[str, Address] = {}
        self._listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<Kernel {self.me.name} at {self.address} links={len(self.peers)}>"

    async def listen(self, bind: Address, advertise: Address | None = None) -> Address:
        """Bind the listener; connections wait in its backlog until `run`.

        Args:
            bind: Where; port 0 takes any free one.
            advertise: What peers are told; port 0 stands for the bound one.

        Returns:
            The bound address.

        Raises:
            OSError: It is in use, or not of this machine.
            ConfigError: It turns out to be all addresses of this machine, and
                nothing else is advertised.
        """
        self._listener = await self.transport.listen(bind)
        if advertise is None and is_unspecified(self._listener.address.host):
            raise ConfigError(f"{bind.host} is a wildcard: pass advertise=")
        bound = Address(bind.host, self._listener.address.port)
        host, port = advertise or bound
        self.address = Address(host, port or bound.port)
        return bound

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Carry all links until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                while True:
                    await trio.sleep(self.config.idle_close / 4)
                    self._close_idle()
            finally:
                self.ended = True  # the nursery is about to take no more tasks

    def accept(self) -> None:
        """Begin to accept connections; actors must be ready for messages."""
        if self._listener is not None:
            self.spawn(self._accept_all, self._listener)

    def stop_accepting(self) -> None:
        """Close the listener; established links go on."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def use_cookies(self, cookies: Sequence[bytes]) -> None:
        """Take other cookies from now on; sessions that are up go on."""
        # In place: handshakes that are under way look at the same list.
        self.cookies[:] = [checked_cookie(cookie) for cookie in cookies]

    def spawn(self, task: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Start a task that lives no longer than the kernel; none after its end."""
        if not self.ended:
            self._nursery.start_soon(task, *args)

    def know(self, node: NodeInfo) -> None:
        """Remember where a node listens; an existing link learns it too."""
        self._book[node.id] = node.address
        link = self.peers.get(node.id)
        if link is not None and link.address != node.address:
            link.address = node.address
            if link.connection is None:
                link.detach("moved")  # dials of the old address are pointless
                link.ensure_dialling()

    def where(self, name: str) -> Address | None:
        """Return where a node is known to listen, None if it is not."""
        link = self.peers.get(name)
        return link.address if link is not None else self._book.get(name)

    def forget(self, name: str) -> None:
        """Forget where a node listens; links are not touched."""
        self._book.pop(name, None)

    def declare_dead(self, name: str) -> None:
        """Hear that a node is dead, as others say: who waits for it is told now."""
        link = self.peers.get(name)
        if link is not None and link.connection is None and not link.down:
            link.declare_down()

    def link_to(self, name: str) -> Link:
        """Return the link to a node, made if need be."""
        link = self.peers.get(name)
        if link is None:
            if len(self.peers) >= MOST_LINKS:
                self._drop_unneeded()
            link = Link(name, self, self._book.get(name))
            self.peers[name] = link
        return link

    def _drop_unneeded(self) -> None:
        """Forget some of the links that nobody needs, those made first."""
        unneeded = [link for link in self.peers.values() if link.unneeded]
        for link in unneeded[: MOST_LINKS // 4]:
            self.drop(link, "not needed")

    def route(self, name: str) -> Link:
        """Return the link to a node that can be reached or is connected.

        Raises:
            NodeUnknown: Nothing is known of such a node.
            NodeDown: This node has ended.
        """
        if self.ended:
            raise NodeDown("this node has ended", "not sent")
        link = self.peers.get(name)
        if link is not None:
            return link
        if name not in self._book:
            raise NodeUnknown(
                f"no address is known for node {name!r}; meet it, or use name@host:port"
            )
        return self.link_to(name)

    async def connect(self, address: NodeInfo | str) -> Link:
        """Open a link to a node and keep it; wait until it is up.

        Where that fails, or is cancelled, nothing is kept: the node is dialled
        no further, unless the link was kept before or has something to send.

        Args:
            address: The node, as `id@host:port`.

        Returns:
            The link.

        Raises:
            NodeDown: It was not reached within `down_after`.
            WrongCookie: It has another cookie.
            WrongNode: Another node answers there.
            WrongRing: It is in another ring.
            VersionRefused: No common protocol version.
            TlsRefused: One end has no TLS, or no certificate the other takes.
            NameTaken: It knows another live node of our name.
            ConfigError: The address is not valid, or our own.

        Cancellation:
            Ends the wait, and the dialling with it, unless others need it.
        """
        node = node_info(address)
        if node.id == self.me.name:
            raise ConfigError(f"{node} is this node itself")
        self.know(node)
        link = self.link_to(node.id)
        await link.up()
        link.pinned = True
        return link

    async def disconnect(self, name: str, *, force: bool = False) -> None:
        """Close the link to a node; unknown names are ignored.

        For nodes that are no members: a link that `connect` keeps, or one that
        a call has opened, is let go of. The node may still dial us, and the
        next message to it opens a link again. The link to a member comes back
        with the next round of gossip, from either side; `gossip.remove` parts
        with one for good.

        Args:
            name: The node.
            force: Drop what is queued instead of sending it first. Otherwise
                this waits up to `drain_timeout`.

        Cancellation:
            Ends the wait; the link is kept no more, but not closed yet.
        """
        link = self.peers.get(name)
        if link is None:
            return
        link.pinned = False
        if not force:
            with trio.move_on_after(self.config.drain_timeout):
                await link.drain()
        if not (link.pinned or link.seekers):  # else asked for again meanwhile
            self.drop(link, "disconnected")

    def drop(self, link: Link, reason: str) -> None:
        """Close a link at once and account for all that it held."""
        if self.peers.get(link.name) is link:
            del self.peers[link.name]
        link.gone = True
        link.close(reason)

    async def drain(self, timeout: float) -> None:
        """Send what is queued on every link, then say Bye, within `timeout`."""
        with trio.move_on_after(timeout):
            async with trio.open_nursery() as nursery:
                for link in list(self.peers.values()):
                    nursery.start_soon(link.drain)
                for client in list(self.clients):
                    nursery.start_soon(client.drain)

    def everybody(self) -> Iterator[Peer]:
        """Yield every peer, links first."""
        yield from list(self.peers.values())
        yield from list(self.clients)

    def is_connected(self, name: str) -> bool:
        """Say whether there is a live session with a node, or it is this one.

        Args:
            name: The node's; an unknown one is not connected.
        """
        link = self.peers.get(name)
        return name == self.me.name or bool(link and link.connection)

    def links(self) -> tuple[LinkStatistics, ...]:
        """Return a snapshot of every link, by name."""
        return tuple(self.peers[name].statistics() for name in sorted(self.peers))

    def outgrow(self, known: str) -> bool:
        """Take an incarnation above one that a peer knows, once, at the start.

        That happens when the clock of the machine was set back between two
        lives of the node and nothing was saved.

        Args:
            known: The peer's number, as its refusal tells it.

        Returns:
            Whether it was done; not once a link has been up, nor when there
            is none above it.
        """
        begun = any(link.reconnects >= 0 for link in self.peers.values())
        if begun or not known.isdecimal():
            return False
        next_ = int(known) + 1
        if not self.me.incarnation < next_ < COUNTER_LIMIT:
            return False
        self.me = Identity(name=self.me.name, incarnation=next_)
        return True

    def nonce(self) -> bytes:
        """Return 32 unpredictable bytes."""
        return self.rng.randbytes(NONCE_BYTES)

    def fresh_id(self) -> int:
        """Return a random id for a conversation, never 0."""
        return self.rng.getrandbits(64) or 1

    def _close_idle(self) -> None:
        """Say Bye on links that nobody needs; they are dialled anew on demand."""
        for link in self.peers.values():
            if link.idle(self.config.idle_close) and link.connection is not None:
                # At once: a call sent before the task runs would be given up.
                link.connection.leave()
                self.spawn(link.connection.finish)

    async def _accept_all(self, listener: Listener) -> None:
        while self._listener is listener:
            try:
                stream, host = await listener.accept()
            except StreamBroken:
                return  # stop_accepting closed it under us
            self.spawn(self.reception.receive, stream, host)
