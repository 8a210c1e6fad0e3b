"""What surrounds the takeover model: processes, connections, stable times.

A connection is a pair of FIFO pipes, delivered one item at a time and cut at
any moment, with either end told now, later or never. `World.settle` is the
stable network after a schedule: messages take no time, and a clock is moved
only by the timers of B11.

The invariant: a run is a function of its seed and its rules, to the last line
of its trace.
"""

from __future__ import annotations

import itertools
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from .takeover_handshake import Accept, Dial
from .takeover_judge import Journal
from .takeover_model import Link, Process, Session
from .takeover_rules import Fin, ProtocolError, Rules

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

BACKOFF_CAP, DIAL_TIMEOUT, TIE_WAIT, DEAD_AFTER = 0.3, 0.5, 1.0, 3.0
"""Seconds (B11, B6)."""

Timers = dict[tuple[str, object], tuple[float, "Callable[[], object]"]]


class End:
    """One end of a connection; `inbox` is the pipe that leads to it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.inbox: deque[object] = deque()
        self.is_open = True
        # Cut: nothing more enters the inbox.
        self.is_deaf = False
        # The adversary keeps what is under way to here for later.
        self.is_stalled = False
        # Which life of a Link speaks here; only the judge looks at it.
        self.life = 0
        self.other: End
        self.machine: Any = None

    def send(self, item: object) -> None:
        other = self.other
        if self.is_open and other.is_open and not other.is_deaf:
            other.inbox.append(item)

    def close(self) -> None:
        """Stop reading at once; what was sent stays under way, then a Fin."""
        self.send(Fin())
        self.is_open = False
        self.inbox.clear()

    def cut(self, keep: int, *, tell: bool) -> None:
        """Lose all but `keep` items under way to here; `tell`: with a Fin."""
        if self.is_deaf:
            return
        while len(self.inbox) > keep:
            self.inbox.pop()
        if tell:
            self.inbox.append(Fin())
        self.is_deaf = True

    @property
    def is_dead(self) -> bool:
        """Open, and no byte will ever come again: half-open."""
        silent = self.is_deaf or not self.other.is_open
        return self.is_open and silent and not self.inbox


class World:
    """Named processes and the connections between them."""

    def __init__(self, names: str, rules: Rules, *, trace: bool = False) -> None:
        self.rules = rules
        self.ids = itertools.count(1)
        self.trace: list[str] | None = [] if trace else None
        self.journal = Journal(self)
        self.ends: list[End] = []
        self.reachable = dict.fromkeys(itertools.permutations(names, 2), True)
        self.processes: dict[str, Process] = {}
        self.seconds = 0.0
        for name in names:
            peers = [peer for peer in names if peer != name]
            self.processes[name] = Process(self, name, 1, peers)

    def new_id(self) -> int:
        """Random in the protocol; here a counter, so that traces read well."""
        return next(self.ids)

    def note(self, *words: object) -> None:
        if self.trace is not None:
            self.trace.append(" ".join(map(str, words)))

    def links(self) -> list[Link]:
        return [ln for p in self.processes.values() for ln in p.links.values()]

    def link(self, pair: str) -> Link:
        """`link("ab")` is a's Link to b."""
        return self.processes[pair[0]].links[pair[1]]

    def connect(self, link: Link, dial: Dial) -> End:
        """Make a connection, a black hole if the peer is out of reach."""
        here, there = End(link.process), End(self.processes[link.peer])
        here.other, there.other = there, here
        here.machine, there.machine = dial, Accept(there.process, there)
        here.life = link.life
        if not self.reachable[link.process.name, link.peer]:
            here.is_deaf, there.is_open = True, False
        self.ends += [here, there]
        return here

    def deliver(self, end: End) -> None:
        item = end.inbox.popleft()
        self.note(end.process.name, type(end.machine).__name__, "gets", item)
        try:
            end.machine.receive(item)
        except ProtocolError as error:
            self.journal.fault("protocol", error)
            end.machine.receive(Fin())

    def sweep(self) -> None:
        self.ends = [end for end in self.ends if end.is_open]

    def restart(self, name: str) -> None:
        """The process dies with all its state; the next one has its name."""
        old = self.processes[name]
        for end in self.ends:
            if end.process is old:
                end.close()
        incarnation, peers = old.incarnation + 1, list(old.links)
        self.processes[name] = Process(self, name, incarnation, peers)

    def settle(self, rng: random.Random, seconds: float = 5.0) -> None:
        """Let the network be stable until all is quiet, then judge it."""
        timers: dict[tuple[str, object], float] = {}
        self.seconds = 0.0
        while self.seconds < seconds:
            self._flow(rng)
            due = self._timers()
            if not due:
                break
            for key, (delay, _) in due.items():
                # Full jitter on the backoff, none on the rest.
                spread = rng.random() if key[0] == "dial" else 1.0
                timers.setdefault(key, self.seconds + delay * spread)
            timers = {key: timers[key] for key in due}
            first = min(timers, key=timers.__getitem__)
            self.seconds = timers.pop(first)
            self.note(f"-- {self.seconds:.2f} s:", first[0])
            due[first][1]()
        self._judge_quiet()

    def _flow(self, rng: random.Random) -> None:
        """Do all that takes no time, in any order; the bound is a livelock's."""
        for _ in range(1_000):
            self.sweep()
            moves = self._moves()
            if not moves:
                return
            rng.choice(moves)()
        self.journal.fault("stuck", "messages without end")

    def _moves(self) -> list[Callable[[], object]]:
        links, processes = self.links(), self.processes.values()
        found: list[Callable[[], object]]
        found = [partial(self.deliver, end) for end in self.ends if end.inbox]
        found += [ln.dial.prove for ln in links if ln.dial and ln.dial.is_challenged]
        sessions = [link.session for link in links if link.session]
        found += [session.write for session in sessions if session.has_something()]
        found += [process.answer for process in processes if process.running]
        return found

    def _timers(self) -> Timers:
        due: Timers = {}
        for link in self.links():
            if link.dial:
                due["dial timeout", link.dial] = (DIAL_TIMEOUT, link.dial.abandon)
            elif link.awaits_inbound:
                due["tie wait", link] = (TIE_WAIT, link.stop_waiting)
            elif link.may_dial:
                due["dial", link] = (BACKOFF_CAP, partial(Dial, link))
        for end in self.ends:
            if end.is_dead and isinstance(end.machine, Session):
                due["dead", end] = (DEAD_AFTER, end.machine.lost)
        return due

    def _judge_quiet(self) -> None:
        for link in self.links():
            peer = self.processes[link.peer].links[link.process.name]
            mine, theirs = link.session, peer.session
            if not (mine and theirs and mine.end.other is theirs.end):
                self.journal.fault("stuck", f"{link.process.name}: no session")
            elif link.outbox or link.outgoing.unacked or link.calls:
                self.journal.fault("stuck", f"{link.process.name}: not drained")
            elif link.is_down or link.awaits_inbound:
                self.journal.fault("stuck", f"{link.process.name}: waits for nothing")
