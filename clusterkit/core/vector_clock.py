"""Vector clocks: who has seen what, and what was concurrent.

`VectorClock` and its `Entry` live here. Reading a clock of any kind never
will: every time is an integer that the caller passes in. The invariant is that
causality depends on the counts alone; `insert` and `time` say when, decide a
tie in `merge`, and order what `trim` forgets.
"""

from __future__ import annotations

from typing import Any

from clusterkit.frozen import frozen

_SHOWN = 8
"""Actors that `repr` lists; a clock of a large ring would fill the screen."""


@frozen
class Entry:
    """What a clock holds of one actor."""

    count: int
    """Operations of the actor that were seen."""

    insert: int
    """When the actor was first seen."""

    time: int
    """When its count last changed."""

    def to_json(self) -> dict[str, int]:
        """Return `{"count": …, "insert": …, "time": …}`."""
        return {"count": self.count, "insert": self.insert, "time": self.time}

    @classmethod
    def from_json(cls, value: object) -> Entry:
        """Read what `to_json` wrote; a field that is absent is 0.

        Args:
            value: As `json.loads` returns it.

        Raises:
            ValueError: It is no object, or a field is no integer, or the count
                is below 0.
        """
        fields = _object(value, "the entry of an actor")
        return cls(
            _count(fields.get("count", 0)),
            _time(fields.get("insert", 0)),
            _time(fields.get("time", 0)),
        )


class VectorClock:
    """An immutable map of actors to counters, partially ordered.

    Every operation returns the new clock, or the same one if nothing changed.
    A clock is used by letting each actor increment only its own counter and by
    merging what is received; then `descends` is the happened-before relation
    of Fidge and Mattern (1988).

        >>> ours = VectorClock("foo").increment("foo", now=7)
        >>> theirs = VectorClock("bar")
        >>> ours.concurrent(theirs)
        True
        >>> both = ours.merge(theirs)
        >>> both
        <VectorClock bar:1 foo:2>
        >>> both.descends(ours), both.descends(theirs), ours.descends(both)
        (True, True, False)

    All times are integers in one unit of the caller's choice; the defaults of
    `trim` are microseconds.

    Args:
        actor: The first actor; None makes an empty clock.
        count: Its count, 0 or more. Its times are 0.

    Raises:
        ValueError: The count is not an integer of at least 0, or the actor is
            no string.
    """

    __slots__ = ("_entries",)

    _entries: dict[str, Entry]

    def __init__(self, actor: str | None = None, count: int = 1) -> None:
        entry = Entry(_count(count), 0, 0)
        self._entries = {} if actor is None else {_actor(actor): entry}

    @classmethod
    def _of(cls, entries: dict[str, Entry]) -> VectorClock:
        clock: VectorClock = cls()
        clock._entries = entries
        return clock

    def insert(self, actor: str, *, now: int = 0) -> VectorClock:
        """Add `actor` with count 0; the same clock if it is present.

        Args:
            actor: Who.
            now: The entry's `time` and `insert`.

        Raises:
            ValueError: `now` is not an integer.
        """
        return self if actor in self._entries else self.update(actor, 0, now=now)

    def update(self, actor: str, count: int, *, now: int = 0) -> VectorClock:
        """Set the count of `actor`, adding it if it is absent.

        Args:
            actor: Whose count.
            count: The new count, 0 or more; it may be lower than the old.
            now: The entry's time; also its `insert` if it is new.

        Raises:
            ValueError: The count is not an integer of at least 0, or `now` is
                not an integer, or the actor is no string.
        """
        known = self._entries.get(actor)
        insert = _time(now) if known is None else known.insert
        entry = Entry(_count(count), insert, _time(now))
        if entry == known:
            return self
        return self._of({**self._entries, _actor(actor): entry})

    def increment(self, actor: str, *, now: int = 0) -> VectorClock:
        """Add one to the count of `actor`, from 0 if it is absent.

        Args:
            actor: Whose count.
            now: As for `update`.

        Raises:
            ValueError: `now` is not an integer.
        """
        known = self._entries.get(actor)
        return self.update(actor, 1 if known is None else known.count + 1, now=now)

    def remove(self, actor: str) -> VectorClock:
        """Forget `actor`; the same clock if it is absent."""
        if actor not in self._entries:
            return self
        return self._of({a: e for a, e in self._entries.items() if a != actor})

    def merge(self, other: VectorClock) -> VectorClock:
        """Return the join with `other`: each actor's greater entry, whole.

        The greater entry is the one with the higher count; at equal counts the
        one with the later `time`; at equal times this clock's own is kept.

        Guarantees:
            Associative and idempotent. Commutative in counts and times, and in
            `insert` too unless two entries of one actor have the same count
            and time but different `insert`. The result descends both.
        """
        entries = dict(self._entries)
        for actor, theirs in other._entries.items():
            ours = entries.get(actor)
            if ours is None or (theirs.count, theirs.time) > (ours.count, ours.time):
                entries[actor] = theirs
        return self if entries == self._entries else self._of(entries)

    def descends(self, other: VectorClock) -> bool:
        """Whether this clock has seen all that `other` has.

        True if every actor of `other` is here with at least its count; so
        every clock descends itself and the empty clock.

        Guarantees:
            Reflexive and transitive. Two clocks that descend each other have
            the same actors and counts; their times may differ.
        """
        entries = self._entries
        for actor, theirs in other._entries.items():
            ours = entries.get(actor)
            if ours is None or ours.count < theirs.count:
                return False
        return True

    def concurrent(self, other: VectorClock) -> bool:
        """Whether neither this clock nor `other` descends the other."""
        return not self.descends(other) and not other.descends(self)

    def trim(
        self,
        threshold: int,
        *,
        lower_bound: int = 10,
        young_bound: int = 20_000_000,
        upper_bound: int = 50,
        old_bound: int = 86_400_000_000,
    ) -> VectorClock:
        """Forget the entries that were not touched for longest.

        Nothing goes from a clock of at most `lower_bound` actors, nor from one
        whose oldest entry is at most `young_bound` old. Otherwise entries go
        from the oldest on (equal times in order of actor), each while more
        than `upper_bound` remain or while it is more than `old_bound` old; the
        first that is neither ends it.

        A trimmed clock has forgotten causality: it no longer descends clocks
        that still hold the actor, though those descend it.

            >>> clock = VectorClock().insert("a", now=1).insert("b", now=50)
            >>> clock.trim(100, lower_bound=1, young_bound=10, old_bound=60)
            <VectorClock b:0>

        Args:
            threshold: The time that ages are counted back from.
            lower_bound: Actors that always remain untouched.
            young_bound: Age up to which the oldest entry protects all.
            upper_bound: Actors above which age does not matter.
            old_bound: Age above which number does not matter.
        """
        if not self._entries or len(self._entries) <= lower_bound:
            return self
        entries = sorted(self._entries.items(), key=lambda e: (e[1].time, e[0]))
        if threshold - entries[0][1].time <= young_bound:
            return self
        for gone, (_, entry) in enumerate(entries):
            remaining = len(entries) - gone
            if remaining <= upper_bound and threshold - entry.time <= old_bound:
                return self._of(dict(entries[gone:])) if gone else self
        return self._of({})

    def get(self, actor: str) -> Entry | None:
        """Return the entry of `actor`, None if it is absent."""
        return self._entries.get(actor)

    def get_count(self, actor: str) -> int | None:
        """Return the count of `actor`, None if it is absent."""
        entry = self._entries.get(actor)
        return None if entry is None else entry.count

    def get_insert(self, actor: str) -> int | None:
        """Return when `actor` was first seen, None if it is absent."""
        entry = self._entries.get(actor)
        return None if entry is None else entry.insert

    def get_timestamp(self, actor: str) -> int | None:
        """Return when the count of `actor` last changed, None if absent."""
        entry = self._entries.get(actor)
        return None if entry is None else entry.time

    def has(self, actor: str) -> bool:
        """Whether `actor` is in the clock, be its count 0; also `in`."""
        return actor in self._entries

    def nodes(self) -> frozenset[str]:
        """Return the actors."""
        return frozenset(self._entries)

    def size(self) -> int:
        """Return the number of actors; also `len()`."""
        return len(self._entries)

    def to_json(self) -> dict[str, Any]:
        """Return `{actor: {"count": …, "insert": …, "time": …}}`, by actor."""
        return {a: self._entries[a].to_json() for a in sorted(self._entries)}

    @classmethod
    def from_json(cls, value: object) -> VectorClock:
        """Read what `to_json` wrote.

        A field that is absent is 0; unknown fields are ignored.

        Args:
            value: As `json.loads` returns it.

        Raises:
            ValueError: It is no object of objects, or a field is no integer,
                or a count is below 0.
        """
        actors = _object(value, "a vector clock")
        return cls._of({_actor(a): Entry.from_json(actors[a]) for a in actors})

    def __contains__(self, actor: object) -> bool:
        return actor in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        """Equal in actors, counts and times: stricter than mutual descent."""
        if not isinstance(other, VectorClock):
            return NotImplemented
        return self._entries == other._entries

    def __hash__(self) -> int:
        return hash(frozenset(self._entries.items()))

    def __repr__(self) -> str:
        shown = [f"{a}:{self._entries[a].count}" for a in sorted(self._entries)]
        if len(shown) > _SHOWN:
            shown[_SHOWN:] = [f"and {len(shown) - _SHOWN} more"]
        return f"<VectorClock {' '.join(shown) or 'empty'}>"


def _time(value: object) -> int:
    if type(value) is not int:
        raise ValueError(f"a time is an integer, not {value!r}")
    return value


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"a count is an integer of at least 0, not {value!r}")
    return value


def _actor(value: object) -> str:
    match value:
        case str():
            return value
    raise ValueError(f"an actor is a string, not {value!r}")


def _object(value: object, what: str) -> dict[Any, Any]:
    match value:
        case dict():
            return value
    raise ValueError(f"{what} is an object, not {value!r}")
