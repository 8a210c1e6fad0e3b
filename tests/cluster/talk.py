"""Two nodes that say much to each other, and know at once when some is missing.

What the one sends the other expects: sizes and contents follow from the seed,
so whatever is lost, repeated, out of order or changed is an error where it
arrives. Nothing else is said on these lines.
"""

from __future__ import annotations

from random import Random
from time import monotonic

import trio

from clusterkit import GenServer, call, cast
from clusterkit.events import LinkDown, LinkUp

SMALL, LARGE = 10, 300 * 1024
SIZES = ((100, 90), (5_000, 9), (60_000, 0.9), (LARGE, 0.1))
"""How large messages are at most, with weights: about a kilobyte on average."""

CALLERS = 4
CALLS = 0.1
"""The share of messages that are calls."""

FENCE = 500
"""Casts after which one that talks waits until all have come: in an outage it
would else say more than a mailbox takes when the link is back."""

PATIENCE = 120.0

CONFIG = {"ping_after": 0.1, "dead_after": 0.3, "down_after": PATIENCE}
"""Silence is noticed soon; a machine with much to do is not a peer that is down."""


def messages(seed, line):
    """Yield number and content of one message after the other, for ever."""
    rng = Random(f"{seed}/{line}")
    most, weights = zip(*SIZES, strict=True)
    number = 0
    while True:
        (size,) = rng.choices(most, weights)
        number += 1
        # No zeros: skipped bytes then make lengths that no frame can have.
        yield number, bytes([number % 255 + 1]) * rng.randint(SMALL, size)


class Ear(GenServer):
    """Hears the lines of a peer.

    Args:
        seed: Of what is said.

    Attributes:
        heard: Line → how many of its messages.
        faults: What was not as expected.
    """

    def __init__(self, seed):
        self.seed = seed
        self.heard = {}
        self.faults = []
        self._lines = {}

    def _hear(self, line, number, blob):
        expected = self._lines.setdefault(line, messages(self.seed, line))
        due, content = next(expected)
        if (number, blob) != (due, content):
            self.faults.append(f"line {line}: {number} of {len(blob)} where {due} was")
        self.heard[line] = number

    @cast
    async def put(self, line, number, blob):
        self._hear(line, number, blob)

    @call
    async def ask(self, line, number, blob):
        self._hear(line, number, blob)
        return [line, number]

    @call
    async def fence(self, line):
        return self.heard[line]


class Talker:
    """Says things to the ear of a peer, in several lines.

    Args:
        node: Who says them.
        peer: The name of who hears them.
        count: How many at least.
        seed: What they are.
        more: Asked when all are said; while it is true, some more are.

    Attributes:
        said: Line → how many of its messages were accepted.
    """

    def __init__(self, node, peer, count, seed, more):
        self.said = {}
        self._node, self._ear = node, f"ear@{peer}"
        self._seed, self._more = seed, more
        self._calls = int(count * CALLS) // CALLERS
        self._casts = count - self._calls * CALLERS

    async def run(self):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._say, self._cast, "cast", self._casts)
            for caller in range(CALLERS):
                line = f"call {caller}"
                nursery.start_soon(self._say, self._call, line, self._calls)

    async def _say(self, say, line, count):
        for number, blob in messages(self._seed, line):
            if number > count and not self._more():
                return
            await say(line, number, blob)
            self.said[line] = number

    async def _cast(self, line, number, blob):
        await self._node.cast(self._ear, "put", line, number, blob)
        if number % FENCE == 0:
            assert number == await self._node.call(
                self._ear, "fence", line, timeout=PATIENCE
            )

    async def _call(self, line, number, blob):
        assert [line, number] == await self._node.call(
            self._ear, "ask", line, number, blob, timeout=PATIENCE
        )


class Outages:
    """When the link of a node went down, and when it was up again.

    Attributes:
        spans: A (down, up) of each outage, by the machine's monotonic clock.
        reasons: Why it went down, each time.
    """

    def __init__(self):
        self.spans = []
        self.reasons = []

    async def watch(self, node, *, task_status):
        down = None
        async with node.events(LinkUp, LinkDown) as events:
            task_status.started()
            async for event in events:
                if isinstance(event, LinkDown):
                    self.reasons.append(event.reason)
                    down = down or monotonic()
                elif down is not None:
                    self.spans.append((down, monotonic()))
                    down = None


def waits(spans, healed):
    """Return how long each outage lasted once the way was free, in order of length.

    Args:
        spans: From `Outages`, of both nodes.
        healed: When the way was free again, each time.
    """
    return sorted(
        up - max(down, *(moment for moment in (0.0, *healed) if moment <= up))
        for down, up in spans
    )
