"""A record is checked by its kind before anything believes its fields."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from clusterkit.wire import messages as m
from clusterkit.wire.shape import holds_undecodable, too_deep

EXAMPLES = {
    m.CALL: ["counter", "add", [1], {"by": 2}, 7, 5_000],
    m.CAST: ["counter", "add", [1], None],
    m.REPLY: [7, object()],
    m.FAULT: [7, "noproc", []],
    m.CANCEL: [7],
    m.MONITOR: [1, "counter"],
    m.DEMONITOR: [1],
    m.DOWN: [1, "crashed"],
    m.CHOKE: ["counter"],
    m.UNCHOKE: ["counter"],
    m.REFUSED: ["counter", 3],
    m.CHUNK: [7, 0, 0, b"piece"],
    m.CREDIT: [7, 1, 262_144],
    m.OPEN: ["files", "read", [1], {"by": 2}, 7, 30_000, 262_144],
    m.END: [7, 0, "", []],
    m.FRAGMENT: [1, 0, b"piece"],
    m.PING: [1],
    m.PONG: [1],
    m.BYE: [],
}
KINDS = pytest.mark.parametrize("kind", EXAMPLES, ids=m.NAMES.get)


def test_every_kind_has_fields_and_a_name():
    assert EXAMPLES.keys() == m.FIELDS.keys() == m.NAMES.keys()


@KINDS
def test_a_record_with_its_fields_is_well_formed(kind):
    assert m.well_formed([kind, *EXAMPLES[kind]])


@KINDS
def test_fields_of_a_later_version_are_allowed(kind):
    assert m.well_formed([kind, *EXAMPLES[kind], "later", {}])


@KINDS
def test_a_record_that_lacks_its_last_field_is_refused(kind):
    assert not m.well_formed([kind, *EXAMPLES[kind]][:-1])


@pytest.mark.parametrize(
    ("kind", "index"),
    [
        (kind, index)
        for kind, fields in EXAMPLES.items()
        for index in range(len(fields))
        if (kind, index) != (m.REPLY, 1)
    ],
)
def test_a_field_of_another_type_is_refused(kind, index):
    fields = list(EXAMPLES[kind])
    fields[index] = 1.5
    assert not m.well_formed([kind, *fields])


@pytest.mark.parametrize(
    "record",
    [None, 1, "Call", b"\x01", {}, [], [None], ["1"], [0], [13], [14], [35]],
)
def test_what_is_no_record_is_refused(record):
    assert not m.well_formed(record)


def test_only_the_connections_own_kinds_are_unnumbered():
    unnumbered = {kind for kind in m.FIELDS if kind >= m.UNNUMBERED}
    assert unnumbered == {m.PING, m.PONG, m.BYE}


@pytest.mark.parametrize("kind", [m.CALL, m.CAST, m.REPLY], ids=m.NAMES.get)
@pytest.mark.parametrize("value", [1, None, "x", b"x", {}, {"a": 1, "b": None}])
def test_calls_casts_and_replies_of_flat_values_are_plain(kind, value):
    fields = {
        m.CALL: ["a", "e", [value], None, 7, 0],
        m.CAST: ["a", "e", [value], None],
    }
    assert m.is_plain([kind, *fields.get(kind, [7, value])])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 40) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
)
ALMOST_RECORDS = st.builds(
    lambda kind, fields, changes: [kind, *(changes.get(i, f) for i, f in fields)],
    st.sampled_from(sorted(EXAMPLES)),
    st.sampled_from([list(enumerate(fields)) for fields in EXAMPLES.values()]),
    st.dictionaries(st.integers(0, 6), VALUES | st.builds(object), max_size=2),
)


@given(ALMOST_RECORDS | VALUES)
def test_what_is_plain_is_well_formed_and_needs_no_second_look(record):
    if m.is_plain(record):
        assert m.well_formed(record)
        assert record[m.KIND] in (m.CALL, m.CAST, m.REPLY)
        assert not too_deep(record, 2)
        assert holds_undecodable(record) is None


@pytest.mark.parametrize(
    ("timeout", "budget"),
    [
        (0.0, 1),
        (0.0004, 1),
        (1.5, 1_500),
        (1e9, 0),
        (1e20, 0),
        (math.inf, 0),
    ],
)
def test_a_budget_is_in_ms_and_0_where_there_is_none(timeout, budget):
    assert m.budget_ms(timeout) == budget


def test_the_longest_budget_fits_into_its_field():
    assert m.budget_ms(math.nextafter(m.MOST_BUDGET, 0)) < 2**64


MANY_RECORDS = st.lists(ALMOST_RECORDS, min_size=1, max_size=4) | st.builds(
    lambda kind, fields, n, change: [[kind, *fields]] * n + change,
    st.sampled_from(sorted(EXAMPLES)),
    st.sampled_from([*EXAMPLES.values(), ["a", "e", [1, {"b": 2}], None]]),
    st.integers(1, 3),
    st.lists(ALMOST_RECORDS | VALUES, max_size=1),
)


@given(MANY_RECORDS | VALUES.filter(lambda value: type(value) is list and value))
def test_many_are_plain_only_if_each_is(records):
    if m.are_plain(records):
        assert all(map(m.is_plain, records))
        assert len({record[m.KIND] for record in records}) == 1


@pytest.mark.parametrize("value", [1, "x", {}, {"a": 1}])
@pytest.mark.parametrize(
    "record", [[m.CALL, "a", "e", [], None, 7, 0], [m.CAST, "a", "e", [], None]]
)
def test_many_calls_or_casts_of_flat_values_are_plain(record, value):
    assert m.are_plain([[*record[:3], [value] * n, *record[4:]] for n in range(3)])


def test_many_replies_of_flat_values_are_plain():
    assert m.are_plain([[m.REPLY, 7, value] for value in (1, None, {"a": b"x"}, "x")])
    assert not m.are_plain([[m.REPLY, 7, 1], [m.REPLY, 7, [1]]])
