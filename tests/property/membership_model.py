"""The table of who may merge, as a small model of its own.

Full states only: no digests, no deltas, no vector clock. `Rules` switches off
what is said to be needed, so that the schedules can show that it is.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """What is said to be needed; each can be switched off."""

    left: bool = True
    """A node remembers the rings it left."""
    hand_over: bool = True
    """A node that leaves or was removed hands over what it knew."""
    generation: bool = True
    """The end of a meeting is ignored by an asker that has left since."""
    join_ends_nothing: bool = True
    """Coming into a ring from alone is no leaving: meetings go on."""
    awaited: bool = True
    """A foreign ring in which an awaited peer listed us has met us."""
    decline: bool = True
    """Who ignores the end of a meeting says so."""
    as_of_then: bool = True
    """Who meets us is listed as of the time at which it spoke."""
    once: bool = True
    """An answer that nobody waits for is no more than a state."""
    absorb: bool = True
    """A node that comes back takes what it owed to the ring."""
    outlived: bool = True
    """A peer ignores what was asked before the asker left its ring."""


class ModelNode:
    """One node. `send(to, message)` is the network; `disk` survives a crash."""

    def __init__(self, name, incarnation, rng, send, rules=Rules()):
        self.name, self.incarnation, self.rng = name, incarnation, rng
        self.send, self.rules = send, rules
        self.lamport, self.generation, self.meeting = 0, 0, set()
        self.left, self.owed, self.departures = {}, {}, 0
        self.be_alone((0, True, name, incarnation))
        self.disk = None
        self.save()

    # A register is a stamp; an entry is (member, record), a record (stamp, weight).

    def stamp(self, present):
        self.lamport += 1
        return (self.lamport, present, self.name, self.incarnation)

    def be_alone(self, stamp):
        self.ids = frozenset({self.rng.getrandbits(64)})
        self.entries = {self.name: (stamp, (stamp, 128))}

    def lists(self):
        return present(self.entries)

    def others(self):
        return sorted(self.lists() - {self.name})

    def save(self):
        self.disk = (self.lamport, self.ids, dict(self.entries), dict(self.left))
        self.disk += ({t: (i, list(to), e) for t, (i, to, e) in self.owed.items()},)

    def restart(self, incarnation):
        self.lamport, self.ids, self.entries, self.left, self.owed = self.disk
        self.save()
        self.incarnation = incarnation
        self.generation, self.meeting = 0, set()

    def tell(self, to, kind, *extra, ids=None, entries=None):
        ids = self.ids if ids is None else ids
        entries = dict(self.entries if entries is None else entries)
        self.send(to, (kind, self.lamport, ids, entries, extra))

    def registers(self):
        return dict(self.entries)

    def owes(self):
        return [(ids, entries) for ids, _, entries in self.owed.values()]

    # Operations.

    def insert(self, name, weight=128):
        if name in self.lists():
            return False
        self.enlist(name, weight)
        self.save()
        self.tell(name, "state")
        return True

    def enlist(self, name, weight):
        stamp = self.stamp(True)
        self.entries[name] = (stamp, (stamp, weight))

    def welcome(self, name, weight, spoke):
        """List who spoke to us, but as of then: what it has done since is later."""
        member = self.entries.get(name, ((0, True, "", 0),))[0]
        self.enlist(name, weight)
        if self.rules.as_of_then:
            lamport = spoke if member[1] else max(spoke, member[0])
            then = (lamport, True, self.name, self.incarnation)
            self.entries[name] = (max(member, then), self.entries[name][1])

    def update(self, name, weight):
        if name not in self.lists():
            return False
        member, record = self.entries[name]
        if record[1] == weight:
            return False
        self.entries[name] = (member, (self.stamp(True), weight))
        self.save()
        return True

    def remove(self, name):
        if name not in self.others():
            return False
        self.entries[name] = (self.stamp(False), self.entries[name][1])
        self.save()
        self.tell(name, "state")
        return True

    def leave(self):
        if not self.others():
            self.call_off()
            return False
        self.resign(None)
        self.save()
        return True

    def meet(self, name):
        if name in self.lists():
            return False
        self.meeting.add(name)
        self.tell(name, "join", (self.incarnation, self.generation))
        return True

    def greet(self, name):
        self.tell(name, "state")

    def tick(self):
        for ticket, (_, candidates, _) in list(self.owed.items()):
            candidates.append(candidates.pop(0))
            self.farewell(candidates[-1], ticket)

    def farewell(self, to, ticket):
        ids, _, entries = self.owed[ticket]
        self.tell(to, "farewell", ticket, ids=ids, entries=entries)

    # Moving between rings.

    def call_off(self):
        self.generation += 1
        self.meeting.clear()

    def resign(self, then):
        owe = bool(self.others())
        last = {
            **self.entries,
            self.name: (self.stamp(False), self.entries[self.name][1]),
        }
        self.depart(self.ids, last, owe, then)

    def depart(self, ids, last, owe, then=None, first=""):
        self.departures += then is None or bool(self.others())
        if then is None or self.others() or not self.rules.join_ends_nothing:
            self.call_off()
        member = last[self.name][0]
        self.part(ids, member)
        candidates = sorted(present(last))
        candidates.sort(key=lambda name: name != first)
        if owe and self.rules.hand_over:
            ticket = self.rng.getrandbits(63)
            self.owed[ticket] = (ids, candidates, last)
            self.farewell(candidates[0], ticket)
        if then is None:
            self.be_alone(self.stamp(True))
        else:
            self.ids, self.entries = then[0], dict(then[1])
            if self.name in self.entries:
                self.absorb()

    def part(self, ids, stamp):
        if self.rules.left:
            self.left |= {i: max(stamp, self.left.get(i, stamp)) for i in ids}

    def merged(self, theirs):
        merged = dict(self.entries)
        for name, (member, record) in theirs.items():
            ours = merged.get(name, (member, record))
            merged[name] = (max(ours[0], member), max(ours[1], record))
        return merged

    def absorb(self):
        """What is owed to a ring that we are in again is merged; we stay in it."""
        for ticket, (ids, _, entries) in list(self.owed.items()):
            member = self.merged(entries)[self.name][0]
            mine = member[1] or member[2] == self.name
            if self.rules.absorb and mine and not ids.isdisjoint(self.ids):
                self.entries, self.ids = self.merged(entries), self.ids | ids
                del self.owed[ticket]
        if self.name not in self.lists():
            self.enlist(self.name, self.entries[self.name][1][1])

    # The table.

    def receive(self, sender, message):
        kind, lamport, ids, entries, extra = message
        self.lamport = max(self.lamport, lamport)
        kin = not ids.isdisjoint(self.ids)
        if kind == "join":
            self.on_join(sender, lamport, ids, entries, kin, *extra)
        elif kind == "answer":
            self.on_answer(sender, lamport, ids, entries, kin, *extra)
        elif kind == "taken":
            self.owed.pop(extra[0], None)
        else:
            self.on_entries(sender, kind, ids, entries, extra)
        self.save()

    def on_entries(self, sender, kind, ids, entries, extra):
        if not ids.isdisjoint(self.ids):
            self.on_kin(sender, kind, ids, entries, extra)
        elif kind != "left" and self.name in present(entries):
            self.on_foreign(sender, kind, ids, entries, extra)

    def on_kin(self, sender, kind, ids, entries, extra):
        merged = self.merged(entries)
        if not merged[self.name][0][1]:
            owe = merged != entries and bool(present(merged))
            ids = ids | self.ids
            self.depart(ids, merged, owe, first=sender)
            if not present(merged):
                self.tell(sender, "reply", ids=ids, entries=merged)
            return
        self.entries, self.ids = merged, ids | self.ids
        self.meeting.discard(sender)
        self.absorb()
        if kind == "state" and (merged, self.ids) != (entries, ids):
            self.tell(sender, "reply")
        if kind == "farewell":
            self.tell(sender, "taken", *extra)

    def on_foreign(self, sender, kind, ids, entries, extra):
        stamp = entries[self.name][0]
        gone = max((self.left[i] for i in ids & self.left.keys()), default=None)
        if gone and gone > stamp:
            if kind != "farewell":
                self.say_left(sender, ids, entries, gone)
            return
        if self.rules.awaited and stamp[2] in self.meeting and self.others():
            self.unite({self.name}, ids, entries)
        else:
            self.resign((ids, entries))
        if kind == "farewell":
            self.tell(sender, "taken", *extra)

    def say_left(self, sender, ids, entries, gone):
        for ticket, (owed_ids, _, _) in self.owed.items():
            if not owed_ids.isdisjoint(ids):
                self.farewell(sender, ticket)
        one = {self.name: (gone, entries[self.name][1])}
        self.tell(sender, "left", ids=ids & self.left.keys(), entries=one)

    def unite(self, speakers, ids, entries, spoke=0):
        self.entries, self.ids = self.merged(entries), ids | self.ids
        for name in sorted(speakers - self.lists()):
            if name == self.name:
                self.enlist(name, self.entries[name][1][1])
            else:
                self.welcome(name, self.entries[name][1][1], spoke)
        self.absorb()

    def on_join(self, sender, lamport, ids, entries, kin, token):
        if self.outlived(sender, token[0], lamport):
            return
        if not kin and present(entries) == {sender}:
            self.welcome(sender, entries[sender][1][1], lamport)
        elif not kin and not self.others():
            self.resign((ids, entries))
            if self.name not in self.lists():
                self.enlist(self.name, 128)
        else:
            self.unite({self.name, sender}, ids, entries, lamport)
        self.tell(sender, "answer", token, self.incarnation)

    def outlived(self, sender, incarnation, lamport):
        """Whether `sender` has left this ring, by its own hand, since it spoke."""
        member = self.entries.get(sender, ((0, True),))[0]
        if member[1] or member[2] != sender or not self.rules.outlived:
            return False
        return (member[3], member[0]) > (incarnation, lamport)

    def on_answer(self, sender, lamport, ids, entries, kin, token, incarnation):
        listed = self.name in present(entries)
        if self.rules.generation and token != (self.incarnation, self.generation):
            if self.rules.decline and listed and not kin:
                self.decline(sender, ids, entries)
            return
        if self.rules.once and sender not in self.meeting:
            self.on_entries(sender, "reply", ids, entries, ())
            return
        self.meeting.discard(sender)
        if self.outlived(sender, incarnation, lamport):
            return
        if listed and not kin and not self.others():
            self.resign((ids, entries))
        else:
            self.unite({self.name, sender}, ids, entries, lamport)

    def decline(self, sender, ids, entries):
        least = (entries[self.name][0][0] + 1, False, self.name, self.incarnation)
        self.part(ids, least)
        self.lamport = max(self.lamport, least[0])
        self.say_left(sender, ids, entries, max(self.left.get(i, least) for i in ids))


def present(entries):
    return {name for name, (member, _) in entries.items() if member[1]}
