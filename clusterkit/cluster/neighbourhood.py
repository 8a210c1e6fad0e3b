"""Which members a node keeps in touch with, and whom it asks what is new.

All of them while they are few. In a larger ring three: the next in one circle of
all, and two that every node has of its own. By the circle each is chosen by one at
least, among all members and among those that live. So who dies, or is cut off with
half of the ring, is watched by somebody on each side, or will be once those before it
in the circle are known to be dead. The two make the way short: a circle with random
chords has a diameter that grows with the logarithm of its size (Bollobás and Chung,
"The Diameter of a Cycle Plus a Random Matching", 1988), while links and Pings do not
grow with the ring.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from heapq import nlargest
from typing import TYPE_CHECKING, Final

import trio

from clusterkit.net.patience import FORGOTTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

    from clusterkit.config import Config
    from clusterkit.names import NodeInfo
    from clusterkit.net.kernel import Kernel

NEIGHBOURS: Final = 3
"""Members that a node of a large ring chooses. As many choose it, on average."""

MOST_PLACES: Final = 20_000
"""Hashes that are kept: twice as many as a ring has names."""

_CIRCLE: Final = 2**64

STRAY: Final = 1 / 300
"""How often another member is asked instead: every five minutes, at one poll a
second. A link for it stays open for `idle_close`, hence so seldom."""

HEARD: Final = 5.0
"""Polls ago that a member polled this node which still counts as near."""


class Neighbourhood:
    """The members that one node keeps links to.

    Args:
        name: The node's.
        kernel: Its links.
        config: From how many members on links are kept to a few only.
        rng: Chooses whom to ask.

    Attributes:
        is_mesh: Whether links are kept to all of them.
    """

    def __init__(self, name: str, kernel: Kernel, config: Config, rng: Random) -> None:
        self._name = name
        self._kernel = kernel
        self._config = config
        self._rng = rng
        self._others: list[str] = []
        self._sought: tuple[str, ...] = ()
        self._members: frozenset[str] = frozenset()
        self._forgotten: frozenset[str] = frozenset()
        self._kept: dict[str, None] = {}
        self._polled_by: dict[str, float] = {}
        self._dead: frozenset[str] = frozenset()
        self._followers: list[Callable[[], None]] = []
        self.is_mesh = True

    def __repr__(self) -> str:
        return f"<Neighbourhood {len(self._kept)} of {len(self._others)}>"

    def tend(self, members: Mapping[NodeInfo, int]) -> None:
        """Know where members are; keep links to those that are kept in touch with."""
        nodes = [node for node in members if node.id != self._name]
        for node in nodes:
            self._kernel.know(node)
        self._others = [node.id for node in nodes]
        self._members = frozenset(self._others)
        self.is_mesh = len(members) < self._config.full_mesh
        self._choose()
        for follow in self._followers:
            follow()

    def on_change(self, follow: Callable[[], None]) -> None:
        """Have `follow()` called when the members may be others than before."""
        self._followers.append(follow)

    def without(self, dead: Iterable[str]) -> None:
        """Choose others, too, in the place of these; they may come back."""
        names = frozenset(dead)
        if names != self._dead:
            self._dead = names
            self._choose()

    def forget(self, names: Iterable[str]) -> None:
        """Do not keep in touch with these members; if they speak up, they are heard.

        What still waits for them is accounted for.
        """
        before, self._forgotten = self._forgotten, frozenset(names)
        self._choose()
        for name in sorted(self._forgotten - before):
            link = self._kernel.peers.get(name)
            if link is not None and link.connection is None and link.given_up is None:
                link.give_up(FORGOTTEN)

    def _choose(self) -> None:
        sought = self._sought = tuple(n for n in self._others if self.is_sought(n))
        chosen = dict.fromkeys(sought)
        if not self.is_mesh:
            alive = [name for name in sought if name not in self._dead]
            chosen = dict.fromkeys(neighbours(self._name, sought))
            chosen |= dict.fromkeys(neighbours(self._name, alive))
        before, self._kept = self._kept, chosen
        for name in before:
            if name not in self._kept:
                self.release(name)
        for name in chosen:
            link = self._kernel.link_to(name)
            link.pinned = True
            link.ensure_dialling()

    def release(self, name: str) -> None:
        """Let a link go that was kept for another reason, unless it is kept here."""
        link = self._kernel.peers.get(name)
        if link is not None:
            link.pinned = name in self._kept

    def others(self) -> tuple[str, ...]:
        """Return the other members."""
        return tuple(self._others)

    def sought(self) -> tuple[str, ...]:
        """Return those of them that are not forgotten."""
        return self._sought

    def keeps(self, name: str) -> bool:
        """Say whether a link is kept to another node."""
        return name in self._kept

    def is_sought(self, name: str) -> bool:
        """Say whether another node is a member, and not forgotten."""
        return name in self._members and name not in self._forgotten

    def is_member(self, name: str) -> bool:
        """Say whether another node is a member."""
        return name in self._members

    def polled_by(self, peer: str) -> None:
        """Note that a member has polled this node."""
        self._polled_by.pop(peer, None)
        self._polled_by[peer] = trio.current_time()

    def near(self) -> tuple[str, ...]:
        """Return the members that this node keeps links to, or they to it.

        Who has polled this node is near until one of the two closes the link: what
        it would not be heard of from then on is nothing to ask others about.
        """
        recent = trio.current_time() - HEARD * self._config.gossip_interval
        near = self._kept.copy()
        for peer, when in list(self._polled_by.items()):
            if when < recent:
                del self._polled_by[peer]
            elif peer not in near and not self._has_parted(peer):
                near[peer] = None
        # In line: each node asks four times a second.
        return tuple([name for name in near if name in self._members])

    def audience(self) -> tuple[str, ...]:
        """Return those of them that news may reach: neither down nor ended.

        Who said Bye compares what it knows when it is back.
        """
        return tuple(
            name
            for name in self.near()
            if not self._is_down(name) and not self._has_parted(name)
        )

    def partner(self) -> str | None:
        """Return whom to ask for news, None if this node is alone.

        Somebody who said Bye is asked, too: it may have come back, or have
        closed the link before it knew that it is a member. Now and then it is
        somebody who is not near.
        """
        sought = self.sought()
        if not sought:
            return None
        near = [name for name in self._kept if not self._is_down(name)]
        far = len(self._kept) < len(sought)
        stray = far and self._rng.random() < STRAY
        return self._rng.choice(sought if stray or not near else near)

    def _has_parted(self, name: str) -> bool:
        link = self._kernel.peers.get(name)
        return link is None or link.parted

    def _is_down(self, name: str) -> bool:
        link = self._kernel.peers.get(name)
        return link is not None and (link.down or link.given_up is not None)


def neighbours(name: str, others: Iterable[str]) -> list[str]:
    """Return the members that `name` chooses among `others`.

    The one that follows in the circle of hashes, and by rendezvous hashing (Thaler
    and Ravishankar, 1998) the rest: who comes or goes changes the choice of few.
    """
    left = list(others)
    if not left:
        return []
    own = _place(name)
    successor = min(left, key=lambda other: (_place(other) - own) % _CIRCLE)
    left.remove(successor)
    chosen = nlargest(NEIGHBOURS - 1, left, key=lambda other: _rank(name, other))
    return [successor, *chosen]


@lru_cache(MOST_PLACES)
def _place(name: str) -> int:
    """Return where a node is in the circle."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


@lru_cache(MOST_PLACES)
def _rank(name: str, other: str) -> bytes:
    """Return how high a node ranks another."""
    return hashlib.blake2b(f"{name} {other}".encode(), digest_size=8).digest()
