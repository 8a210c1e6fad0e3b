"""No peer can use up logical time: what it says stays within what can be said."""

from __future__ import annotations

from random import Random

from hypothesis import given, strategies as st

from clusterkit.core import ring_effects as effects
from clusterkit.core.membership import Membership
from clusterkit.core.registers import (
    MOST_JUMP,
    MOST_TIME,
    U64,
    Entry,
    Record,
    Registers,
    Stamp,
)
from clusterkit.core.ring_state import MARKS, Kind, Message, RingState
from clusterkit.core.vector_clock import VectorClock
from clusterkit.wire.codec import Codec
from clusterkit.wire.messages import CAST

edges = [0, 1, MOST_JUMP, MOST_JUMP + 1, MOST_TIME, MOST_TIME + 1, U64]
numbers = st.sampled_from(edges) | st.integers(0, U64)
names = st.sampled_from(["a", "b", "c"])
stamps = st.builds(Stamp, numbers, st.booleans(), names, numbers, numbers)
records = st.builds(Record, stamps, st.just("h"), st.just(1), st.just(1))
clocks = st.dictionaries(names, numbers).map(
    lambda counts: VectorClock.from_json({a: {"count": n} for a, n in counts.items()})
)


def fresh():
    node = Membership("a@a:1", incarnation=1, rng=Random(1))
    node.start()
    return node


def said_by_b(kind, state, number=0):
    marks = (number,) * MARKS[kind]
    return Message(kind, state, marks).to_plain()


@st.composite
def messages(draw, ids):
    entries = draw(st.dictionaries(names, st.builds(Entry, stamps, records)))
    state = RingState(ids, Registers(entries), draw(clocks), draw(numbers))
    return said_by_b(draw(st.sampled_from(Kind)), state, draw(numbers))


@given(st.data())
def test_whatever_a_peer_says_a_node_can_go_on_speak_and_load(data):
    node = fresh()
    for _ in range(3):
        ids = data.draw(st.sampled_from([node.state.ring_ids, frozenset({7})]))
        node.receive("b", data.draw(messages(ids)))
    assert node.state.lamport <= MOST_TIME + 3
    todo = [*node.insert("d@d:1"), *node.meet("e"), *node.remove("d"), *node.leave()]
    for effect in todo:
        if isinstance(effect, effects.Send | effects.HandOver):
            said = ["", list(effect.message)]
            Codec(1 << 20).encode([CAST, "_ring", "gossip", said, None])
    saved = node.to_plain(1.0)
    again = Membership.restore(saved, "a@a:1", rng=Random(1), now=2.0)
    assert again.state == node.state


@given(st.integers(0, MOST_TIME), numbers)
def test_a_time_is_taken_up_to_a_jump_ahead(own, said):
    node = fresh()
    node._standing.hear(own)
    state = RingState(node.state.ring_ids, lamport=said)
    todo = node.receive("b", said_by_b(Kind.DIGEST, state))
    if said <= min(own + MOST_JUMP, MOST_TIME):
        assert node.state.lamport == max(own, said)
    else:
        assert todo == [effects.Dropped("b", "invalid")]
        assert node.state.lamport == own


@given(st.sampled_from(["lamport", "tick"]), st.integers(MOST_JUMP + 1, U64))
def test_an_entry_from_beyond_is_left_out_and_the_others_stand(field, beyond):
    node = fresh()
    good = Stamp(1, True, "b", 1, 1)
    bad = good._replace(**{field: beyond})
    entries = {
        name: Entry(stamp, Record(good, "h", 1, 1))
        for name, stamp in (("a", good), ("b", good), ("c", bad))
    }
    state = RingState(node.state.ring_ids, Registers(entries), lamport=1)
    todo = node.receive("b", said_by_b(Kind.STATE, state))
    assert effects.Dropped("b", "invalid", 1) in todo
    assert [n.id for n in node.members] == ["a", "b"]


@given(st.integers(MOST_JUMP + 1, U64))
def test_a_clock_from_beyond_makes_a_message_invalid(count):
    node = fresh()
    clock = VectorClock.from_json({"b": {"count": count}})
    state = RingState(node.state.ring_ids, clock=clock)
    todo = node.receive("b", said_by_b(Kind.DIGEST, state))
    assert todo == [effects.Dropped("b", "invalid")]
