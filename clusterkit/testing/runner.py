"""Run an async function in virtual time, the same way for the same seed.

Here live `run`, what it hands to the function and what it returns. The verbs
that know nodes are in `sim.py`, as a subclass of `Simulation`. Invariant: chance and time come from the simulation only, and
Python's global generator is left as it was.
"""

from __future__ import annotations

import gc
import hashlib
import random
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from clusterkit.frozen import frozen
from clusterkit.testing.disk import MemoryDisk
from clusterkit.testing.network import MemoryNetwork
from clusterkit.testing.schedule import VirtualClock, scheduled_by, slept_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

LIMIT: Final = 3600.0
"""Virtual seconds after which a simulation counts as stuck."""

EPOCH: Final = 1_700_000_000.0
"""What a simulated wall clock shows at the start, in Unix seconds."""

DELAY: Final = 0.0002
"""Seconds each segment takes at least, unless told otherwise: a LAN."""

SPREAD: Final = 0.0003
"""Up to so much longer."""

SHORT: Final = 1 / 16
"""How often a simulated write or read is cut short."""

WRITE_LATENCY: Final = 0.001
"""Seconds that a synced write takes on a simulated disk, about."""

_LAST_LINES = 10  # of the trace, shown with a failure
_COLLECT = (10_000, 50, 100)  # a fifth of the time of 100 nodes that start, else


@frozen
class Trace:
    """What happened in a simulation."""

    hash: str
    """SHA-256 of the lines, in hexadecimal: equal runs have equal hashes."""

    lines: tuple[str, ...]
    """`time text`, virtual seconds, in order. The last one sums up every byte
    that the network carried, so that equal hashes mean equal bytes."""

    seconds: float
    """How much virtual time passed."""


class Simulation:
    """What the simulated function gets: chance, time, a network, a trace.

    Args:
        seed: All chance of the run comes from it.

    Attributes:
        seed: As given.
        rng: The function's own generator; drawing from it changes nothing
            that the network or the scheduler does.
        network: The network; the verbs here are its own.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = self.generator("main")
        self.network = MemoryNetwork(
            self.generator("network"), trace=self.trace, short=SHORT
        )
        self.network.everywhere(delay=DELAY, spread=SPREAD)
        self._disks: dict[str, MemoryDisk] = {}
        self._lines: list[str] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} seed={self.seed} {len(self._lines)} lines>"

    @property
    def now(self) -> float:
        """Virtual seconds since the start."""
        return trio.current_time()

    @property
    def lines(self) -> tuple[str, ...]:
        """The trace so far."""
        return tuple(self._lines)

    def wall(self) -> float:
        """Return what a wall clock shows, in Unix seconds."""
        return EPOCH + self.now

    def generator(self, purpose: str) -> random.Random:
        """Return a generator of its own for `purpose`, given by the seed."""
        # Text seeds go through SHA-512: the same in every process.
        return random.Random(f"{self.seed}/{purpose}")  # noqa: S311 - no secret

    def trace(self, text: str) -> None:
        """Add `text` to the trace, as a line with the time."""
        self._lines.append(f"{self.now:.6f} {text}")

    def disk(self, name: str) -> MemoryDisk:
        """Return the disk of host `name`, as the life it is in sees it."""
        if name not in self._disks:
            rng = self.generator(f"disk/{name}")
            self._disks[name] = MemoryDisk(rng, latency=WRITE_LATENCY)
        return self._disks[name]

    def partition(self, *groups: Iterable[str]) -> None:
        """See `MemoryNetwork.partition`."""
        self.network.partition(*groups)

    def heal(self) -> None:
        """See `MemoryNetwork.heal`."""
        self.network.heal()

    def cut(self, a: str, b: str, *, half_open: bool = False) -> None:
        """See `MemoryNetwork.cut`."""
        self.network.cut(a, b, half_open=half_open)

    def delay(self, a: str, b: str, seconds: float, *, spread: float = 0.0) -> None:
        """See `MemoryNetwork.delay`."""
        self.network.delay(a, b, seconds, spread=spread)

    def loss(self, a: str, b: str, p: float) -> None:
        """See `MemoryNetwork.loss`."""
        self.network.loss(a, b, p)

    def crash_host(self, name: str, *, silent: bool = False) -> None:
        """End one life of a host: its network and its disk.

        After it `network.host(name)` and `disk(name)` give those of the next
        life. Stopping the tasks of the old one is the caller's.

        Args:
            name: The host.
            silent: Whether the machine is gone too, so that no peer is told.
        """
        self.network.crash(name, silent=silent)
        if name in self._disks:
            self._disks[name] = self._disks[name].crash()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Surround the simulated function; subclasses open their nursery here."""
        yield


S = TypeVar("S", bound=Simulation)


def run(
    main: Callable[[S], Awaitable[object]], simulation: S, *, limit: float = LIMIT
) -> Trace:
    """Run `main(simulation)` in virtual time and return what happened.

    Calls `trio.run` itself: call it from a plain function, not from a task.

    Args:
        main: Gets the simulation. When it returns, the run is over.
        simulation: Of whatever class; built outside of trio.
        limit: Virtual seconds `main` may take.

    Raises:
        trio.TooSlowError: `main` was not over at `limit`; a run in which all
            tasks wait for ever gets there at once.
        BaseException: Whatever `main` raised, with a note that has the seed
            and the last lines of the trace.

    Guarantees:
        The same `main` and seed give the same trace in every process, if
        `main` takes time and chance from the simulation only, uses no
        threads, and decides nothing by the order of a set or by `id`.
    """

    async def play() -> float:
        with trio.move_on_after(limit) as scope:
            async with simulation.running():
                await main(simulation)
        if scope.cancelled_caught:
            raise trio.TooSlowError(
                f"not over after {limit:g} virtual seconds: it takes longer "
                "(give limit=), or all its tasks wait for ever"
            )
        return _close(simulation)

    clock = VirtualClock(simulation.network.courier)
    scheduler = simulation.generator("scheduler")
    try:
        with (
            scheduled_by(scheduler),
            slept_by(clock),
            _seldom_collected(),
            _python_random(f"{simulation.seed}/global"),
        ):
            seconds = trio.run(play, clock=clock)
    except BaseException as error:
        error.add_note(_note(simulation, clock.current_time()))
        raise
    lines = simulation.lines
    return Trace(hashlib.sha256("\n".join(lines).encode()).hexdigest(), lines, seconds)


def _close(simulation: Simulation) -> float:
    """Write the last line, which stands for every byte on the network."""
    carried = simulation.network.statistics()
    simulation.trace(
        f"end: {carried.segments} segments, {carried.bytes} bytes, "
        f"checksum {carried.checksum:08x}"
    )
    return simulation.now


def _note(simulation: Simulation, now: float) -> str:
    lines = "".join(f"\n  {line}" for line in simulation.lines[-_LAST_LINES:])
    return f"simulated with seed={simulation.seed}, until {now:.6f} s{lines}"


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Have Python look for cycles less often: those of many nodes are many to look at."""
    before = gc.get_threshold()
    gc.set_threshold(*_COLLECT)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _python_random(seed: str) -> Iterator[None]:
    """Seed Python's global generator, which users' actors may draw from."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
