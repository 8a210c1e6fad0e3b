"""What nodes have written of themselves, in values: the book behind `node.state`.

`core.scuttlebutt` reconciles bytes; here they are values, writers have bounds, keys
have an end if they are given one, and readers learn by events what is new. How books
come to agree will never be here: that is `state_exchange`. The invariant is that
a book speaks of the members of its node's ring, and of nobody else.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from clusterkit.core.registers import MOST_INCARNATION
from clusterkit.core.replica import DELETED, NOTHING, Change
from clusterkit.core.scuttlebutt import Scuttlebutt
from clusterkit.core.state_input import (
    MOST_KEYS,
    MOST_STATE,
    MOST_VALUE,
    check_key,
    size_of,
)
from clusterkit.errors import ConfigError, DecodeError, MessageTooLarge
from clusterkit.events import StateDeleted, StateUpdated
from clusterkit.logs import Seldom, log
from clusterkit.wire.shape import Undecodable
from clusterkit.wire.stream_values import decode_value, encode_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from clusterkit.core.replica import Part, Summary
    from clusterkit.core.scuttlebutt import News
    from clusterkit.events import Event
    from clusterkit.wire.codec import Codec

logger = logging.getLogger("clusterkit.cluster")

SPARE: Final = 1024
"""Bytes of a node's keys that are left for what cannot be refused: what a master says
of itself, which takes a few more when it becomes one, and that a node is offline or
ends."""

SPARE_KEYS: Final = 2
"""Keys that are left for the same: one for a master, one for the status of a node."""

MOST_TOMBSTONES: Final = MOST_KEYS // 2 - SPARE_KEYS
"""Deletions that are remembered; of more, the oldest are dropped before their time."""


class StateBook:
    """The keys of all members, as one node knows them.

    Args:
        name: The node's.
        incarnation: Of this life of it.
        codec: Of its kernel.
        is_member: Says whether a node is one of its ring.
        notify: Publishes an event.
        now: The time, in seconds; only ever goes on.
        tombstone_ttl: How long a deletion is remembered.
        latest: Returns the highest incarnation that is believed of anybody.

    Attributes:
        known: The same in bytes, as peers are told it.
        changed: Called with what was known before of the nodes of which more is
            known now, and who told it: this node itself, or a peer.
    """

    def __init__(
        self,
        name: str,
        incarnation: int,
        codec: Codec,
        is_member: Callable[[str], bool],
        notify: Callable[[Event], None],
        now: Callable[[], float],
        tombstone_ttl: float,
        latest: Callable[[], int] = lambda: MOST_INCARNATION,
    ) -> None:
        self.known = Scuttlebutt(name, incarnation, size_of, MOST_STATE)
        self.changed: Callable[[Mapping[str, Summary], str], None] = lambda *_: None
        self._name = name
        self._codec = codec
        self._is_member = is_member
        self._notify = notify
        self._now = now
        self._ttl = tombstone_ttl
        self._latest = latest
        self._keys = self._bytes = 0  # of this node, as `_check_room` counts them
        self._ends: dict[str, float] = {}
        self._deletions: deque[tuple[float, int]] = deque()
        self._followers: list[Callable[[str, str], None]] = []
        self._unreadable = Seldom(now, silence=60.0)

    def __repr__(self) -> str:
        return f"<StateBook of {self._name}: {len(list(self.known.names()))} nodes>"

    # What the node writes of itself.

    def follow(self, changed: Callable[[str, str], None]) -> None:
        """Have `changed(node, key)` called after each change; it must not raise."""
        self._followers.append(changed)

    def set(
        self, key: str, value: object, ttl: float | None, *, spare: bool = False
    ) -> None:
        """Give a key of this node a value; see `NodeState.set`.

        Args:
            key: The key.
            value: What it gets.
            ttl: Seconds after which it is deleted.
            spare: Whether it may take the room that is spared (`SPARE`, `SPARE_KEYS`).
        """
        data = self._encoded(_checked(key), value)
        old = self.known.own.get(key)
        if old is None or old.value != data:
            self._check_room(key, data, SPARE * (not spare))
            self._write(key, data)
        self._ends.pop(key, None)
        if ttl is not None:
            self._ends[key] = self._now() + ttl

    def delete(self, key: str) -> bool:
        """Delete a key of this node; return whether it was there."""
        self._ends.pop(_checked(key), None)
        if self.known.own.get(key) is None:
            return False
        self._write(key, DELETED)
        self._deletions.append((self._now(), self.known.own.version))
        self._forget_deletions()
        return True

    def tidy(self) -> None:
        """Delete what has come to its end; forget deletions of long ago."""
        now = self._now()
        for key in [key for key, end in self._ends.items() if end <= now]:
            self.delete(key)
        self._forget_deletions()

    def _forget_deletions(self) -> None:
        long_ago, floor = self._now() - self._ttl, 0
        while self._deletions and (
            self._deletions[0][0] <= long_ago or len(self._deletions) > MOST_TOMBSTONES
        ):
            _, floor = self._deletions.popleft()
        own = self.known.own
        floor = min(floor, own.version)  # which is lower since it began anew
        if floor > own.floor:
            before = own.summary
            self.known.raise_floor(floor)
            self.changed({self._name: before}, self._name)

    def _write(self, key: str, value: Any) -> None:
        before, old = self.known.own.summary, self.known.own.get(key)
        change = self.known.write(key, value)
        self._keys += (value is not DELETED) - (old is not None)
        self._bytes += _room_of(change) - _room_of(old)
        self._tell(self._name, change.key, change.value)
        self.changed({self._name: before}, self._name)

    def _encoded(self, key: str, value: object) -> bytes:
        data = encode_value(self._codec, value)
        if len(data) > MOST_VALUE:
            raise MessageTooLarge(
                f"the value of {key!r} takes {len(data)} bytes; the limit is "
                f"{MOST_VALUE}: what is so large is better asked for"
            )
        return data

    def _check_room(self, key: str, data: bytes, spared: int) -> None:
        old = self.known.own.get(key)
        most = MOST_KEYS - MOST_TOMBSTONES - SPARE_KEYS * bool(spared)
        if old is None and self._keys >= most:
            raise MessageTooLarge(f"a node has up to {most} keys; delete some")
        size = self._bytes - _room_of(old) + _room_of(Change(key, 0, data))
        if size > MOST_STATE - spared:
            raise MessageTooLarge(
                f"with {key!r} the keys of this node would take {size} bytes; the "
                f"limit is {MOST_STATE - spared}"
            )

    # What is read.

    def names(self) -> Iterator[str]:
        """Yield the nodes of which something is known, this one first."""
        return self.known.names()

    def keys(self, name: str) -> tuple[str, ...]:
        """Return the keys of a node, in the order they were written last."""
        replica = self.known.replica(name)
        return () if replica is None else tuple(change.key for change in replica)

    def value(self, name: str, key: str, default: Any) -> Any:
        """Return a node's value; see `NodeState.value`."""
        replica = self.known.replica(name)
        change = None if replica is None else replica.get(_checked(key))
        if change is None:
            return default
        value = decode_value(self._codec, change.value)
        if isinstance(value, Undecodable):
            raise DecodeError(
                f"{name} has a {key!r} that cannot be built: {value.reason}"
            )
        return value

    # What peers say.

    def take(self, parts: Iterable[Part], by: str) -> None:
        """Take what a peer tells of members."""
        parts = [part for part in parts if self._may_tell(by, part.name, part)]
        before = {part.name: self._summary(part.name) for part in parts}
        news = self.known.take(parts)
        self._say(news)
        changed = {
            name: old for name, old in before.items() if self._summary(name) != old
        }
        if changed:
            self.changed(changed, by)

    def lacks(self, parts: Iterable[Part], by: str) -> dict[str, Summary]:
        """Return what is known of those of whom a peer tells more than fits."""
        return {
            part.name: known
            for part in parts
            if part.name != self._name
            and self._may_tell(by, part.name, part)
            and (known := self._summary(part.name)).extent
            < (part.incarnation, part.version, part.floor)
        }

    def wants(self, digest: Mapping[str, Summary], by: str) -> dict[str, Summary]:
        """Return what is known of the members of which a peer knows more."""
        self.defend(digest)
        members = {n: s for n, s in digest.items() if self._may_tell(by, n, s)}
        return self.known.wants(members)

    def contested(self, digest: Mapping[str, Summary]) -> dict[str, Summary]:
        """Return what is known of members of which a peer knows something else."""
        found = self.known.contested(digest)
        return {name: ours for name, ours in found.items() if self._is_member(name)}

    def defend(self, digest: Mapping[str, Summary]) -> None:
        """Outgrow what somebody has of this node, if it did not say so."""
        own, before = digest.get(self._name), self.known.own.summary
        if own is None or own.incarnation > self._latest():
            return
        if self.known.defend(own):
            self.changed({self._name: before}, self._name)

    def keep_to_members(self) -> None:
        """Forget who is no member any more."""
        for name in list(self.known.names()):
            if name != self._name and not self._is_member(name):
                self._say(self.known.forget(name))

    def _may_tell(self, by: str, name: str, what: Part | Summary) -> bool:
        """Say whether a peer may tell that of a node.

        Of a node's last incarnation, which no other can outgrow, it tells itself; and
        this node hears of whatever is told of it.
        """
        if what.incarnation > self._latest():
            return False
        if name == self._name:
            return True
        if what.incarnation >= MOST_INCARNATION and by != name:
            return False
        return self._is_member(name)

    def _summary(self, name: str) -> Summary:
        replica = self.known.replica(name)
        return NOTHING if replica is None else replica.summary

    def _say(self, news: Iterable[News]) -> None:
        for name, key, value in news:
            self._tell(name, key, value)

    def _tell(self, name: str, key: str, data: Any) -> None:
        for changed in self._followers:
            changed(name, key)
        if data is DELETED:
            log(logger, logging.DEBUG, "state_deleted", peer=name, key=key)
            self._notify(StateDeleted(name, key))
            return
        value = decode_value(self._codec, data)
        if isinstance(value, Undecodable):
            due = self._unreadable.due(name, key)
            if due is not None:
                told = {"peer": name, "key": key, "reason": value.reason, **due}
                log(logger, logging.WARNING, "state_unreadable", **told)
            return
        log(logger, logging.DEBUG, "state_updated", peer=name, key=key)
        self._notify(StateUpdated(name, key, value))


def _room_of(change: Change | None) -> int:
    """Return what a key counts for among those of its node."""
    return 0 if change is None or change.value is DELETED else size_of(change)


def _checked(key: object) -> str:
    try:
        return check_key(key)
    except ValueError as error:
        raise ConfigError(str(error)) from error
