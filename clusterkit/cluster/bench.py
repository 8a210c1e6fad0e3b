"""`cluster-cli bench`: what the way between two nodes carries, measured by one of them.

A tool has the node it speaks to measure one part after the other, each by a command
of its own: so a tool that goes away ends what runs, as it ends any command. The
other end is `bench_target`. One bench at a time, at either end: two would measure
each other.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio

from clusterkit.cluster.bench_target import GRACE, MOST_SECONDS, BenchBusy
from clusterkit.cluster.own_names import BENCH
from clusterkit.core.latencies import Latencies
from clusterkit.errors import ClusterError, ConfigError, NoSuchActor, Rejected
from clusterkit.logs import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clusterkit.actors.runtime import Runtime
    from clusterkit.cluster.bench_target import BenchTarget
    from clusterkit.net.peer import Peer

logger = logging.getLogger("clusterkit.cluster")

SECONDS: Final = 4.0
"""How long a bench takes in all, unless its caller says otherwise."""

LEAST_SECONDS: Final = 1.0
"""Shortest bench: below, the first connection and a collection of garbage count
more than what is measured."""

MOST_MESSAGES: Final = 1_000_000
"""Messages of one part, after which it ends before its time."""

FENCE: Final = 30.0
"""Seconds that the last casts of a bench may take to be handled."""

SMALL: Final = 64
"""Bytes of the payload of most messages."""

LARGE: Final = 256 * 1024
"""Bytes of the payload of a large one; half of what the peer accepts, if less."""


class Part(NamedTuple):
    """One part of a bench.

    Attributes:
        event: The handler of `BenchTarget` that takes the messages.
        at_once: Calls in flight; 0 for casts, which are sent as they are taken.
        payload: Bytes in each message.
    """

    event: str
    at_once: int
    payload: int


PARTS: Final = {
    "round_trip": Part("echo", 1, SMALL),
    "calls": Part("echo", 64, SMALL),
    "casts": Part("take", 0, SMALL),
    "bytes": Part("size", 4, LARGE),
}
"""What is measured, in this order, each for an equal part of the time."""

LAST: Final = "bytes"
"""After this part both ends are free for others at once."""


class NotBenched(Rejected):
    """The node is of a version that cannot be measured; update it."""

    code = "not_benched"


class Benches:
    """The near end: measures for tools, for one at a time."""

    def __init__(self) -> None:
        self._tool: Peer | None = None
        self._until = 0.0

    def __repr__(self) -> str:
        return f"<Benches for={self._tool}>"

    async def measure(
        self,
        runtime: Runtime,
        tool: Peer,
        target: str,
        seconds: object,
        part: object,
    ) -> dict[str, Any]:
        """Measure one part of a bench.

        Args:
            runtime: The node's.
            tool: Who asks.
            target: The other node.
            seconds: How long the whole bench takes.
            part: Which of `PARTS`.

        Raises:
            ConfigError: It is another part, or another time than may be.
            BenchBusy: Another bench runs.
            NotBenched: The other node is of an older version.
            ClusterError: The other node did not answer.

        Cancellation:
            Ends it, at the other node, too; casts that are on their way are
            still handled there.
        """
        if not isinstance(part, str) or part not in PARTS:
            raise ConfigError(f"no part of a bench is called {part!r:.100}")
        time = checked_seconds(seconds) / len(PARTS)
        own: Any = runtime.local(BENCH).server
        self._claim(tool, target, own)
        over = True
        try:
            await _begin(runtime, target, time)
            measured = await _measure(runtime, target, time, PARTS[part])
            over = part == LAST
        finally:
            self._until = trio.current_time() + (0.0 if over else GRACE)
            own.hold(runtime.name, GRACE)
            if over:
                own.let_go(runtime.name)
                with suppress(ClusterError):  # it is free by itself in a while
                    runtime.cast_nowait(target, BENCH, "end", (), {})
        return measured

    def _claim(self, tool: Peer, target: str, own: BenchTarget) -> None:
        now = trio.current_time()
        if self._tool not in (None, tool) and now < self._until:
            raise BenchBusy("a bench of another tool runs at this node already")
        own.hold(own.node.name, MOST_SECONDS)  # who measures is not measured meanwhile
        if self._tool is not tool or now >= self._until:
            told = {"client": tool.name, "target": target}
            log(logger, logging.INFO, "bench", **told)
        self._tool, self._until = tool, now + MOST_SECONDS


def checked_seconds(seconds: object) -> float:
    """Return how long a bench takes.

    Raises:
        ConfigError: It is no time that it may take.
    """
    if isinstance(seconds, (int, float)) and LEAST_SECONDS <= seconds <= MOST_SECONDS:
        return seconds
    raise ConfigError(
        f"a bench takes from {LEAST_SECONDS:g} to {MOST_SECONDS:g} s, not {seconds!r:.100}"
    )


def other_member(id: object, me: str, members: Sequence[str]) -> str:
    """Return the node to measure: the one that was named, or the only other member.

    Raises:
        ConfigError: It is this very node, or it has to be named.
    """
    if id == me:
        raise ConfigError(f"{me} is the node spoken to; name another one")
    if isinstance(id, str):
        return id
    others = [name for name in members if name != me]
    if len(others) == 1:
        return others[0]
    if not others:
        raise ConfigError(f"{me} is alone in its ring; name a node, or meet one")
    shown = ", ".join(others[:10]) + (", …" if len(others) > 10 else "")
    raise ConfigError(f"name the node to measure, one of: {shown}")


async def _begin(runtime: Runtime, target: str, time: float) -> None:
    try:
        await runtime.call(target, BENCH, "begin", (time,), {}, None)
    except BenchBusy as error:
        raise BenchBusy(*error.args) from error  # without the actor's name
    except NoSuchActor as error:
        raise NotBenched(
            f"{target} runs a version of clusterkit that cannot be measured; update it"
        ) from error


async def _measure(
    runtime: Runtime, target: str, time: float, part: Part
) -> dict[str, Any]:
    room = runtime.link_to(target).max_message // 2
    payload = b"x" * min(part.payload, room)
    run = _Run(runtime, target, part.event, payload, time)
    if not part.at_once:
        return await run.casts()
    return await run.calls(part.at_once)


_Way = tuple[str, str, str, tuple[bytes], dict[str, Any]]


class _Run:
    """One load, for a time."""

    def __init__(
        self, runtime: Runtime, target: str, event: str, payload: bytes, time: float
    ) -> None:
        self._runtime = runtime
        self._way: _Way = (target, BENCH, event, (payload,), {})
        self._began = runtime.now()
        self._ends = self._began + time
        self._seen = Latencies()

    async def calls(self, at_once: int) -> dict[str, Any]:
        """Keep so many calls in flight; return what came of it."""
        await _together(self._ask, at_once)
        seen = self._seen
        return {
            "in_flight": at_once,
            **self._totals(seen.count),
            "latency": {
                "least": _short(seen.least),
                "mean": _short(seen.mean),
                "p50": _short(seen.quantile(0.5)),
                "p90": _short(seen.quantile(0.9)),
                "p99": _short(seen.quantile(0.99)),
                "most": _short(seen.most),
            },
            "histogram": [[_short(upper), n] for upper, n in seen.buckets()],
        }

    async def casts(self) -> dict[str, Any]:
        """Send casts as fast as they are taken; wait until they are handled."""
        runtime, sent, target = self._runtime, 0, self._way[0]
        while runtime.now() < self._ends and sent < MOST_MESSAGES:
            await runtime.cast(*self._way)
            sent += 1
        taken = await runtime.call(target, BENCH, "taken", (), {}, FENCE)
        return {**self._totals(taken), "lost": sent - taken}

    def _totals(self, count: int) -> dict[str, Any]:
        took, size = self._runtime.now() - self._began, len(self._way[3][0])
        rate = count / took if took > 0 else 0.0
        return {
            "payload_bytes": size,
            "seconds": _short(took),
            "count": count,
            "per_second": _short(rate),
            "bytes_per_second": _short(rate * size),
        }

    async def _ask(self) -> None:
        now, seen = self._runtime.now, self._seen
        while (at := now()) < self._ends and seen.count < MOST_MESSAGES:
            await self._runtime.call(*self._way, None)
            seen.add(now() - at)


def _short(number: float) -> float:
    """Return a measured number without the digits that mean nothing."""
    return float(f"{number:.4g}")


async def _together(work: Callable[[], Awaitable[None]], n: int) -> None:
    """Do something `n` times beside each other; the first error ends all."""
    failures: list[ClusterError] = []

    async def guarded(scope: trio.CancelScope) -> None:
        try:
            await work()
        except ClusterError as error:
            failures.append(error)
            scope.cancel()

    async with trio.open_nursery() as nursery:
        for _ in range(n):
            nursery.start_soon(guarded, nursery.cancel_scope)
    if failures:
        raise failures[0]
