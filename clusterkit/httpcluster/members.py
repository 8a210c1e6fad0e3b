"""The members of a cluster over HTTP: who has been seen to live, and where each is.

What is seen is `core.heartbeats`, what each says of itself the book. The invariant is
that nobody is a member that has not been seen to live by this node's own clock, and
that only a member itself says where it is reached.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cluster.readiness import ENDING, STATUS
from clusterkit.core.replica import Summary
from clusterkit.errors import ConfigError, DecodeError, NotInRing
from clusterkit.events import MemberBack, MemberDown, MemberLeft, MemberUp
from clusterkit.frozen import frozen
from clusterkit.httpcluster.urls import read_url
from clusterkit.logs import Seldom, log

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from clusterkit.cluster.state_book import StateBook
    from clusterkit.core.heartbeats import Beat, Heartbeats
    from clusterkit.events import Event
    from clusterkit.httpcluster.urls import Dialable

logger = logging.getLogger("clusterkit.http")

PLACE: Final = "_http"
"""The key of a node's state that says where it is reached: its URL, and whether it is a
monitor."""


@frozen
class HttpMember:
    """A member of a cluster over HTTP, as one node knows it.

    Attributes:
        id: Its name.
        url: Where it is reached, as it says itself; "" if that is not known yet.
        monitor: Whether others prefer to gossip with it.
        state: `alive`, `dead` or `left`.
        incarnation: Of its life.
        phi: How surprising its silence is (see `core.phi`); None of this node.
        since: For how many seconds it has been in that state.
    """

    id: str
    url: str
    monitor: bool
    state: str
    incarnation: int
    phi: float | None
    since: float

    def place(self) -> dict[str, Any]:
        """Return where it is, as it is shown."""
        return {"url": self.url, "monitor": self.monitor}


class HttpMembers:
    """The members, as this node knows them; itself first, the others by name.

    Args:
        heartbeats: Who has been seen to live.
        book: What each says of itself.
        notify: Publishes an event.
        now: The time, in seconds.
        forget_after: Seconds after which one that is dead is forgotten.
        dialable: Says whom not to dial.
        refused: Counts, by reason: `contested`, `counters`, `url`, `url_taken`,
            `not_allowed`.
    """

    def __init__(
        self,
        heartbeats: Heartbeats,
        book: StateBook,
        notify: Callable[[Event], None],
        now: Callable[[], float],
        forget_after: float,
        dialable: Dialable,
        refused: Counter[str],
    ) -> None:
        self._heartbeats = heartbeats
        self._book = book
        self._notify = notify
        self._now = now
        self._began = now()
        self._forget_after = forget_after
        self._dialable = dialable
        self._refused = refused
        self._seldom = Seldom(now)
        self._shown: dict[str, str] = {}
        self._places: dict[str, tuple[str, bool]] = {}
        self._ending: set[str] = set()
        book.follow(self._written)

    def __repr__(self) -> str:
        return f"<HttpMembers {self._shown}>"

    def all(self) -> tuple[HttpMember, ...]:
        """Return every member, this node included."""
        return tuple(map(self._member, self.names()))

    def names(self) -> tuple[str, ...]:
        """Return the names of all members, this node first."""
        return (self._heartbeats.name, *sorted(self._heartbeats))

    def state(self, name: str) -> str:
        """Return what a member is: `alive`, `dead` or `left`.

        Args:
            name: The member's.

        Raises:
            NotInRing: It is no member.
        """
        if not self.is_member(name):
            raise NotInRing(f"{name!r} is no member of the cluster")
        if name in self._ending:
            return "left"
        mine = name == self._heartbeats.name
        return "alive" if mine or self._heartbeats.is_alive(name) else "dead"

    def alive(self) -> tuple[str, ...]:
        """Return the names of the members that are alive; this one first, if it is."""
        return tuple(name for name in self.names() if self.state(name) == "alive")

    def is_member(self, name: str) -> bool:
        """Say whether a node is a member: it has been seen to live, and not forgotten."""
        return self._heartbeats.has_lived(name)

    def url(self, name: str) -> str | None:
        """Return where a member may be dialled, None if it may not, or is not known."""
        place = self._places.get(name)
        return place[0] if place and self.may_dial(place[0]) else None

    def may_dial(self, url: str) -> bool:
        """Say whether a URL, that was checked, may be dialled."""
        return self._dialable.admits(url)

    def compare_place(self, name: str, url: str) -> None:
        """Warn of another node that says it is where this one says it is.

        A balancer gives what is for one of them to the other.
        """
        mine = self._heartbeats.name
        if name != mine and self._places.get(mine, ("", False))[0] == url:
            remedy = "each node has a URL of its own: is this a balancer's?"
            self._refuse("url_taken", peer=name, url=url, remedy=remedy)

    def is_monitor(self, name: str) -> bool:
        """Say whether a member says that it is a monitor."""
        return self._places.get(name, ("", False))[1]

    def _member(self, name: str) -> HttpMember:
        now, life = self._now(), self._heartbeats.life(name)
        url, monitor = self._places.get(name, ("", False))
        return HttpMember(
            name,
            url,
            monitor,
            self.state(name),
            self._book.known.own.incarnation
            if life is None
            else self._heartbeats.incarnation(name),
            None if life is None else life.arrivals.phi(now),
            now - (self._began if life is None else life.since),
        )

    # What changes them.

    def _written(self, name: str, key: str) -> None:
        """Follow what members write of themselves."""
        if key == PLACE:
            self._note_place(name)
        elif key == STATUS:
            ending = self._said(name, STATUS) == ENDING
            (self._ending.add if ending else self._ending.discard)(name)
            if name in self._shown:
                self._show(name)

    def _note_place(self, name: str) -> None:
        self._places.pop(name, None)
        place = self._read_place(name)
        if place is not None:
            self._places[name] = place
            self.compare_place(name, place[0])
            if not self._dialable.admits(place[0]):
                told = {"url": place[0], "remedy": "add its host to allow="}
                self._refuse("not_allowed", peer=name, **told)

    def _read_place(self, name: str) -> tuple[str, bool] | None:
        said = self._said(name, PLACE)
        if said is None:
            return None
        try:
            return read_url(said["url"]), said["monitor"] is True
        except (ConfigError, TypeError, KeyError, IndexError) as error:
            self._refuse("url", peer=name, error=error)
            return None

    def _said(self, name: str, key: str) -> Any:
        try:
            return self._book.value(name, key, None)
        except DecodeError:  # of a later version, and the book has said so
            return None

    def hear(self, beats: Mapping[str, Beat], by: str) -> None:
        """Take counters that a peer tells."""
        contested, refused = self._heartbeats.contested, self._heartbeats.refused
        for name in self._heartbeats.hear(beats, by, self._now()):
            self._show(name)
        if self._heartbeats.contested > contested:
            self._refuse("contested", peer=by)
        if self._heartbeats.refused > refused:
            self._refuse("counters", peer=by)
        self._agree_on_incarnation()

    def beat(self) -> None:
        """Say that this node is alive."""
        self._agree_on_incarnation()
        self._heartbeats.beat()

    def _agree_on_incarnation(self) -> None:
        """Have the state and the counter be of one life: the later of the two.

        More may be claimed of either, by who remembers an earlier life of this node.
        """
        own, beat = self._book.known.own, self._heartbeats.own
        if beat.incarnation > own.incarnation:
            claimed = Summary(beat.incarnation, 0, 0)
            self._book.defend({self._heartbeats.name: claimed})
        self._heartbeats.begin(self._book.known.own.incarnation)

    def refresh(self) -> None:
        """Judge who is silent, forget who was for long, and say what has changed."""
        now = self._now()
        self._heartbeats.judge(now)
        self._heartbeats.forget(now, self._forget_after)
        for name in [n for n in self._shown if not self.is_member(n)]:
            log(logger, logging.INFO, "member_forgotten", peer=name)
            del self._shown[name]
        self._book.keep_to_members()
        for name in list(self._heartbeats):
            self._show(name)

    def told(self, to: str) -> Mapping[str, Beat]:
        """Return the counters that a peer is told."""
        return self._heartbeats.told(to)

    def oversleep(self, seconds: float) -> None:
        """Do not count a time in which this node itself stood still."""
        self._heartbeats.oversleep(seconds, self._now())

    def _show(self, name: str) -> None:
        """Say what a member is, if that is another than before."""
        before, state = self._shown.get(name), self.state(name)
        if state == before:
            return
        self._shown[name] = state
        if state == "alive":
            self._say(MemberUp(name) if before is None else MemberBack(name))
        elif before is not None:
            self._say(MemberLeft(name) if state == "left" else MemberDown(name))

    def _say(self, event: Event) -> None:
        level = logging.WARNING if isinstance(event, MemberDown) else logging.INFO
        kind = type(event).__name__.removeprefix("Member").lower()
        log(logger, level, f"member_{kind}", peer=getattr(event, "peer", None))
        self._notify(event)

    def _refuse(self, reason: str, **fields: object) -> None:
        self._refused[reason] += 1
        due = self._seldom.due(reason, str(fields.get("peer")))
        if due is not None:
            log(logger, logging.WARNING, f"http_{reason}", **fields, **due)
