"""The judge of the takeover model: every message accepted, every thing told.

It sees what no participant sees: which life of which Link a message was sent
to, and what the other end had already taken.

The invariant: the judge knows the contract (B12) and none of the rules.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .takeover_model import Link, Process
    from .takeover_rules import Message
    from .takeover_world import End, World


class Fault(NamedTuple):
    """One breach of the contract."""

    kind: str
    """One of these:

    - `duplicated`, `reordered`: delivered so;
    - `lost`: never delivered, and its living sender was told nothing, or was
      told so although the Link it was sent to lives;
    - `misreported`: told so although it was delivered, or told twice;
    - `stray`: a reply reached a process that never asked;
    - `protocol`: one end could not follow the other;
    - `half resumed`: one of the two conversations went on without the other;
    - `stuck`: on a stable network, no session or something left to do.
    """
    text: str


@dataclass
class Entry:
    """What became of one message."""

    message: Message
    sender: Process
    sent_to: int = 0
    """The life of the peer's Link that it was first sent to; 0: not sent."""
    delivered: int = 0
    outcomes: list[str] = field(default_factory=list)
    suspect: str = ""

    def __str__(self) -> str:
        ran = "ran" if self.delivered else "never ran"
        told = " and ".join(self.outcomes) or "nothing"
        return f"{ran}, told {told}"


class Journal:
    """Collects the faults of one schedule."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.entries: dict[int, Entry] = {}
        self.faults: list[Fault] = []
        self.newest: dict[tuple[str, str], int] = {}

    @property
    def kinds(self) -> set[str]:
        return {fault.kind for fault in self.faults}

    def fault(self, kind: str, text: object) -> None:
        self.faults.append(Fault(kind, str(text)))
        self.world.note("FAULT", kind, text)

    def accepted(self, message: Message, link: Link) -> None:
        self.entries[message.id] = Entry(message, link.process)
        self.world.note(link.process.name, "queues", message)

    def sent(self, message: Message, to: End) -> None:
        self.entries[message.id].sent_to = to.life

    def delivered(self, message: Message, to: Process) -> None:
        entry = self.entries[message.id]
        entry.delivered += 1
        pair = (entry.sender.name, to.name)
        if entry.delivered > 1:
            self.fault("duplicated", message)
        elif message.id < self.newest.get(pair, 0):
            self.fault("reordered", message)
        self.newest[pair] = max(message.id, self.newest.get(pair, 0))
        if "not sent" in entry.outcomes:
            self.fault("misreported", f"{message} was said not to be sent")
        if message.kind == "reply" and message.caller != to.incarnation:
            self.fault("stray", f"{message} reached incarnation {to.incarnation}")

    def told(self, id: int, outcome: str, link: Link) -> None:
        """Note a verdict. `unknown`, which a conversation's end brings, is due
        only if the life of the Link that the message was sent to is over."""
        entry = self.entries[id]
        entry.outcomes.append(outcome)
        self.world.note(link.process.name, "is told", outcome, "of", entry.message)
        peer = self.world.processes[link.peer].links[link.process.name]
        if outcome == "unknown" and entry.sent_to == peer.life:
            entry.suspect = f"{entry.message} reported though both ends live"

    def resumed(self, *, mine: bool, theirs: bool) -> None:
        """Note which conversations go on: by all experience both or neither."""
        if mine != theirs:
            self.fault("half resumed", f"{mine=} {theirs=}")

    def close(self) -> None:
        """Judge what the whole schedule left behind."""
        for entry in self.entries.values():
            if entry.suspect:
                kind = "misreported" if entry.delivered else "lost"
                self.fault(kind, entry.suspect)
            if self.world.processes[entry.sender.name] is entry.sender:
                self._account(entry)

    def _account(self, entry: Entry) -> None:
        arrived = entry.delivered and entry.message.kind != "call"
        if not (arrived or entry.outcomes):
            self.fault("lost", f"{entry.message}: silence")
        if len(entry.outcomes) > 1:
            self.fault("misreported", f"{entry.message}: {entry}")
