"""Any value and any event as JSON."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from clusterkit.cluster.json_values import event_json, json_value
from clusterkit.core import HashRing
from clusterkit.errors import EncodeError
from clusterkit.events import Left, LinkUp, RingChanged, RingConflict
from clusterkit.names import NodeInfo

NOON = dt.datetime(2026, 11, 21, 12, 0, 0, 123_456, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Order:
    item: str
    codes: tuple[bytes, ...]


class Level(IntEnum):
    LOW = 1


class Word(Enum):
    YES = "yes"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (5, 5),
        ("é", "é"),
        (b"hi\xff", {"base64": "aGn/"}),
        (bytearray(b"hi"), {"base64": "aGk="}),
        ((1, [2]), [1, [2]]),
        ({3, 1, 10}, [1, 3, 10]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({1, "a"}, ["a", 1]),
        (dt.date(2026, 11, 21), "2026-11-21"),
        (NOON, "2026-11-21T12:00:00.123456+00:00"),
        (dt.timedelta(minutes=1.5), 90.0),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (NodeInfo("foo", "h", 1), {"id": "foo", "host": "h", "port": 1}),
        (Order("pen", (b"x",)), {"item": "pen", "codes": [{"base64": "eA=="}]}),
        ({1: "a", b"k": "b"}, {"1": "a", '{"base64": "aw=="}': "b"}),
        (float("inf"), "inf"),
        (Level.LOW, 1),
        (Word.YES, "yes"),
    ],
)
def test_a_value_is_shown_as_json(value, shown):
    assert json_value(value) == shown


def test_a_number_that_json_lacks_is_text():
    assert json_value([float("nan")]) == ["nan"]


def test_what_cannot_be_shown_is_an_error():
    with pytest.raises(EncodeError, match="object, which JSON cannot show"):
        json_value([object()])


def test_a_class_is_not_shown_as_its_instance():
    with pytest.raises(EncodeError):
        json_value(Order)


def test_a_value_that_contains_itself_is_an_error():
    value = []
    value.append(value)
    with pytest.raises(EncodeError, match="nests deeper"):
        json_value(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.binary() | st.integers(), inner)
            | st.frozensets(st.integers() | st.text())
        ),
        max_leaves=20,
    )
)
def test_whatever_may_travel_becomes_strict_json(value):
    json.loads(json.dumps(json_value(value), allow_nan=False))


def test_an_event_has_its_name_its_time_and_its_fields():
    assert event_json(LinkUp("bar", "h:1"), NOON) == {
        "event": "link_up",
        "time": "2026-11-21T12:00:00.123+00:00",
        "peer": "bar",
        "address": "h:1",
    }


def test_an_event_without_a_value_has_null():
    assert event_json(Left(), NOON)["told"] is None


def test_a_ring_in_an_event_is_its_members_and_their_weights():
    old = HashRing(rfactor=3)
    found = event_json(RingChanged(old, old.insert("foo@h:1"), "insert"), NOON)
    assert (found["event"], found["old"]) == ("ring_changed", [])
    assert found["new"] == [{"id": "foo", "host": "h", "port": 1, "weight": 3}]


def test_a_field_of_any_type_is_shown_somehow():
    found = event_json(RingConflict("bar", (1, "x"), object()), NOON)
    assert found["ours"] == [1, "x"]
    assert found["theirs"].startswith("<object object")
