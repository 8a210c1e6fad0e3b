"""Which members are alive, as far as the cluster knows: claims, and how they merge.

From A. Das, I. Gupta, A. Motivala, "SWIM: Scalable Weakly-consistent Infection-style
Process Group Membership Protocol", DSN 2002, and A. Dadgar, J. Phillips, J. Currey,
"Lifeguard: Local Health Awareness for More Accurate Failure Detection", 2017.

A *claim* says of a member that it is alive, suspect, dead, or has left. A suspect has
time to refute: it is alive after all, with a higher *rumour* number, which only it
may give itself, as only it has its incarnation. If it does not, it is dead. The time
shrinks with each further member that suspects it independently.

What is known of a member only ever grows in one order (`Claim.rank`), so claims may
come in any order, late, twice, and over any way, and all come to know the same.
"""

from __future__ import annotations

from math import inf, log, log10
from typing import TYPE_CHECKING, Final, NamedTuple

from clusterkit.core.buckets import Buckets
from clusterkit.core.registers import MOST_INCARNATION
from clusterkit.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ALIVE: Final = 0
SUSPECT: Final = 1
DEAD: Final = 2
LEFT: Final = 3
STATES: Final = ("alive", "suspect", "dead", "left")
"""What a member is, in the order in which a later one overrules an earlier."""

MOST_ACCUSERS: Final = 4
"""Members named as those that suspect another; of more, those first by name."""

CONFIRMATIONS: Final = 3
"""Accusers beyond the first from which on a suspect has the least time."""

MOST_RUMOUR: Final = 2**32 - 1
"""Highest rumour; beyond it a member begins a new incarnation."""

LONGEST: Final = 3.0
"""How much more time a suspect has that only one member suspects."""


class Claim(NamedTuple):
    """What is said of a member.

    Attributes:
        incarnation: The life of it that this is about; 0 while none is known.
        rumour: Of its refutations within that life.
        state: An index of `STATES`.
        by: Who suspects it, or did when it was declared dead.
    """

    incarnation: int
    rumour: int
    state: int
    by: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, int, int]:
        """What claims are ordered by: a later life, a later refutation, the worse."""
        return self[:3]

    @property
    def is_final(self) -> bool:
        """Whether no number is left to refute it with. Such a claim is none."""
        return self[:2] >= (MOST_INCARNATION, MOST_RUMOUR) and self.state != ALIVE

    def merge(self, other: Claim) -> Claim:
        """Return what is known by both."""
        if self.rank != other.rank:
            return max(self, other, key=lambda claim: claim.rank)
        by = sorted({*self.by, *other.by})[:MOST_ACCUSERS]
        return self._replace(by=tuple(by))


UNHEARD: Final = Claim(0, 0, ALIVE)
"""What is known of a member of which nothing was ever heard."""


@frozen
class Turn:
    """A member is something else now than it was.

    Attributes:
        name: The member.
        before: What was known of it.
        after: What is known now.
    """

    name: str
    before: Claim
    after: Claim


class Liveness:
    """What is known of all members.

    Args:
        name: Of the node that knows it.
        incarnation: Of this life of it.
        now: The time.
        interval: Seconds between two looks at a member; all times are multiples.
    """

    def __init__(
        self, name: str, incarnation: int, now: float, interval: float = 1.0
    ) -> None:
        self.name = name
        self.hashes = Buckets()
        self._interval = interval
        self._claims: dict[str, Claim] = {}
        self._since: dict[str, float] = {}
        self._suspects: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._put(name, Claim(incarnation, 0, ALIVE), now)

    def __repr__(self) -> str:
        return f"<Liveness of {self.name} members={len(self._claims)}>"

    @property
    def own(self) -> Claim:
        """What this node says of itself."""
        return self._claims[self.name]

    def names(self) -> Iterator[str]:
        """Yield the members, this one first."""
        return iter(self._claims)

    def gone(self) -> tuple[str, ...]:
        """Return the members that are dead or have left, in no order."""
        return tuple(self._gone)

    @property
    def is_majority(self) -> bool:
        """Whether more than half of the members are alive, or suspect."""
        return 2 * len(self._gone) < len(self._claims)

    def claim(self, name: str) -> Claim:
        """Return what is known of a member."""
        return self._claims.get(name, UNHEARD)

    def since(self, name: str) -> float | None:
        """Return since when a member is what it is, None if it is no member."""
        return self._since.get(name)

    def state(self, name: str) -> str:
        """Return what a member is, one of `STATES`."""
        return STATES[self.claim(name).state]

    # The members.

    def keep_to(self, members: Iterable[str], now: float) -> list[Turn]:
        """Know of these members, and this node, and of nobody else."""
        wanted = dict.fromkeys((self.name, *members))
        turns = []
        for name in [name for name in self._claims if name not in wanted]:
            before = self._claims.pop(name)
            self._since.pop(name)
            self._suspects.pop(name, None)
            self._gone.pop(name, None)
            self.hashes.drop(name)
            turns.append(Turn(name, before, before._replace(state=LEFT)))
        for name in wanted:
            if name not in self._claims:
                self._put(name, UNHEARD, now)
        return turns

    # What is said of them.

    def hear(self, claims: Mapping[str, Claim], now: float) -> list[Turn]:
        """Take what somebody says; return what it changes.

        What is said of this node itself it refutes, unless it is so.
        """
        turns = []
        for name, claim in claims.items():
            before = self._claims.get(name)
            if before is None or claim.is_final:
                continue
            after = before.merge(claim)
            if name == self.name:
                after = self._refuted(before, claim)
            if after != before:
                self._put(name, after, now)
                turns.append(Turn(name, before, after))
        return turns

    def accuse(self, name: str, now: float) -> list[Turn]:
        """Suspect a member; this node does, whoever else may."""
        claim = self.claim(name)
        if claim.state > SUSPECT:
            return []
        return self.hear({name: claim._replace(state=SUSPECT, by=(self.name,))}, now)

    def depart(self, now: float) -> list[Turn]:
        """Say of this node that it leaves."""
        before = self.own
        after = Claim(before.incarnation, before.rumour, LEFT)
        self._put(self.name, after, now)
        return [Turn(self.name, before, after)]

    # The time of suspects.

    def time_of(self, claim: Claim) -> float:
        """Return how long a suspect has to refute, from when it is one.

        From Lifeguard: the least time grows with the logarithm of the cluster,
        as the way of the news does; a single accuser gives three times that.
        """
        least = max(1.0, log10(len(self._claims))) * self._interval
        confirmed = min(len(claim.by) - 1, CONFIRMATIONS) if claim.by else 0
        part = log(confirmed + 1) / log(CONFIRMATIONS + 1)
        return least * (LONGEST - (LONGEST - 1.0) * part)

    @property
    def deadline(self) -> float:
        """When the next suspect's time is up."""
        return min(map(self._end_of, self._suspects), default=inf)

    def expire(self, now: float) -> list[Turn]:
        """Declare dead whose time is up."""
        turns = []
        for name in [n for n in self._suspects if self._end_of(n) <= now]:
            turns += self.hear({name: self._claims[name]._replace(state=DEAD)}, now)
        return turns

    def oversleep(self, seconds: float) -> None:
        """Give suspects more time: this node has not run for so long.

        What they said meanwhile waits to be heard.
        """
        for name in self._suspects:
            self._since[name] += seconds

    def _end_of(self, suspect: str) -> float:
        return self._since[suspect] + self.time_of(self._claims[suspect])

    def _refuted(self, own: Claim, claim: Claim) -> Claim:
        """Return what this node says of itself, having heard something else."""
        if claim.rank <= own.rank:
            return own
        incarnation, rumour = claim.incarnation, claim.rumour + 1
        another_life = incarnation > own.incarnation or rumour > MOST_RUMOUR
        if another_life and incarnation < MOST_INCARNATION:
            incarnation, rumour = incarnation + 1, 0
        return Claim(incarnation, min(rumour, MOST_RUMOUR), own.state)

    def _put(self, name: str, claim: Claim, now: float) -> None:
        before = self._claims.get(name)
        self._claims[name] = claim
        self.hashes.put(name, *claim.rank)
        if before is None or before.rank != claim.rank:
            self._since[name] = now
        if claim.state == SUSPECT:
            self._suspects[name] = None
        else:
            self._suspects.pop(name, None)
        if claim.state >= DEAD:
            self._gone[name] = None
        else:
            self._gone.pop(name, None)
