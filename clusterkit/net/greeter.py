"""Shaking hands on a stream: drives the pure handshake machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from clusterkit.errors import ProtocolError
from clusterkit.net.first_bytes import refuse_tls
from clusterkit.net.transport import StreamBroken, always
from clusterkit.wire.handshake import Refused
from clusterkit.wire.session import Limits, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.config import Config
    from clusterkit.net.transport import Stream
    from clusterkit.wire.codec import Codec
    from clusterkit.wire.conversation import Conversations
    from clusterkit.wire.dialer import Dialer
    from clusterkit.wire.handshake import Event, Handshake

E = TypeVar("E")


async def secure(
    stream: Stream, handshake: Handshake, heeded: Callable[[], bool] = always
) -> None:
    """Make a connection fit for greetings, and tie the handshake to it.

    Args:
        stream: Just connected.
        handshake: At its beginning.
        heeded: See `Stream.secure`.

    Raises:
        StreamBroken: The connection is gone.
        ProtocolError: It cannot be secured (`reason="tls"`).
    """
    handshake.bind(await stream.secure(heeded))


async def send_all(stream: Stream, data: bytes) -> None:
    """Send all of `data`.

    Raises:
        StreamBroken: The connection is gone.
    """
    view = memoryview(data)
    while view:
        view = view[stream.send_nowait(view) :]
        if view:
            await stream.wait_writable()


async def next_event(stream: Stream, handshake: Handshake) -> Event:
    """Read until the handshake has something to say.

    Raises:
        StreamBroken: The connection ended first.
        ProtocolError: The peer does not follow the handshake.
    """
    unheard = handshake.state in ("start", "greeting")
    while True:
        data = await stream.receive()
        if not data:
            raise StreamBroken("closed during the handshake")
        if unheard:
            refuse_tls(stream, data, answer=handshake.state == "start")
            unheard = False
        events = handshake.receive_data(data)
        if len(events) > 1:
            raise ProtocolError("two greetings at once")
        if events:
            return events[0]


def expect(event: Event, kind: type[E]) -> E:
    """Return `event` if it is of `kind`.

    Raises:
        ProtocolError: It is another.
    """
    if isinstance(event, kind):
        return event
    raise ProtocolError(f"{type(event).__name__} where {kind.__name__} was due")


async def ask(stream: Stream, dialer: Dialer, said: bytes, due: type[E]) -> E | Refused:
    """Say one of the dialer's greetings; return what the listener answers.

    Args:
        stream: The connection.
        dialer: The handshake.
        said: The greeting.
        due: What answers it, unless the listener refuses.

    Raises:
        StreamBroken: The connection ended first.
        ProtocolError: The answer is another one, or none.
    """
    await send_all(stream, said)
    event = await next_event(stream, dialer)
    return event if isinstance(event, Refused) else expect(event, due)


def open_session(
    handshake: Handshake,
    talk: Conversations,
    codec: Codec,
    config: Config,
    now: float,
    *,
    dialer: bool,
) -> Session:
    """Return the session that a finished handshake leads to."""
    to_listener, to_dialer = handshake.keys()
    return Session(
        talk,
        codec,
        (to_listener, to_dialer) if dialer else (to_dialer, to_listener),
        Limits(
            max_message=config.max_message,
            window_bytes=config.window_bytes,
            window_records=config.window_records,
            ack_delay=config.ack_delay,
            ack_bytes=config.ack_bytes,
            ping_after=config.ping_after if dialer else _late_ping(config),
            dead_after=config.dead_after,
            frame_timeout=config.frame_timeout,
        ),
        now,
        speaks_first=dialer,
    )


def _late_ping(config: Config) -> float:
    """Return after how much silence the end that was dialled pings.

    The dialer's Pings and the answers keep both informed. The other pings
    only when they stay away, but early enough to hear an answer.
    """
    halfway = (config.ping_after + config.dead_after) / 2
    return min(2 * config.ping_after, halfway)
