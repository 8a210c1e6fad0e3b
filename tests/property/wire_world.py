"""Two nodes, the real wire, and an adversary between them.

Connections are pipes of bytes that can be delivered in any pieces, cut at any
byte, and noticed as cut late or never. What a link does beside the wire (which
dial stands, when a session is let go) is done here as B5 and B6 have it; all
the rest is the package's: handshake, seals, frames, sessions, conversations.

The invariant, judged after everything has calmed down: what an outbox accepted
arrives once and in order while both processes live and neither gives the link
up; otherwise at most once, and the sender has been told of the rest.
"""

from __future__ import annotations

from clusterkit.wire import messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.conversation import Conversations
from clusterkit.wire.dialer import Dialer
from clusterkit.wire.handshake import (
    Challenged,
    Greeted,
    Identity,
    Proved,
    Refused,
    Welcomed,
)
from clusterkit.wire.listener import Listener
from clusterkit.wire.session import Limits, Session

COOKIE = b"monster"
CODEC = Codec(2**20)
# Small, so that schedules reach every bound.
LIMITS = Limits(
    max_message=2**20,
    window_bytes=600,
    window_records=12,
    ack_delay=0.02,
    ack_bytes=150,
    ping_after=1.0,
    dead_after=1e9,
    frame_timeout=1e9,
)


SIZES = (0, 1, 40, 200) * 8 + (70_000, 140_000, 400_000)
"""Bytes of messages; the last two travel in pieces."""


class End:
    """One end of a connection: a handshake first, then perhaps a session."""

    def __init__(self, node, machine):
        self.node, self.machine = node, machine
        self.session = None
        self.inbox = bytearray()
        self.other = None
        self.number = 0
        self.challenged = False
        self.hello = None

    def send(self, data):
        if not self.other.is_cut:
            self.other.inbox += data

    is_cut = False
    """Whether nothing more will arrive here."""


class Node:
    """One process, seen from its link to the other."""

    def __init__(self, world, name, incarnation, sessions=0):
        self.world, self.name = world, name
        self.incarnation, self.sessions = incarnation, sessions
        self.talk = Conversations()
        self.end = self.dial = None
        self.accepted = []
        self.told = set()
        self.withdrawn = set()
        self.delivered = []

    def queue(self, payload, size):
        record = [m.CAST, "sink", "put", [payload, "x" * size], None]
        self.accepted.append(payload)
        self.talk.outbox.append(CODEC.encode(record), m.CAST, str(payload), "sink")

    def settle(self, settled):
        for entry in [*settled.lost, *settled.dropped]:
            if entry.kind == m.CAST:  # else it is a piece, and its last one counts
                assert int(entry.about) not in self.told, "told twice"
                self.told.add(int(entry.about))

    def give_up(self):
        self.detach()
        self.settle(self.talk.lose())

    def detach(self):
        self.end = self.dial = None

    def flush(self):
        """Say what there is to say, in one frame."""
        frame = self.end and self.end.session.next_frame(self.world.now)
        if frame:
            self.end.send(frame)
        return bool(frame)

    def start_dial(self):
        machine = Dialer(self.identity, COOKIE, self.world.nonce())
        self.dial = self.world.connect(self, machine)
        self.dial.send(machine.hello(self.sessions))

    @property
    def identity(self):
        return Identity(name=self.name, incarnation=self.incarnation)

    def read(self, end, data):
        """Take bytes that have arrived at an end of ours."""
        if end.session is not None:
            if self.end is end:  # detached sessions read nothing
                self.read_session(end, data)
        elif self.dial is end or type(end.machine) is Listener:
            for event in end.machine.receive_data(data):
                getattr(self, ON_EVENT[type(event)])(end, event)

    def read_session(self, end, data):
        for records, _ in end.session.receive_data(data, self.world.now):
            self.delivered += [record[m.ARGS][0] for record in records]

    # The listener's part.

    def on_greeted(self, end, event):
        end.hello = event.hello
        end.send(end.machine.challenge(self.sessions))

    def on_proved(self, end, event):
        hello = end.hello
        number = max(hello.sessions, event.sessions) + 1
        stale = self.sessions >= number or hello.incarnation < self.talk.incarnation
        ours = self.dial is not None and self.dial.challenged and self.name < "b"
        if stale or ours:
            self.world.refused += 1
            end.send(end.machine.refuse("stale" if stale else "tie"))
            return
        self.detach()
        fresh = self.world.fresh()
        resume, settled = self.talk.accept(event.proof, hello.incarnation, fresh)
        end.send(end.machine.welcome("", "h", 1, 2**20, resume))
        self.attach(end, number, settled, dialer=False)

    # The dialer's part.

    def on_challenged(self, end, event):
        end.challenged = True
        end.number = max(self.sessions, event.sessions) + 1
        end.peer = event.incarnation
        offer = self.talk.offer(self.world.fresh())
        end.send(end.machine.prove("", "h", 1, 2**20, offer))

    def on_welcomed(self, end, event):
        settled = self.talk.conclude(event.welcome, end.peer)
        self.attach(end, end.number, settled, dialer=True)
        if early := end.machine.trailing_data():
            self.read_session(end, early)

    def on_refused(self, end, event):
        self.dial = None

    def attach(self, end, number, settled, *, dialer):
        self.dial = None
        self.sessions = number
        self.world.resumed += bool(self.talk.outgoing.resend)
        self.world.halves += any(w.sent for w in self.talk.outbox.bulk or ())
        self.settle(settled)
        out, back = end.machine.keys()
        sealers = (out, back) if dialer else (back, out)
        now = self.world.now
        end.session = Session(
            self.talk, CODEC, sealers, LIMITS, now, speaks_first=dialer
        )
        self.end = end


ON_EVENT = {
    Greeted: "on_greeted",
    Proved: "on_proved",
    Challenged: "on_challenged",
    Welcomed: "on_welcomed",
    Refused: "on_refused",
}


class World:
    """Both nodes, every connection between them, and the seed of it all."""

    node_type = Node

    def __init__(self, rng):
        self.rng = rng
        self.now = 0.0
        self.payload = self.resumed = self.refused = self.torn = self.halves = 0
        self.nodes = {name: self.node_type(self, name, 1) for name in "ab"}
        self.graves = []
        self.ends = []

    def fresh(self):
        return self.rng.getrandbits(64) or 1

    def nonce(self):
        return self.rng.randbytes(32)

    def connect(self, node, machine):
        """Open a connection from `node`; return its end."""
        other = self.other(node)
        listener = Listener(other.identity, [COOKIE], self.nonce())
        ours, theirs = End(node, machine), End(other, listener)
        ours.other, theirs.other = theirs, ours
        self.ends += [ours, theirs]
        return ours

    def other(self, node):
        return self.nodes["b" if node.name == "a" else "a"]

    # What the adversary may do.

    def queue(self, node):
        self.payload += 1
        node.queue(self.payload, self.rng.choice(SIZES))

    def flush(self, node):
        node.flush()

    def deliver(self, node, size=None):
        """Let some bytes arrive at one of the node's ends."""
        ends = [end for end in self.ends if end.node is node and end.inbox]
        if ends:
            end = self.rng.choice(ends)
            size = size or self.rng.choice((1, 20, 100, 1_000, 1_000, 10**5))
            data = bytes(end.inbox[:size])
            del end.inbox[:size]
            node.read(end, data)

    def dial(self, node):
        if node.end is None and node.dial is None:
            node.start_dial()

    def cut(self, node):
        """Cut a connection at any byte; nobody notices yet."""
        if ends := [end for end in self.ends if end.node is node]:
            end = self.rng.choice(ends)
            for side in (end, end.other):
                side.is_cut = True
                del side.inbox[self.rng.randint(0, len(side.inbox)) :]

    def notice(self, node):
        """Let the node find its session or its dial dead."""
        node.detach()

    def withdraw(self, node):
        """Take something back that was not sent, or not all of it."""
        outbox = node.talk.outbox
        if outbox.bulk is not None:
            waiting = self.rng.choice(list(outbox.bulk))
            assert outbox.withdraw(-waiting.id)
            node.accepted.remove(int(waiting.entry.about))
            node.withdrawn.add(int(waiting.entry.about))
            self.torn += waiting.sent > 0

    def tick(self, node):
        self.now += self.rng.choice((0.001, 0.02, 1.0))
        if node.end is not None:
            node.end.session.on_time(self.now)

    def restart(self, node):
        self.graves.append(node)
        for end in self.ends:
            end.is_cut = end.is_cut or node in (end.node, end.other.node)
            if end.node is node:
                end.inbox.clear()
        incarnation = node.incarnation + 1
        self.nodes[node.name] = self.node_type(self, node.name, incarnation)

    def give_up(self, node):
        node.give_up()

    # The end.

    def calm_down(self):
        """Cut everything, connect once more, and let all that waits arrive."""
        for node in self.nodes.values():
            node.detach()
        self.ends.clear()
        self.nodes[self.rng.choice("ab")].start_dial()
        self.come_to_rest()

    def come_to_rest(self):
        """Let all that waits arrive, over the connection that there is."""
        for _ in range(10_000):
            self.now += 0.02
            busy = [self.settle_down(node) for node in self.nodes.values()]
            if not any(busy):
                return
        raise AssertionError("it never comes to rest")

    def settle_down(self, node):
        if node.end is not None:
            node.end.session.on_time(self.now)
        busy = node.flush()
        while any(end.inbox for end in self.ends if end.node is node):
            self.deliver(node)
            busy = True
        return busy or node.end is None or node.talk.outgoing.unacked > 0

    def judge(self, *, faithful):
        """Check what has become of everything that was ever accepted.

        Args:
            faithful: Whether both processes have lived and kept their link.
        """
        for node in [*self.nodes.values(), *self.graves]:
            lives = [self.nodes["ab".replace(node.name, "")], *self.graves]
            arrived = [
                payload
                for life in sorted(lives, key=lambda life: life.incarnation)
                if life.name != node.name
                for payload in life.delivered
                if payload in set(node.accepted)
            ]
            assert not node.withdrawn & {n for life in lives for n in life.delivered}
            assert arrived == sorted(set(arrived)), "twice, or out of order"
            if node in self.graves:
                continue
            assert len(node.talk.outbox) == 0
            missing = set(node.accepted) - set(arrived) - node.told
            assert not missing, f"lost: {missing}"
            assert not (faithful and node.told), "told of a loss that is none"


ACTIONS = {
    World.queue: 20,
    World.flush: 20,
    World.deliver: 60,
    World.dial: 20,
    World.tick: 10,
    World.cut: 3,
    World.notice: 4,
    World.withdraw: 1,
}
UNFAITHFUL = {World.restart: 0.7, World.give_up: 0.7}


def run_schedule(rng, *, steps, faithful):
    """Run a random schedule to its end and judge it."""
    world = World(rng)
    actions = ACTIONS if faithful else {**ACTIONS, **UNFAITHFUL}
    for action in rng.choices(list(actions), list(actions.values()), k=steps):
        action(world, world.nodes[rng.choice("ab")])
    world.calm_down()
    world.judge(faithful=faithful)
    return world
