"""Two links over an adversarial wire, step by step, against a model of the contract.

Hypothesis chooses the steps, and shrinks what fails to the fewest. Handshakes,
seals, sessions, conversations and outboxes are the package's; the model knows
what was said and by whom, and none of the rules. It looks at every delivery and
every report of a loss as they come, and at the books in the end.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from random import Random

from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from clusterkit.wire import messages as m

from .wire_world import CODEC, Node, World


@dataclass
class Message:
    """What the model knows of one cast or call.

    Attributes:
        number: One for each, rising.
        ticket: Its place in the outbox.
        agreed: How much had been forgotten when the sender's session began.
        state: `waiting`, `answered` (calls), or what the sender was told:
            `unknown`, `not sent`, `withdrawn`, `dropped`.
        arrived: Whether it was delivered.
    """

    number: int
    is_call: bool
    ticket: int
    agreed: int
    state: str = "waiting"
    arrived: bool = False


class Talking(Node):
    """One life of a node, with what it has said and what it owes."""

    def __init__(self, world, name, incarnation, sessions=0):
        super().__init__(world, name, incarnation, sessions)
        self.said = {}
        self.agreed = 0
        self.owed = []
        self.last = {}

    def say(self, size, *, call):
        """Accept a cast or a call."""
        self.world.payload += 1
        number, args = self.world.payload, [self.world.payload, "x" * size]
        kind, about = m.CAST, str(number)
        record = [m.CAST, "sink", "put", args, None]
        if call:
            kind, about = m.CALL, number
            record = [m.CALL, "sink", "ask", args, None, number, 0]
        ticket = self.talk.outbox.append(CODEC.encode(record), kind, about, "sink")
        self.said[number] = Message(number, call, ticket, self.agreed)

    def unsent(self):
        has_left = self.talk.outbox.has_left
        waiting = (x for x in self.said.values() if x.state == "waiting")
        return [x for x in waiting if not has_left(x.ticket)]

    def withdraw(self, message):
        assert self.talk.outbox.withdraw(message.ticket)
        message.state = "withdrawn"

    def drop_oldest(self):
        half = {-waiting.id for waiting in self.talk.outbox.bulk or () if waiting.sent}
        casts = [x for x in self.unsent() if not x.is_call and x.ticket not in half]
        entry = self.talk.outbox.drop_oldest_cast()
        assert (entry is None) == (not casts)
        if casts:
            assert int(entry.about) == casts[0].number
            casts[0].state = "dropped"

    def answer(self, index):
        """Reply to a call that has arrived."""
        number = self.owed.pop(index % len(self.owed))
        reply = [m.REPLY, number, number]
        self.talk.outbox.append(CODEC.encode(reply), m.REPLY, number)

    # What the wire brings.

    def read_session(self, end, data):
        for records, _ in end.session.receive_data(data, self.world.now):
            for record in records:
                self.take(record)

    def take(self, record):
        if record[0] == m.REPLY:
            self.resolve(record[m.ANSWERS], record[m.VALUE])
            return
        number = record[m.ARGS][0]
        sender = self.world.sender_of(number)
        message = sender.said[number]
        assert sender.name != self.name
        assert not message.arrived, f"{number} twice"
        assert message.state not in ("withdrawn", "dropped", "not sent"), message
        last = self.last.get(sender, 0)
        assert number > last, f"{number} after {last}"
        self.last[sender] = number
        message.arrived = True
        if message.is_call:
            self.owed.append(number)

    def resolve(self, number, value):
        message = self.said.get(number)
        if message is None or message.state == "unknown":
            return  # of a former life, or late
        assert value == number
        assert message.is_call
        assert message.state == "waiting", f"{message} was answered again"
        message.state = "answered"

    # What the sender is told.

    def settle(self, settled):
        for entry in settled.lost:
            self.account(entry, "unknown")
        for entry in settled.dropped:
            self.account(entry, "not sent")
        if settled.peer_is_new:
            has_left = self.talk.outbox.has_left
            for message in self.said.values():
                sent = message.is_call and has_left(message.ticket)
                if sent and message.state == "waiting":
                    message.state = "unknown"
            self.owed.clear()  # nobody waits for these answers

    def account(self, entry, outcome):
        if entry.kind not in (m.CAST, m.CALL):
            return
        message = self.said[int(entry.about)]
        assert message.state == "waiting" or entry.kind == m.CALL, message
        assert self.world.forgotten > message.agreed, f"{message}: no reason"
        if message.state == "waiting":
            message.state = outcome

    def on_greeted(self, end, event):
        end.agreed = self.world.forgotten
        super().on_greeted(end, event)

    def on_challenged(self, end, event):
        end.agreed = self.world.forgotten
        super().on_challenged(end, event)

    def attach(self, end, number, settled, *, dialer):
        super().attach(end, number, settled, dialer=dialer)
        self.agreed = end.agreed


class Stage(World):
    """The world, with a count of what may excuse a loss."""

    node_type = Talking

    def __init__(self):
        super().__init__(Random(0))
        self.forgotten = 0

    def sender_of(self, number):
        lives = [*self.nodes.values(), *self.graves]
        (sender,) = [node for node in lives if number in node.said]
        return sender


NODES = st.sampled_from("ab")
SIZES = st.sampled_from((0, 1, 40, 200, 700, 70_000, 400_000))
PICKS = st.integers(0, 7)
PARTS = st.integers(0, 120) | st.just(10**6)


class WireMachine(RuleBasedStateMachine):
    """What an adversary, and everyday life, may do.

    Rules are chosen with equal chances; so everyday life has the larger steps.
    """

    def __init__(self):
        super().__init__()
        self.world = Stage()

    def node(self, name):
        return self.world.nodes[name]

    @initialize(name=NODES, connected=st.booleans())
    def begin(self, name, connected):
        if connected:
            self.connect(name)

    @rule(name=NODES, size=SIZES, call=st.booleans())
    def say(self, name, size, call):
        self.node(name).say(size, call=call)

    @rule(name=NODES, count=st.integers(2, 20), size=SIZES)
    def burst(self, name, count, size):
        for number in range(count):
            self.node(name).say(size, call=number % 4 == 0)

    @rule(name=NODES, pick=PICKS)
    def withdraw(self, name, pick):
        if unsent := self.node(name).unsent():
            self.node(name).withdraw(unsent[pick % len(unsent)])

    @rule(name=NODES)
    def drop_oldest(self, name):
        self.node(name).drop_oldest()

    @rule(name=NODES, pick=PICKS, some=st.booleans())
    def answer(self, name, pick, some):
        node = self.node(name)
        while node.owed:
            node.answer(pick)
            if some:
                return

    @rule(name=NODES)
    def connect(self, name):
        """Dial if there is no session, and shake hands."""
        self.world.dial(self.node(name))
        self.exchange(3)

    @rule(name=NODES)
    def reconnect(self, name):
        """Both find their session dead, and one dials."""
        for node in self.world.nodes.values():
            self.world.notice(node)
        self.connect(name)

    @rule(
        name=NODES,
        notice=st.sampled_from(("", "ab")),
        steps=st.integers(0, 4),
        flush=st.booleans(),
    )
    def dial(self, name, notice, steps, flush):
        """Begin a handshake, get so far with it, and perhaps say more at once."""
        for other in notice:
            self.world.notice(self.node(other))
        self.world.dial(self.node(name))
        for step in range(steps):
            self.hear(name if step % 2 else "ab".replace(name, ""))
        if flush:
            for node in self.world.nodes.values():
                node.flush()

    @rule(rounds=st.integers(1, 4))
    def exchange(self, rounds):
        """Let both say what they have to, and hear all of it."""
        for _ in range(rounds):
            for name in "ab":
                self.node(name).flush()
            for name in "ab":
                self.hear(name)

    @rule(name=NODES)
    def hear(self, name):
        """Let one end hear all that is under way to it."""
        for end in list(self.world.ends):
            if end.inbox and end.node is self.node(name):
                data = bytes(end.inbox)
                end.inbox.clear()
                end.node.read(end, data)

    @rule(name=NODES, times=st.integers(1, 3))
    def flush(self, name, times):
        for _ in range(times):
            self.node(name).flush()

    @rule(pick=PICKS, size=PARTS)
    def deliver(self, pick, size):
        """Let some bytes arrive somewhere."""
        if ends := [end for end in self.world.ends if end.inbox]:
            end = ends[pick % len(ends)]
            data = bytes(end.inbox[:size])
            del end.inbox[:size]
            end.node.read(end, data)

    @rule(name=NODES, seconds=st.sampled_from((0.001, 0.02, 1.0)))
    def wait(self, name, seconds):
        self.world.now += seconds
        if self.node(name).end is not None:
            self.node(name).end.session.on_time(self.world.now)

    @precondition(lambda self: self.world.ends)
    @rule(pick=PICKS, here=PARTS, there=PARTS, noticed=st.sampled_from(("", "a", "ab")))
    def cut(self, pick, here, there, noticed):
        """Cut a connection at any byte; what has come so far is still heard."""
        end = self.world.ends[-1 - pick % len(self.world.ends)]
        for side, left in ((end, here), (end.other, there)):
            side.is_cut = True
            del side.inbox[left:]
        for name in noticed:
            self.hear(name)
            self.world.notice(self.node(name))

    @rule(name=NODES, restart=st.booleans(), chance=st.integers(0, 2))
    def forget(self, name, restart, chance):
        """One loses all that it knew, with its process or with its link only."""
        if chance:
            return
        self.world.forgotten += 1
        if restart:
            self.world.restart(self.node(name))
        else:
            self.node(name).give_up()

    @invariant()
    def books_balance(self):
        for node in self.world.nodes.values():
            outgoing = node.talk.outgoing
            assert 0 <= outgoing.acked <= outgoing.sent
            unfinished = outgoing.unfinished()
            assert outgoing.unacked == len(unfinished)
            sizes = sum(len(entry.data) for entry in unfinished)
            assert outgoing.unacked_bytes == sizes
            outbox = node.talk.outbox
            sizes = sum(len(entry.data) for entry in outbox)
            sent = sum(waiting.sent for waiting in outbox.bulk or ())
            assert outbox.bytes + outbox.bulk_bytes == sizes - sent

    def teardown(self):
        """Connect once more, let all arrive, and look at what became of it."""
        if sys.exc_info()[0] is not None:
            return  # a step has failed, and that is what is to be seen
        self.world.calm_down()
        for node in self.world.nodes.values():
            while node.owed:
                node.answer(0)
        self.world.come_to_rest()
        for node in self.world.nodes.values():
            assert len(node.talk.outbox) == 0
            for message in node.said.values():
                assert ENDS[message.is_call](message), f"{message} of {node.name}"


def cast_ended(message):
    """Arrived, or the sender knows better: never silence."""
    return message.arrived != (
        message.state in ("withdrawn", "dropped", "not sent")
    ) or (message.state == "unknown")


def call_ended(message):
    """Answered, or failed: a call that waits still is the worst of all."""
    if message.state == "answered":
        return message.arrived
    return message.state == "unknown" or not (
        message.state == "waiting" or message.arrived
    )


ENDS = {False: cast_ended, True: call_ended}

TestWireMachine = WireMachine.TestCase
TestWireMachine.settings = settings(
    max_examples=4 * settings.default.max_examples, stateful_step_count=50
)
