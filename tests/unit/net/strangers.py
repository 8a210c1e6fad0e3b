"""A dialer made by hand, which has the cookie and no manners."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random

import msgpack

from clusterkit.names import Address
from clusterkit.net.greeter import next_event, send_all
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.frame import LENGTH
from clusterkit.wire.handshake import Identity, Resume
from clusterkit.wire.seal import TAG_BYTES

RNG = Random(0)
OFFER = Resume(mine=7, fresh=7, other=0, received=0)


class Stranger:
    """A handshake with a node at `host:7022`, step by step."""

    def __init__(self, stream, name, incarnation, role):
        self.stream = stream
        me = Identity(name=name, incarnation=incarnation, role=role)
        self.dialer = Dialer(me, b"test", RNG.randbytes(32))

    async def hello(self, sessions=0):
        await send_all(self.stream, self.dialer.hello(sessions))
        return await next_event(self.stream, self.dialer)

    async def greet_in(self, versions):
        """Say a hello of these versions."""
        values = {"kind": "hello", "versions": versions, "role": "member"}
        values |= {"name": self.dialer.me.name, "incarnation": 5, "sessions": 0}
        body = msgpack.packb(values | {"nonce": bytes(32)})
        self.dialer.hello()
        await send_all(self.stream, LENGTH.pack(len(body)) + body)
        return await next_event(self.stream, self.dialer)

    async def prove(self, *, host="evil", port=7022, offer=OFFER):
        proof = self.dialer.prove("", host, port, 1 << 20, offer)
        await send_all(self.stream, proof)
        return await next_event(self.stream, self.dialer)

    async def say_proof(self, max_message):
        """Say a proof with a limit that an honest dialer cannot have."""
        honest = self.dialer.prove("", "evil", 7022, 9_999, OFFER)
        values = msgpack.unpackb(honest[LENGTH.size : -TAG_BYTES])
        body = msgpack.packb(values | {"max_message": max_message})
        frame = LENGTH.pack(len(body) + TAG_BYTES) + body
        # The MAC does not fit, but what it covers is read before.
        await send_all(self.stream, frame + bytes(TAG_BYTES))
        return await next_event(self.stream, self.dialer)


@asynccontextmanager
async def stranger(network, host, *, name="evil", incarnation=5, role="member"):
    """A connection to the node on `host`, from the host `evil`."""
    stream = await network.host("evil").connect(Address(host, 7022))
    try:
        yield Stranger(stream, name, incarnation, role)
    finally:
        stream.close()
