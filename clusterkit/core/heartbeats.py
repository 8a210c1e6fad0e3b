"""Who is alive, from counters that every node raises for itself and all pass on.

From R. van Renesse, Y. Minsky, M. Hayden, "A Gossip-Style Failure Detection Service",
Middleware 1998: a node's counter goes up while it lives, and each judges by its own
clock for how long it has not seen that. No two clocks have to agree, and nobody's
word that another is dead counts. How long is too long is said by phi (see `phi`).

Three things that the paper leaves open:

- A counter counts within an *incarnation*, one life of its owner's process.
- A node passes on what it knows of the living only, and takes what it hears of a node
  first as the mark from which it must rise. So what somebody knew long ago brings
  nobody back, however it comes around.
- Who hears that more is claimed of it than it said goes on above that: only it speaks
  for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from clusterkit.core.phi import PhiAccrual
from clusterkit.core.registers import (
    MOST_INCARNATION,
    check_list,
    check_whole,
    read_by_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MOST_BEAT: Final = 2**62
"""Highest counter that is taken from a peer."""

PAUSE: Final = 5.0
"""Silence that is accepted beyond what is usual, in expected intervals."""


class Beat(NamedTuple):
    """A node's counter; later if it is greater."""

    incarnation: int
    number: int


class Life:
    """One node that has been seen to live.

    Attributes:
        alive: Whether it is taken to be.
        since: When that began.
        arrivals: Of its counter's rises.
    """

    __slots__ = ("alive", "arrivals", "since")

    def __init__(self, now: float, interval: float) -> None:
        self.alive = True
        self.since = now
        self.arrivals = PhiAccrual(
            now, first=interval, min_deviation=interval / 2, pause=PAUSE * interval
        )

    def __repr__(self) -> str:
        return f"<Life {'alive' if self.alive else 'dead'} since={self.since:g}>"

    def judge(self, now: float) -> bool:
        """Say whether its silence has become too long."""
        if not self.alive or not self.arrivals.is_suspect(now):
            return False
        self.alive, self.since = False, now
        return True

    def rise(self, now: float) -> None:
        """Note that its counter has risen."""
        if not self.alive:
            self.alive, self.since = True, now
        self.arrivals.arrive(now)


class Heartbeats:
    """The counters of all nodes, as one of them knows them.

    Args:
        name: Of the node itself.
        incarnation: Of this life of it.
        interval: Seconds in which a counter is expected to rise.
        most: Names that are remembered, this one not counted.
        latest: Returns the highest incarnation that is believed of anybody. It rises
            with time, so that who was lied about to the last has room above soon.

    Attributes:
        own: This node's counter.
        contested: How often more was claimed of this node than it had said: by who
            remembers an earlier life of it, or lies.
        refused: Claims that were not taken: of too many names, or of incarnations
            that are not believed.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        interval: float,
        most: int,
        latest: Callable[[], int] = lambda: MOST_INCARNATION,
    ) -> None:
        self.name = name
        self.own = Beat(incarnation, 0)
        self.contested = self.refused = 0
        self._interval = interval
        self._most = most
        self._latest = latest
        # The highest ever heard of each; who is heard of least lately is first.
        self._heard: dict[str, Beat] = {}
        self._lives: dict[str, Life] = {}

    def __repr__(self) -> str:
        return f"<Heartbeats {self.name} heard={len(self._heard)}>"

    def __iter__(self) -> Iterator[str]:
        """Yield the names of those that have been seen to live, this node not."""
        return iter(self._lives)

    def life(self, name: str) -> Life | None:
        """Return what is known of a node's life, None if it has not been seen."""
        return self._lives.get(name)

    def incarnation(self, name: str) -> int:
        """Return the highest that was heard of a node, 0 if none was."""
        return self._heard.get(name, Beat(0, 0)).incarnation

    def has_lived(self, name: str) -> bool:
        """Say whether a node has been seen to live and is not forgotten, or is this."""
        return name == self.name or name in self._lives

    def is_alive(self, name: str) -> bool:
        """Say whether a node is taken to be alive."""
        life = self._lives.get(name)
        return life is not None and life.alive

    # This node's own.

    def beat(self) -> None:
        """Raise the own counter."""
        self.own = self.own._replace(number=self.own.number + 1)

    def go_above(self, claimed: Beat) -> bool:
        """Outdo what is claimed of this node; say whether that was more than it said.

        A claim above which there is no room harms nobody: of the last incarnation
        others take the owner's word only.
        """
        if claimed <= self.own:
            return False
        incarnation, number = claimed
        if number > MOST_BEAT // 2:
            if incarnation == MOST_INCARNATION:
                return False
            incarnation, number = incarnation + 1, 0
        self.own = Beat(incarnation, number + 1)
        return True

    def begin(self, incarnation: int) -> None:
        """Go on under a higher incarnation."""
        if incarnation > self.own.incarnation:
            self.own = Beat(incarnation, 1)

    # What is told and heard.

    def told(self, to: str) -> dict[str, Beat]:
        """Return what a peer is told: of all who live; and what is known of itself.

        So who has forgotten how far it was, or is lied about, learns of it.

        Args:
            to: The peer.
        """
        living = {name: self._heard[name] for name in self if self.is_alive(name)}
        if to in self._heard:
            living[to] = self._heard[to]
        return {self.name: self.own, **living}

    def hear(self, claims: Mapping[str, Beat], by: str, now: float) -> list[str]:
        """Take what a peer tells; return who has come to be alive by it.

        What it tells of itself it has just said, so that makes it alive at once.

        Args:
            claims: By name.
            by: The peer; what it said is no older than its request or answer.
            now: The time, in seconds.
        """
        risen, latest = [], self._latest()
        for name, beat in claims.items():
            if beat.incarnation > latest:
                self.refused += 1
            elif name == self.name:
                self.contested += self.go_above(beat)
            elif beat.incarnation >= MOST_INCARNATION and by != name:
                self.refused += 1
            elif self._take(name, beat, now, said_so=by == name):
                risen.append(name)
        return risen

    def _take(self, name: str, beat: Beat, now: float, *, said_so: bool) -> bool:
        """Take what is told of one node; say whether it has come to be alive by it."""
        before = self._heard.get(name)
        if before is not None and beat <= before:
            return False
        if before is None and not self._make_room():
            self.refused += 1
            return False
        self._heard.pop(name, None)
        self._heard[name] = beat
        if before is None and not said_so:
            return False  # the mark from which it must rise
        was_alive = self.is_alive(name)
        self._rise(name, now, anew=before is None or beat[0] > before[0])
        return not was_alive

    def _rise(self, name: str, now: float, *, anew: bool) -> None:
        life = self._lives.get(name)
        if life is None or anew:  # another life has a pace of its own
            since = life.since if life is not None and life.alive else now
            life = self._lives[name] = Life(now, self._interval)
            life.since = since
        life.rise(now)

    def _make_room(self) -> bool:
        """Forget who is not alive and was heard of least lately, if there is no room.

        Or else names that change with each start, or were made up, would keep all
        others out until the last of them is forgotten.
        """
        if len(self._heard) < self._most:
            return True
        idle = next((name for name in self._heard if not self.is_alive(name)), None)
        if idle is None:
            return False
        del self._heard[idle]
        self._lives.pop(idle, None)
        return True

    # What becomes of the silent.

    def judge(self, now: float) -> list[str]:
        """Return who has just come to be taken for dead."""
        return [name for name, life in self._lives.items() if life.judge(now)]

    def forget(self, now: float, after: float) -> list[str]:
        """Forget who has been dead for so long; return their names.

        How far its counter had come stays known, for as long as there is room.
        """
        gone = [
            name
            for name, life in self._lives.items()
            if not life.alive and now - life.since >= after
        ]
        for name in gone:
            del self._lives[name]
        return gone

    def oversleep(self, seconds: float, now: float) -> None:
        """Do not count a time in which this node itself stood still; see `PhiAccrual`."""
        for life in self._lives.values():
            life.arrivals.oversleep(seconds, now)


def read_beats(value: object, most: int) -> dict[str, Beat]:
    """Return counters as `plain_beats` writes them.

    Args:
        value: What a peer sent.
        most: Nodes that it may name.

    Raises:
        ValueError: It has another shape, or names more.
    """
    return read_by_name(value, _read_beat, most, "counters")


def _read_beat(value: object) -> Beat:
    incarnation, number = check_list(value, 2, "a counter")
    return Beat(
        check_whole(incarnation, "an incarnation", MOST_INCARNATION),
        check_whole(number, "a count", MOST_BEAT),
    )


def plain_beats(beats: Mapping[str, Beat]) -> dict[str, list[int]]:
    """Return counters as `read_beats` takes them."""
    return {name: list(beat) for name, beat in beats.items()}
