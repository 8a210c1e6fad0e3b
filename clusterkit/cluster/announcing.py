"""What members announce of themselves under names of clusterkit's own, while they live.

Services, candidates and subscriptions are keys of `node.state` that begin with `_`.
They outlive the node that wrote them until it is forgotten; an *announcement* does not:
it is there while its node is, which alive and suspect members are. What is announced,
and what follows from it, will never be here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clusterkit.core.liveness import SUSPECT
from clusterkit.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.cluster.state_book import StateBook
    from clusterkit.core.liveness import Liveness

    Changed = Callable[[str, str, Any], None]

MARK: Final = "_"
"""What keys of clusterkit's own begin with."""

GONE: Final[Any] = object()
"""In the place of a value: nothing is announced any more."""


class Announcements:
    """What the members that are there announce.

    Args:
        book: What they have written.
        liveness: Which of them are there.
    """

    def __init__(self, book: StateBook, liveness: Liveness) -> None:
        self._book = book
        self._liveness = liveness
        self._followers: dict[str, Changed] = {}
        self._shown: dict[str, dict[str, bytes]] = {}
        book.follow(self._written)

    def __repr__(self) -> str:
        return f"<Announcements of {len(self._shown)} nodes>"

    def follow(self, prefix: str, changed: Changed) -> None:
        """Have changes told: now, those that are there already, and from now on.

        Args:
            prefix: What the keys begin with, `_` first.
            changed: Called with the node, the rest of the key, and the value, or
                `GONE`. It must neither wait nor raise.
        """
        self._followers[prefix] = changed
        for node, keys in list(self._shown.items()):
            for key in list(keys):
                if key.startswith(prefix):
                    changed(node, key[len(prefix) :], self._value(node, key))

    def announce(self, key: str, value: object, *, spare: bool = False) -> None:
        """Announce, or announce something else.

        Args:
            key: Under which.
            value: What; it is copied.
            spare: Whether it may take the room that is spared for what cannot wait.

        Raises:
            EncodeError: The value cannot travel.
            MessageTooLarge: It is too long, or there are too many.
        """
        self._book.set(key, value, None, spare=spare)

    def withdraw(self, key: str) -> bool:
        """Announce no more; return whether it was announced."""
        return self._book.delete(key)

    def is_there(self, node: str) -> bool:
        """Say whether a node is a member, and not dead: what it says counts."""
        known = self._liveness
        return known.since(node) is not None and known.claim(node).state <= SUSPECT

    def look_at(self, node: str) -> None:
        """See whether a node is there, and what it has written."""
        replica = self._book.known.replica(node)
        there = self.is_there(node) and replica is not None
        written = {
            change.key: change.value
            for change in (replica if there and replica is not None else ())
            if change.key.startswith(MARK)
        }
        for key in dict.fromkeys((*self._shown.get(node, ()), *written)):
            self._show(node, key, written.get(key))

    def _written(self, node: str, key: str) -> None:
        """Follow a node that has written, or deleted, a key."""
        if key.startswith(MARK) and self.is_there(node):
            replica = self._book.known.replica(node)
            change = None if replica is None else replica.get(key)
            self._show(node, key, None if change is None else change.value)

    def _show(self, node: str, key: str, data: bytes | None) -> None:
        """Tell the follower, unless it knows."""
        shown = self._shown.get(node, {})
        if shown.get(key) == data:
            return
        if data is None:
            del shown[key]
        else:
            self._shown.setdefault(node, shown)[key] = data
        if not shown:
            self._shown.pop(node, None)
        value = GONE if data is None else self._value(node, key)
        for prefix, changed in self._followers.items():
            if key.startswith(prefix):
                changed(node, key[len(prefix) :], value)

    def _value(self, node: str, key: str) -> Any:
        """Return what is announced; what cannot be built here is as good as gone."""
        try:
            return self._book.value(node, key, GONE)
        except DecodeError:
            return GONE  # the book has said so
