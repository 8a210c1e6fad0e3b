"""A tool's connection to one node: no listener, no name, no resume.

What `cluster-cli` is made of. It shakes hands as a client, and everything it
asked for dies with its connection.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from clusterkit.errors import (
    NodeDown,
    ProtocolError,
    TlsRefused,
    WrongCookie,
    WrongNode,
)
from clusterkit.net.connection import Connection
from clusterkit.net.greeter import ask, open_session, secure
from clusterkit.net.peer import Peer
from clusterkit.net.refusals import refusal_error
from clusterkit.net.transport import StreamBroken
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.greetings import NONCE_BYTES
from clusterkit.wire.handshake import Challenged, Identity, Refused, Welcomed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from random import Random

    from clusterkit.config import Config
    from clusterkit.names import Address
    from clusterkit.net.transport import Stream, Transport
    from clusterkit.wire.codec import Codec
    from clusterkit.wire.messages import Record
    from clusterkit.wire.session import Session


class ServingNode(Peer):
    """The node that a tool is connected to.

    Attributes:
        ring: The name of the ring it is in.
        lost: Why the connection ended, None while it is there.
        ended: Set when it has.
    """

    def __init__(self, name: str, config: Config) -> None:
        super().__init__(name, config)
        self.ring = ""
        self.lost: str | None = None
        self.ended = trio.Event()


@asynccontextmanager
async def connect_as_client(
    address: Address,
    cookies: Sequence[bytes],
    transport: Transport,
    codec: Codec,
    config: Config,
    rng: Random,
    deliver: Callable[[ServingNode, list[Record]], None],
    *,
    expected: str | None = None,
) -> AsyncIterator[ServingNode]:
    """Connect to a node as a tool, for the length of the block.

    Args:
        address: Where it listens.
        cookies: Tried in turn.
        transport: Makes the stream.
        codec: Encodes and decodes records.
        config: Bounds and times.
        rng: Source of the nonce and of ids; as for `Kernel`.
        deliver: Gets what the node sends.
        expected: The name that must answer, None for whoever does.

    Yields:
        The node; its `connection` is None once it is lost.

    Raises:
        NodeDown: Nobody listens there, or not for us.
        WrongCookie: It has another cookie.
        WrongNode: Another node answers.
        VersionRefused: No common protocol version.
        TlsRefused: One end has no TLS, or no certificate that the other takes.
    """
    me = Identity(
        name=f"client-{rng.getrandbits(32):08x}",
        incarnation=rng.getrandbits(63),
        role="client",
    )
    refused: Refused | None = None
    for cookie in cookies:
        dialer = Dialer(me, cookie, rng.randbytes(NONCE_BYTES), expected)
        met = await _meet(address, dialer, transport, codec, config, rng)
        if not isinstance(met, Refused):
            async with _carried(*met, deliver) as node:
                yield node
            return
        refused = met
        if refused.reason != "cookie":
            break
    if refused is not None:
        raise refusal_error(str(address), refused)


async def _meet(
    address: Address,
    dialer: Dialer,
    transport: Transport,
    codec: Codec,
    config: Config,
    rng: Random,
) -> tuple[Stream, ServingNode, Session] | Refused:
    """Connect and shake hands."""
    try:
        stream = await transport.connect(address)
    except StreamBroken as error:
        raise NodeDown(str(error), outcome="not sent") from error
    try:
        met = await _shake(stream, address, dialer, codec, config, rng)
    except StreamBroken as error:
        stream.close()
        raise NodeDown(f"{address}: {error}", outcome="not sent") from error
    except ProtocolError as error:
        stream.close()
        if error.reason == "cookie":
            raise WrongCookie(f"{address} has another cookie") from error
        if error.reason == "tls":
            raise TlsRefused(f"{address}: {error}") from error
        raise
    except BaseException:
        stream.close()
        raise
    if isinstance(met, Refused):
        stream.close()
        return met
    return stream, *met


async def _shake(
    stream: Stream,
    address: Address,
    dialer: Dialer,
    codec: Codec,
    config: Config,
    rng: Random,
) -> tuple[ServingNode, Session] | Refused:
    await secure(stream, dialer)
    challenged = await ask(stream, dialer, dialer.hello(), Challenged)
    if isinstance(challenged, Refused):
        return challenged
    if dialer.expected not in (None, challenged.name):
        raise WrongNode(
            f"{challenged.name} answers at {address}, not {dialer.expected}"
        )
    node = ServingNode(challenged.name, config)
    offer = node.talk.offer(rng.getrandbits(64) or 1)
    proof = dialer.prove("", "", 0, config.max_message, offer)
    welcomed = await ask(stream, dialer, proof, Welcomed)
    if isinstance(welcomed, Refused):
        return welcomed
    welcome = welcomed.welcome
    node.talk.conclude(welcome, challenged.incarnation)
    node.ring = welcome.ring
    node.take_limit(welcome.max_message)
    now = trio.current_time()
    return node, open_session(dialer, node.talk, codec, config, now, dialer=True)


@asynccontextmanager
async def _carried(
    stream: Stream,
    node: ServingNode,
    session: Session,
    deliver: Callable[[ServingNode, list[Record]], None],
) -> AsyncIterator[ServingNode]:
    """Run the session beside the block; end both at once, whatever is queued."""
    connection = node.connection = Connection(
        stream, session, node.outbox, lambda records, _: deliver(node, records)
    )

    async def carry() -> None:
        reason = await connection.run()
        node.connection = None
        node.lost = reason
        node.unpark()
        node.ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry)
        try:
            yield node
        finally:
            connection.detach("closed")
