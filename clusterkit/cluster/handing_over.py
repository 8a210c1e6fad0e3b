"""Giving what a node owes to a ring that it left to a member of that ring.

Whom to ask, and how long, is said here. What is owed, and when it is settled,
never will be: that is `core.standing`. The invariant is that who leaves waits
for those who can answer, and not for those who are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from clusterkit.core.ring_state import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from clusterkit.core.membership import Membership
    from clusterkit.core.ring_effects import HandOver
    from clusterkit.net.kernel import Kernel

CANDIDATE_TIME: Final = 1.0
"""Seconds a member gets to take over what a leaver hands it."""

AT_ONCE: Final = 3
"""Connected members that are asked at a time: one that has just died, which
nobody knows yet, must not cost the others a second."""

UNCONNECTED: Final = 8
"""Members without a connection that are asked, all at a time, when no connected
one has answered; more will hardly find one that lives in a second."""

OFFER_AGAIN: Final = 10.0
"""Seconds until those who could not be reached are tried again."""


class HandingOver:
    """Offers what is owed.

    Args:
        membership: Knows what is owed still.
        kernel: Its links; learns where the members of a ring left are.
        send: Sends a message to a node; says whether there was any use in it.
    """

    def __init__(
        self,
        membership: Membership,
        kernel: Kernel,
        send: Callable[[str, tuple[Any, ...]], bool],
    ) -> None:
        self._membership = membership
        self._kernel = kernel
        self._send = send
        self._taken: dict[int, trio.Event] = {}
        self._takers: dict[int, str] = {}

    def __repr__(self) -> str:
        return f"<HandingOver {len(self._taken)} under way>"

    def taken(self, ticket: int, by: str) -> None:
        """A member has saved what was offered under `ticket`."""
        if ticket in self._taken and ticket not in self._takers:
            self._takers[ticket] = by
            self._taken[ticket].set()

    async def hand_over(
        self, effect: HandOver, told: Callable[[str | None], None]
    ) -> None:
        """Offer it to the candidates until one has it, however long.

        Args:
            effect: What, and to whom.
            told: Called after the first round, with who has it; with None if
                nobody could be reached, or another task is at it already.
        """
        ticket = effect.ticket
        if ticket in self._taken:  # the ring's actor has begun anew
            told(None)
            return
        self._taken[ticket] = trio.Event()
        try:
            await self._ask_around(effect)
            told(self._takers.get(ticket))
            while ticket in self._membership.owed:
                await trio.sleep(OFFER_AGAIN)
                await self._ask_around(effect)
        finally:
            del self._taken[ticket]
            self._takers.pop(ticket, None)

    async def _ask_around(self, effect: HandOver) -> None:
        left = dict.fromkeys(effect.candidates)
        self._introduce(effect)
        while near := [n for n in left if self._kernel.is_connected(n)][:AT_ONCE]:
            for name in near:
                del left[name]
            if await self._ask(effect, near, AT_ONCE):
                return
        await self._ask(effect, left, UNCONNECTED)

    async def _ask(self, effect: HandOver, names: Iterable[str], most: int) -> bool:
        """Offer it to up to `most` of `names`; wait if that was of any use.

        Returns:
            Whether somebody has it.
        """
        asked = 0
        for name in names:
            asked += self._send(name, effect.message)
            if asked == most:
                break
        taken = self._taken[effect.ticket]
        if asked:
            with trio.move_on_after(CANDIDATE_TIME):
                await taken.wait()
        return taken.is_set()

    def _introduce(self, effect: HandOver) -> None:
        """Tell the kernel where they are: they are no members of ours any more."""
        message, _ = Message.from_plain(effect.message)
        for name in effect.candidates:
            entry = message.state.entries.get(name)
            if name not in self._kernel.peers and entry is not None:
                self._kernel.know(entry.node(name))
