"""A tool's connection to a node, as calls to its command server.

What travels is `net.client`'s; here each question meets its answer, its error
or its deadline. A connection that breaks fails what was asked over it, and
nothing is ever asked twice.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import field
from math import inf
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any, Final

import trio

from clusterkit.actors.calls import Calls, Pending
from clusterkit.actors.faults import from_fault
from clusterkit.cluster.groups import collapsed_groups
from clusterkit.cluster.own_names import COMMAND
from clusterkit.config import Config
from clusterkit.errors import (
    ActorDown,
    CallTimeout,
    NodeDown,
    ProtocolError,
    Rejected,
    TlsRefused,
)
from clusterkit.frozen import frozen
from clusterkit.net.client import ServingNode, connect_as_client
from clusterkit.net.tcp import TcpTransport
from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clusterkit.cluster.command_spec import Command
    from clusterkit.names import Address
    from clusterkit.net.transport import Transport
    from clusterkit.wire.messages import Record

POLL: Final = 20.0
"""Seconds that one question for events may wait at the node."""

_REASONS: Final = {"bye": "it has shut down", "dead": "no sign of life"}

LATITUDE: Final = 1.0
"""Seconds beyond the time that the node is given, in which its own error, which
says more than a timeout of the tool's, can still arrive."""

_HEDGE: Final = "; it may still take effect"


@frozen(kw_only=True)
class Destination:
    """Which node to command, and how to be let in.

    Attributes:
        address: Where it listens.
        cookies: Tried in turn.
        instance: The name that must answer, None for whoever does.
        timeout: Seconds for connecting, and for each command.
        transport: Makes the stream.
        config: Bounds and times of the connection.
        rng: Source of nonces and ids; unpredictable unless in a simulation.
    """

    address: Address
    cookies: tuple[bytes, ...] = field(repr=False)
    instance: str | None = None
    timeout: float = 5.0
    transport: Transport = field(default_factory=TcpTransport)
    config: Config = field(default_factory=Config)
    rng: Random = field(default_factory=SystemRandom, repr=False)


class Client:
    """One authenticated connection; made by `open_client`.

    Attributes:
        node: The node at its other end.
        calls: What waits for an answer.
    """

    node: ServingNode  # once connected

    def __init__(self, codec: Codec) -> None:
        self.calls = Calls(0, self._abandon)
        self._codec = codec

    def __repr__(self) -> str:
        return f"<Client of {self.node.name} {self.node.lost or 'connected'}>"

    @property
    def why_lost(self) -> str:
        """Why the connection has ended, for a person."""
        reason = str(self.node.lost)
        return _REASONS.get(reason, reason)

    async def ask(
        self, command: Command, values: dict[str, Any], timeout: float
    ) -> Any:
        """Have the node carry out a command; return its result.

        Args:
            command: The row of the table.
            values: Its arguments, by name.
            timeout: Seconds. A node that is told how long it may take gets
                all of them, and `LATITUDE` on top for its answer to arrive.

        Raises:
            Rejected: The node refuses; with the text and an exit status.
            CallTimeout: No answer in time; a change may still take effect.
            NodeDown: The connection is lost.
        """
        if command.timed:
            values = {**values, "timeout": timeout}
            timeout += LATITUDE
        hedge = _HEDGE if command.changes else ""
        try:
            return await self.call(command.name, values, timeout)
        except CallTimeout as error:
            raise CallTimeout(f"{error}{hedge}") from error
        except Rejected as error:
            _say_what_may_be(error, hedge)
            raise

    async def watch(self) -> AsyncIterator[dict[str, Any]]:
        """Yield the node's events as they come, for ever.

        Raises:
            NodeDown: The connection is lost.
        """
        await self.call("watch", {"timeout": 0.0}, POLL)
        while True:
            for event in await self.call("watch", {"timeout": POLL}, inf):
                yield event

    async def call(self, event: str, values: dict[str, Any], timeout: float) -> Any:
        """Call the command server, by keyword arguments alone."""
        node = self.node
        if node.lost is not None:
            raise NodeDown(f"the connection to {node.name} is lost", "not sent")
        self.calls.last_id = call_id = self.calls.last_id + 1
        budget = m.budget_ms(timeout)
        record = [m.CALL, COMMAND, event, [], values, call_id, budget]
        data = self._codec.encode(record, node.max_message)
        now = trio.current_time()
        pending = self.calls.open(call_id, node, "", event, timeout, now)
        pending.ticket = node.post(data, m.CALL, pending.id)
        node.flush()
        try:
            return await self.calls.wait(pending)
        except ActorDown as error:
            # The command server lives as long as its node.
            raise NodeDown(f"{node.name} is stopping: {error}") from error

    def deliver(self, records: list[Record]) -> None:
        """Take what the node sends; all but answers is for members only."""
        for record in records:
            if record[m.KIND] == m.REPLY:
                self.calls.resolve(record[m.ANSWERS], self.node, record[m.VALUE])
            elif record[m.KIND] == m.FAULT:
                error = from_fault(record[m.CODE], record[m.DETAILS], {})
                self.calls.fail(record[m.ANSWERS], self.node, error)

    async def fail_when_lost(self) -> None:
        """Fail what waits for an answer when the connection ends."""
        await self.node.ended.wait()
        text = f"the connection to {self.node.name} is lost: {self.why_lost}"
        self.calls.fail_all(self.node, lambda: NodeDown(text))

    def _abandon(self, pending: Pending) -> None:
        node = self.node
        if node.connection is not None and not node.outbox.withdraw(pending.ticket):
            node.post(self._codec.encode([m.CANCEL, pending.id]), m.CANCEL, None)
            node.flush()


def _ask(error: NodeDown) -> str:
    """Return what may be wrong where a node was not reached."""
    unresolved = str(error).startswith("cannot resolve")
    return "is the host's name right?" if unresolved else "is the node running?"


def _advice(transport: Transport) -> str:
    """Return what to do where only the node has TLS."""
    if not isinstance(transport, TcpTransport):
        return ""
    return "; give --tls-cert, --tls-key and --tls-ca"


def _say_what_may_be(error: Rejected, hedge: str) -> None:
    """Add `hedge` to the node's own timeout; what an actor rejects is none."""
    match error.args:
        case (str(text), CallTimeout.exit_status) if error.code == CallTimeout.code:
            error.args = (f"{text}{hedge}", CallTimeout.exit_status)


@asynccontextmanager
async def open_client(to: Destination) -> AsyncIterator[Client]:
    """Connect to a node for the length of the block.

    Args:
        to: Which, and how.

    Raises:
        NodeDown: It was not reached in time, or no node listens there.
        WrongCookie, WrongNode, VersionRefused, TlsRefused: It is not the right
            one, or we are not for it.
    """
    codec = Codec(to.config.max_message)
    client = Client(codec)
    try:
        with collapsed_groups(), trio.CancelScope() as connecting:
            connecting.deadline = trio.current_time() + to.timeout
            async with connect_as_client(
                to.address,
                to.cookies,
                to.transport,
                codec,
                to.config,
                to.rng,
                lambda _, records: client.deliver(records),
                expected=to.instance,
            ) as client.node:
                # The scope has to stay around the connection's tasks, but its
                # time is only for the way there.
                connecting.deadline = inf
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(client.calls.reap)
                    nursery.start_soon(client.fail_when_lost)
                    yield client
                    nursery.cancel_scope.cancel()
    except ProtocolError as error:
        if connecting.deadline == inf:
            raise
        text = f"{to.address} answers, but is no clusterkit node"
        raise NodeDown(text, outcome="not sent") from error
    except TlsRefused as error:
        raise TlsRefused(f"{error}{_advice(to.transport)}") from error
    except NodeDown as error:
        if connecting.deadline != inf:
            raise NodeDown(f"{error} ({_ask(error)})", outcome="not sent") from error
        raise
    if connecting.cancelled_caught:
        text = f"{to.address} did not answer within {to.timeout:g} s"
        raise NodeDown(text, outcome="not sent")
