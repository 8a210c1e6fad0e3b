"""Two sides agree on what each has of the other, whatever happened in between.

`Pair` holds the conversations of two nodes without sessions or bytes: frames
are lists of entries that the test delivers, or not.
"""

from __future__ import annotations

from itertools import count

import pytest

from clusterkit.errors import ProtocolError
from clusterkit.wire import messages as m
from clusterkit.wire.conversation import Conversations, Outgoing
from clusterkit.wire.greetings import Proof, Welcome

from .playbook import TERMS, entry


def frame(*numbers, size=10):
    return [entry(n, size=size) for n in numbers]


def sent(*frames):
    """Return an outgoing conversation that has sent these frames."""
    outgoing = Outgoing(1)
    for entries in frames:
        outgoing.number(entries, sum(len(data) for data, _, _ in entries))
    return outgoing


def resent(outgoing):
    frames = []
    while outgoing.resend:
        frames.append([about for _, _, about in outgoing.next_resend()])
    return frames


def remembered(outgoing):
    return [item.about for item in outgoing.unfinished()]


# Numbers and acknowledgements.


def test_records_are_numbered_without_gaps():
    outgoing = sent(frame(1, 2), frame(3))
    assert (outgoing.sent, outgoing.acked, outgoing.unacked) == (3, 0, 3)
    assert outgoing.unacked_bytes == 30


@pytest.mark.parametrize("number", range(6))
def test_an_ack_forgets_what_the_peer_has_and_no_more(number):
    outgoing = sent(frame(1, 2), frame(3), frame(4, 5))
    outgoing.ack(number)
    assert remembered(outgoing) == list(range(number + 1, 6))
    assert (outgoing.unacked, outgoing.unacked_bytes) == (5 - number, 50 - 10 * number)


def test_acks_are_cumulative():
    outgoing = sent(frame(1, 2), frame(3, 4, 5))
    for number in (1, 1, 2, 4, 5):
        outgoing.ack(number)
    assert (outgoing.acked, remembered(outgoing)) == (5, [])


def test_bytes_are_counted_by_entry_when_a_frame_is_acked_in_part():
    outgoing = sent([entry(1, size=5), entry(2, size=70), entry(3, size=900)])
    outgoing.ack(1)
    assert outgoing.unacked_bytes == 970


@pytest.mark.parametrize("number", [1, 4])
def test_an_ack_out_of_range_is_a_protocol_error_and_changes_nothing(number):
    outgoing = sent(frame(1, 2), frame(3))
    outgoing.ack(2)
    with pytest.raises(ProtocolError):
        outgoing.ack(number)
    assert (outgoing.acked, outgoing.unacked, remembered(outgoing)) == (2, 1, [3])


# Resending.


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (0, [[1, 2], [3], [4, 5]]),
        (1, [[2], [3], [4, 5]]),
        (3, [[4, 5]]),
        (4, [[5]]),
        (5, []),
    ],
)
def test_what_the_peer_lacks_is_sent_again_in_order(received, expected):
    outgoing = sent(frame(1, 2), frame(3), frame(4, 5))
    outgoing.resume(received)
    assert resent(outgoing) == expected
    assert outgoing.sent == 5


@pytest.mark.parametrize("received", [1, 6])
def test_a_peer_that_never_could_have_so_many_is_a_protocol_error(received):
    outgoing = sent(frame(1, 2), frame(3), frame(4, 5))
    outgoing.ack(2)
    with pytest.raises(ProtocolError):
        outgoing.resume(received)
    assert remembered(outgoing) == [3, 4, 5]
    assert not outgoing.resend


def test_what_is_not_yet_sent_again_cannot_be_acknowledged():
    outgoing = sent(frame(1, 2), frame(3))
    outgoing.resume(0)
    outgoing.next_resend()
    outgoing.ack(2)
    with pytest.raises(ProtocolError):
        outgoing.ack(3)


def test_a_second_cut_while_resending_begins_anew_where_the_peer_is():
    outgoing = sent(frame(1, 2), frame(3), frame(4))
    outgoing.resume(1)
    outgoing.next_resend()
    outgoing.resume(2)
    assert resent(outgoing) == [[3], [4]]


def test_a_frame_acked_in_part_while_resending_is_not_sent_twice():
    outgoing = sent(frame(1, 2, 3), frame(4))
    outgoing.resume(0)
    assert [item[2] for item in outgoing.next_resend()] == [1, 2, 3]
    outgoing.ack(2)
    assert resent(outgoing) == [[4]]
    assert remembered(outgoing) == [3, 4]


def test_new_records_follow_what_was_sent_again():
    outgoing = sent(frame(1))
    outgoing.resume(0)
    resent(outgoing)
    outgoing.number(frame(2), 10)
    outgoing.ack(2)
    assert (outgoing.sent, outgoing.unacked) == (2, 0)


# Agreement, by rule B4.


class Side:
    """One life of a node, as far as its conversations with the other go."""

    def __init__(self, incarnation):
        self.incarnation = incarnation
        self.talk = Conversations()


class Pair:
    def __init__(self):
        self.ids = count(1_000)
        self.sides = {"a": Side(11), "b": Side(22)}
        self.got = []
        self.lost = []
        self.dropped = []
        self.new = {}

    def __getitem__(self, name):
        return self.sides[name].talk

    def fresh(self):
        return next(self.ids)

    def proof(self, dialer):
        offer = self[dialer].offer(self.fresh())
        return Proof(
            **TERMS,
            mine=offer.mine,
            fresh=offer.fresh,
            yours=offer.other,
            received=offer.received,
        )

    def welcome(self, dialer, proof):
        """Let the listener agree with a Proof; return its Welcome."""
        listener = "ab".replace(dialer, "")
        incarnation = self.sides[dialer].incarnation
        resume, settled = self[listener].accept(proof, incarnation, self.fresh())
        self.note(listener, settled)
        terms = {"mine": resume.mine, "held": resume.other, "received": resume.received}
        return Welcome(**TERMS, **terms)

    def conclude(self, dialer, welcome):
        listener = "ab".replace(dialer, "")
        incarnation = self.sides[listener].incarnation
        self.note(dialer, self[dialer].conclude(welcome, incarnation))

    def connect(self, dialer="a"):
        self.conclude(dialer, self.welcome(dialer, self.proof(dialer)))
        return self

    def note(self, name, settled):
        self.new[name] = settled.peer_is_new
        if name == "a":
            self.lost += [item.about for item in settled.lost]
            self.dropped += [item.about for item in settled.dropped]

    def queue(self, *items, by="a"):
        for item in items:
            self[by].outbox.append(*item)

    def send(self, by="a"):
        """Put what waits into a frame; return it."""
        entries, size = self[by].outbox.take(2**16, 100)
        self[by].outgoing.number(entries, size)
        return entries

    def take(self, entries, to="b"):
        """Let the other side take a frame."""
        self[to].received += len(entries)
        self.got += [about for _, _, about in entries]

    def ack(self, to="a"):
        other = "ab".replace(to, "")
        self[to].outgoing.ack(self[other].received)

    def quiesce(self):
        """Deliver and acknowledge everything that A still has."""
        outgoing = self["a"].outgoing
        while outgoing.resend:
            self.take(outgoing.next_resend())
        self.take(self.send())
        self.ack()

    def restart(self, name):
        self.sides[name] = Side(self.sides[name].incarnation + 1)

    def lose(self, name):
        self.note(name, self[name].lose())


EITHER = pytest.mark.parametrize("dialer", ["a", "b"])


@EITHER
def test_the_first_agreement_gives_each_its_own_conversation(dialer):
    pair = Pair().connect(dialer)
    assert pair["a"].outgoing.id == pair["b"].incoming != 0
    assert pair["b"].outgoing.id == pair["a"].incoming != 0
    assert pair["a"].outgoing.id != pair["b"].outgoing.id
    assert (pair["a"].incarnation, pair["b"].incarnation) == (22, 11)


@EITHER
def test_later_agreements_go_on_with_both(dialer):
    pair = Pair().connect("a")
    ids = pair["a"].outgoing.id, pair["b"].outgoing.id
    pair.connect(dialer)
    assert (pair["a"].outgoing.id, pair["b"].outgoing.id) == ids
    assert pair.new == {"a": False, "b": False}


@EITHER
def test_what_was_queued_before_the_first_agreement_is_sent_under_it(dialer):
    pair = Pair()
    pair.queue(entry(1))
    pair.connect(dialer).quiesce()
    assert pair.got == [1]


# Per event, for each progress of one cast from A: how often B's process has
# taken it in the end, and what A has been told of it.
ONCE, NEVER = ([1], "nothing"), ([], "nothing")
PROGRESS = ["unsent", "unacked", "ack lost", "acked"]
TABLE = {
    "neither": [ONCE, ONCE, ONCE, ONCE],
    "a restarted": [NEVER, NEVER, ONCE, ONCE],
    "b restarted": [ONCE, ([], "lost"), ([1], "lost"), ONCE],
    "both restarted": [NEVER, NEVER, ONCE, ONCE],
    "a lost state": [([], "dropped"), ([], "lost"), ([1], "lost"), ONCE],
    "b lost state": [ONCE, ([], "lost"), ([1], "lost"), ONCE],
    "both lost state": [([], "dropped"), ([], "lost"), ([1], "lost"), ONCE],
}
CELLS = [
    pytest.param(event, progress, *cell, id=f"{event}-{progress}")
    for event, row in TABLE.items()
    for progress, cell in zip(PROGRESS, row, strict=True)
]


def bring_to(pair, progress):
    """Bring one cast from A as far as `progress`, and cut."""
    pair.connect()
    pair.queue(entry(1))
    if progress != "unsent":
        entries = pair.send()
        if progress != "unacked":
            pair.take(entries)
            if progress == "acked":
                pair.ack()


def let_happen(pair, event):
    who, _, what = event.partition(" ")
    for name in {"neither": "", "both": "ab"}.get(who, who):
        pair.restart(name) if what == "restarted" else pair.lose(name)


@EITHER
@pytest.mark.parametrize(("event", "progress", "got", "told"), CELLS)
def test_a_cast_arrives_or_its_sender_is_told(event, progress, got, told, dialer):
    pair = Pair()
    bring_to(pair, progress)
    let_happen(pair, event)
    pair.connect(dialer).quiesce()
    assert pair.got == got
    assert (pair.lost, pair.dropped) == {
        "nothing": ([], []),
        "lost": ([1], []),
        "dropped": ([], [1]),
    }[told]


@EITHER
@pytest.mark.parametrize("event", TABLE)
def test_both_are_told_when_either_has_begun_anew(event, dialer):
    pair = Pair().connect()
    let_happen(pair, event)
    pair.new.clear()
    pair.connect(dialer)
    assert pair.new == dict.fromkeys("ab", event != "neither")


KINDS = [kind for kind in m.FIELDS if kind < m.UNNUMBERED]


@EITHER
def test_of_the_unsent_only_questions_go_on_to_a_restarted_peer(dialer):
    pair = Pair().connect()
    pair.queue(*[entry(kind, kind) for kind in KINDS])
    pair.restart("b")
    pair.connect(dialer).quiesce()
    assert pair.got == [m.CALL, m.CAST, m.MONITOR]
    assert pair.dropped == [kind for kind in KINDS if kind not in pair.got]


@EITHER
def test_everything_unsent_goes_on_to_a_peer_that_only_lost_its_link(dialer):
    pair = Pair().connect()
    pair.queue(*[entry(kind, kind) for kind in KINDS])
    pair.lose("b")
    pair.connect(dialer).quiesce()
    assert (pair.got, pair.dropped) == (KINDS, [])


@EITHER
def test_a_new_conversation_counts_from_one(dialer):
    pair = Pair().connect()
    pair.queue(entry(1), entry(2))
    pair.take(pair.send())
    pair.restart("b")
    pair.connect(dialer)
    pair.queue(entry(3))
    pair.quiesce()
    assert (pair["a"].outgoing.sent, pair["b"].received) == (1, 1)


def test_a_welcome_that_is_lost_costs_nothing():
    pair = Pair().connect()
    pair.queue(entry(1), entry(2))
    pair.take(pair.send()[:1])
    pair.queue(entry(3))
    pair.welcome("a", pair.proof("a"))
    pair.connect("a").quiesce()
    assert (pair.got, pair.lost) == ([1, 2, 3], [])


def test_the_first_welcome_lost_makes_the_dialers_next_name_the_one():
    pair = Pair()
    pair.queue(entry(1))
    first = pair.proof("a")
    pair.welcome("a", first)
    pair.connect("a").quiesce()
    assert pair["b"].incoming == pair["a"].outgoing.id != first.fresh
    assert pair.got == [1]


@EITHER
def test_both_directions_are_settled_independently(dialer):
    pair = Pair().connect()
    pair.queue(entry(1), by="a")
    pair.queue(entry(2), by="b")
    pair.take(pair.send("b"), to="a")
    pair.send("a")
    pair.connect(dialer).quiesce()
    assert pair.got == [2, 1]
    assert pair["b"].outgoing.unacked == 0


# Agreements that cannot be.


def changed(greeting, **fields):
    values = {name: getattr(greeting, name) for name in greeting.__slots__}
    return type(greeting)(**{**values, **fields})


def everything(talk):
    """Return what a refused agreement must not have changed."""
    return (
        *(talk.incarnation, talk.outgoing.id, talk.incoming, talk.received),
        *(talk.outgoing.acked, remembered(talk.outgoing), talk.outgoing.resend),
        len(talk.outbox),
    )


def in_the_middle():
    pair = Pair().connect()
    for name in "ab":
        pair.queue(entry(1), entry(2), entry(3), by=name)
        pair.send(name)
        pair.queue(entry(4, m.REPLY), by=name)
    pair.take(frame(1, 2), to="a")
    pair["b"].outgoing.ack(1)
    return pair


@pytest.mark.parametrize("received", [0, 4, 2**64 - 1])
def test_a_proof_with_an_impossible_number_changes_nothing(received):
    pair = in_the_middle()
    proof = changed(pair.proof("a"), received=received)
    before = everything(pair["b"])
    with pytest.raises(ProtocolError):
        pair.welcome("a", proof)
    assert everything(pair["b"]) == before


@pytest.mark.parametrize(
    "fields",
    [{"received": 4}, {"held": 999}, {"held": 999, "received": 0}],
    ids=str,
)
def test_a_welcome_that_was_not_offered_changes_nothing(fields):
    pair = in_the_middle()
    welcome = changed(pair.welcome("a", pair.proof("a")), **fields)
    before = everything(pair["a"])
    with pytest.raises(ProtocolError):
        pair.conclude("a", welcome)
    assert everything(pair["a"]) == before


def test_a_fresh_conversation_of_which_something_was_received_is_refused():
    pair = Pair()
    welcome = changed(pair.welcome("a", pair.proof("a")), received=1)
    with pytest.raises(ProtocolError):
        pair.conclude("a", welcome)


def test_the_fresh_name_of_an_earlier_dial_is_refused():
    pair = Pair()
    welcome = pair.welcome("a", pair.proof("a"))
    pair.proof("a")
    with pytest.raises(ProtocolError):
        pair.conclude("a", welcome)


def test_a_new_incarnation_of_the_dialer_never_goes_on_where_the_old_one_was():
    pair = in_the_middle()
    proof = pair.proof("a")
    pair.sides["a"].incarnation += 1
    welcome = pair.welcome("a", proof)
    assert welcome.held == proof.fresh
    assert welcome.mine != proof.yours
    assert (pair["b"].received, pair.new["b"]) == (0, True)


@pytest.mark.parametrize("field", ["held", "mine"])
def test_a_new_incarnation_of_the_listener_may_not_claim_the_old_ones(field):
    pair = in_the_middle()
    proof = pair.proof("a")
    claims = {"held": proof.mine, "mine": proof.yours}
    honest = {"held": proof.fresh, "mine": 999, "received": 0}
    welcome = Welcome(**TERMS, **{**honest, field: claims[field]})
    pair.sides["b"].incarnation += 1
    before = everything(pair["a"])
    with pytest.raises(ProtocolError):
        pair.conclude("a", welcome)
    assert everything(pair["a"]) == before


def test_giving_up_accounts_for_sent_and_unsent_and_forgets_both_sides():
    pair = in_the_middle()
    settled = pair["a"].lose()
    assert [item.about for item in settled.lost] == [1, 2, 3]
    assert [item.about for item in settled.dropped] == [4]
    assert settled.peer_is_new
    assert (pair["a"].outgoing.id, pair["a"].incoming, pair["a"].received) == (0, 0, 0)
    assert len(pair["a"].outbox) == 0
