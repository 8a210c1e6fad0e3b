"""A dialer made by hand, which has the cookie and no manners."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

from clusterkit.names import Address
from clusterkit.net.greeter import next_event, open_session, send_all
from clusterkit.wire.codec import Codec
from clusterkit.wire.conversation import Conversations
from clusterkit.wire.handshake import Dialer, Identity, Resume

RNG = Random(0)


class Stranger:
    """A handshake with a node at `host:7022`, step by step, then its frames."""

    def __init__(self, stream, name, incarnation, role):
        self.stream = stream
        me = Identity(name=name, incarnation=incarnation, role=role)
        self.dialer = Dialer(me, b"test", RNG.randbytes(32))

    async def hello(self, sessions=0):
        await send_all(self.stream, self.dialer.hello(sessions))
        return await next_event(self.stream, self.dialer)

    async def prove(self, *, host="evil", port=7022, max_message=1 << 20, ring=""):
        resume = Resume(mine=7, fresh=7, other=0, received=0)
        proof = self.dialer.prove(ring, host, port, max_message, resume)
        await send_all(self.stream, proof)
        return await next_event(self.stream, self.dialer)

    def session(self, config, now):
        talk = Conversations()
        return open_session(
            self.dialer, talk, Codec(config.max_message), config, now, dialer=True
        ), talk


@asynccontextmanager
async def stranger(network, host, *, name="evil", incarnation=5, role="member"):
    """A connection to the node on `host`, from the host `evil`."""
    stream = await network.host("evil").connect(Address(host, 7022))
    try:
        yield Stranger(stream, name, incarnation, role)
    finally:
        stream.close()
