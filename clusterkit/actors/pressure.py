"""A full mailbox: what its actor's policy has a sender meet there.

`wait` chokes senders, who wait at their own end; `raise` does, too, and has their
casts raise at once; `drop_oldest` chokes nobody, and the oldest cast goes. Calls
never wait for a mailbox, and are never dropped: they are refused, with an answer.
The invariant is that no mailbox outgrows twice its mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from clusterkit.errors import MailboxFull
from clusterkit.wire import messages as m

if TYPE_CHECKING:
    from clusterkit.actors.process import Process
    from clusterkit.actors.runtime import Runtime
    from clusterkit.config import Policy
    from clusterkit.net.peer import Peer
    from clusterkit.wire.messages import Record

_FULL: Final = "its mailbox is full"


class Pressure:
    """Decides about messages for full mailboxes.

    Args:
        runtime: The node's.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def policy(self, process: Process) -> Policy:
        """Return what a cast meets at the full mailbox of an actor."""
        return process.server.mailbox_policy or self._runtime.config.mailbox_policy

    def takes(self, process: Process, peer: Peer) -> bool:
        """Say whether a full mailbox takes one more of a peer's messages."""
        if self.room_now(process):
            return True
        policy, mailbox = self.policy(process), process.mailbox
        if policy == "drop_oldest":
            return False  # there are only calls
        if mailbox.choke(peer, peer.talk.outgoing.id):
            told = [policy] if policy == "raise" else []
            self._runtime.post_control(peer, [m.CHOKE, process.name, *told])
        return not mailbox.overfull

    def room_now(self, process: Process) -> bool:
        """Make room in a full mailbox, so far as its policy can; say if there is.

        Calls that nobody waits for go first.
        """
        if process.make_room():
            return True
        return self.policy(process) == "drop_oldest" and self._drop_oldest(process)

    async def room_here(self, process: Process, event: str) -> None:
        """Wait until a cast of this node's may be put into a full mailbox.

        Raises:
            MailboxFull: The policy is to raise, there was no room in time, or
                it is the sender's own mailbox: only this task could make room.
        """
        if self.room_now(process):
            return
        mine = process.task is trio.lowlevel.current_task()
        if self.policy(process) == "wait" and not mine:
            with trio.move_on_after(self._runtime.config.busy_wait):
                while process.mailbox.full:
                    await process.mailbox.room()
                return
        raise self.full(self._runtime.name, process.name, event)

    def full(self, node: str, actor: str, event: str) -> MailboxFull:
        """Return the error for a full mailbox, counted."""
        self._runtime.accounts.refuse("mailbox_full", peer=node, actor=actor)
        to = actor if node == self._runtime.name else f"{actor}@{node}"
        return MailboxFull(_FULL, to=to, event=event)

    def refuse(self, process: Process, peer: Peer, record: Record) -> None:
        """Answer a refused call; count a cast, and tell its sender in a while."""
        runtime = self._runtime
        if record[m.KIND] in m.ASKS:
            runtime.accounts.refuse("mailbox_full", peer=peer.name, actor=process.name)
            runtime.refuse_call(peer, record, MailboxFull(_FULL))
            return
        process.dropped += 1
        runtime.accounts.drop("mailbox_full", peer=peer.name, actor=process.name)
        if process.mailbox.refused is None:
            process.mailbox.refused = {}
        refused = process.mailbox.refused
        if peer not in refused:
            runtime.spawn(self._tell_refused, process.name, refused, peer)
        refused[peer] = refused.get(peer, 0) + 1

    async def _tell_refused(
        self, actor: str, refused: dict[Peer, int], peer: Peer
    ) -> None:
        await trio.sleep(self._runtime.config.refused_interval)
        self._runtime.post_control(peer, [m.REFUSED, actor, refused.pop(peer)])

    def _drop_oldest(self, process: Process) -> bool:
        """Drop the oldest casts until there is room; say whether there is."""
        mailbox, accounts = process.mailbox, self._runtime.accounts
        while mailbox.full:
            item = mailbox.drop_oldest_cast()
            if item is None:
                return False
            process.dropped += 1
            accounts.drop("mailbox_oldest", peer=item[1].name, actor=process.name)
        return True
