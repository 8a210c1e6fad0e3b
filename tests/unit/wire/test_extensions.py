"""Each extension type arrives as it left; dataclasses may grow between versions."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, make_dataclass
from decimal import Decimal
from uuid import UUID

import msgpack
import pytest

from clusterkit.errors import ConfigError, EncodeError
from clusterkit.names import NodeInfo
from clusterkit.wire import extensions as ext, messages as m
from clusterkit.wire.codec import Codec
from clusterkit.wire.extensions import register
from clusterkit.wire.frame import array_header

ZONE = dt.timezone(dt.timedelta(hours=-3, minutes=-30), "somewhere")


@pytest.fixture(autouse=True)
def own_names(monkeypatch):
    """Let each test register names of its own."""
    monkeypatch.setattr(ext, "_registered", {})
    monkeypatch.setattr(ext, "_names", {})


def encode(value):
    return Codec(2**20).encode([m.REPLY, 1, value])


def decode(data):
    return Codec(2**20).decode(array_header(1) + data)[0][m.VALUE]


def carry(value):
    return decode(encode(value))


def code_of(value):
    """Return the extension code that `value` travels under."""
    return msgpack.unpackb(encode(value))[m.VALUE].code


VALUES = {
    ext.TUPLE: [(), (1, "a", None), ((1,), [(2,)]), (1,) * 100],
    ext.SET: [set(), {1, 2}, {None}, {(1, 2), frozenset({3})}],
    ext.FROZENSET: [frozenset(), frozenset({b"x"})],
    ext.DATETIME: [
        dt.datetime(2024, 2, 29, 12, 30, 15, 123456),  # noqa: DTZ001
        dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.UTC),
        dt.datetime(2024, 2, 29, 12, 30, tzinfo=ZONE),
        dt.datetime.min,  # noqa: DTZ901
        dt.datetime.max,  # noqa: DTZ901
    ],
    ext.DATE: [dt.date(2024, 2, 29), dt.date.min, dt.date.max],
    ext.TIMEDELTA: [
        dt.timedelta(),
        dt.timedelta(days=-1, microseconds=1),
        dt.timedelta.min,
        dt.timedelta.max,
    ],
    ext.UUID_: [UUID(int=0), UUID("12345678-1234-5678-1234-567812345678")],
    ext.DECIMAL: [Decimal("1.50"), Decimal("-0"), Decimal("1E+9999"), Decimal("Inf")],
    ext.NODE: [NodeInfo("foo", "127.0.0.1", 7022), NodeInfo("a", "::1", 65_535)],
}


@pytest.mark.parametrize(
    ("code", "value"),
    [(code, value) for code, values in VALUES.items() for value in values],
    ids=repr,
)
def test_a_value_arrives_as_it_left(code, value):
    arrived = carry(value)
    assert (type(arrived), arrived, str(arrived)) == (type(value), value, str(value))
    assert code_of(value) == code


def test_every_type_of_the_tables_is_tried_here():
    assert VALUES.keys() == ext.WHOLE.keys() == {code for code, _ in ext.PARTS.values()}


def test_codes_are_those_of_the_protocols_description():
    codes = {kind.__name__: code for kind, (code, _) in ext.PARTS.items()}
    assert codes == {
        "tuple": 1,
        "set": 2,
        "frozenset": 3,
        "datetime": 4,
        "date": 5,
        "timedelta": 6,
        "UUID": 7,
        "Decimal": 8,
        "NodeInfo": 9,
    }
    assert (ext.REF, ext.RECORD) == (10, 11)


def test_an_aware_datetime_keeps_its_offset():
    moment = dt.datetime(2024, 1, 1, tzinfo=ZONE)
    assert carry(moment).utcoffset() == moment.utcoffset()


def test_a_datetime_travels_as_local_time_and_offset_without_fold():
    moment = dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZONE)
    assert carry(moment) == moment
    assert carry(moment).fold == 0


def test_a_signalling_nan_travels():
    assert carry(Decimal("sNaN")).is_snan()


def test_extension_values_travel_inside_each_other():
    value = {"k": [(dt.date(2024, 1, 1), {frozenset({(1, Decimal(2))})})]}
    assert carry(value) == value


@pytest.mark.parametrize(
    "node",
    [
        NodeInfo("bad name", "127.0.0.1", 7022),
        NodeInfo("foo", "", 7022),
        NodeInfo("foo", "127.0.0.1", 0),
        NodeInfo("foo", "127.0.0.1", "7022"),
    ],
    ids=str,
)
def test_a_node_that_the_receiver_would_not_take_is_not_sent(node):
    with pytest.raises(EncodeError, match="cannot send the result: "):
        encode(node)


def test_an_unnamed_set_cannot_smuggle_an_unhashable():
    with pytest.raises(EncodeError, match=r"the result\{…\}: object cannot travel"):
        encode({object()})


# Dataclasses.


@dataclass(frozen=True)
class Order:
    item: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Slotted:
    lines: tuple[Order, ...]


@dataclass
class Sum:
    numbers: list[int]
    total: int = field(init=False)

    def __post_init__(self):
        self.total = sum(self.numbers)


def test_a_registered_dataclass_travels():
    register(Order)
    assert carry([Order("tea", 2)]) == [Order("tea", 2)]


def test_dataclasses_travel_inside_each_other():
    register(Order)
    register(Slotted)
    value = Slotted((Order("tea"), Order("milk", 3)))
    assert carry(value) == value


def test_a_computed_field_is_computed_anew():
    register(Sum)
    assert carry(Sum([1, 2])) == Sum([1, 2])


def test_a_computed_field_need_not_be_able_to_travel():
    register(Sum)
    value = Sum([1, 2])
    value.total = object()
    assert carry(value) == Sum([1, 2])


def test_register_is_a_decorator_with_or_without_a_name():
    assert register(Order) is Order
    assert register(name="order/2")(Order) is Order


def test_a_class_travels_under_the_name_it_was_given():
    register(name="order/2")(Order)
    ((name, _),) = [msgpack.unpackb(msgpack.unpackb(encode(Order("tea")))[2].data)]
    assert name == "order/2"


def test_a_subclass_has_to_be_registered_itself():
    register(Order)

    @dataclass(frozen=True)
    class Express(Order):
        pass

    with pytest.raises(EncodeError, match="Express cannot travel"):
        encode(Express("tea"))


def version(*fields):
    """Return another version of the class that is called Stock on the wire."""
    return make_dataclass("Stock", fields, frozen=True)


def carry_between(old, new, value):
    """Carry a value from a node that knows `old` to one that knows `new`."""
    register(old)
    data = encode(value)
    register(new)
    return decode(data)


def test_a_field_added_later_takes_its_default():
    old = version(("item", str))
    new = version(("item", str), ("place", str, field(default="shelf")))
    assert carry_between(old, new, old("tea")) == new("tea", "shelf")


def test_a_field_that_the_receiver_does_not_know_is_dropped():
    new = version(("item", str), ("place", str))
    old = version(("item", str))
    assert carry_between(new, old, new("tea", "shelf")) == old("tea")


def test_fields_travel_by_name_and_not_by_place():
    old = version(("item", str), ("count", int))
    new = version(("count", int), ("item", str))
    assert carry_between(old, new, old("tea", 2)) == new(2, "tea")


def test_a_field_added_without_a_default_is_undecodable():
    old = version(("item", str))
    new = version(("item", str), ("place", str))
    bad = carry_between(old, new, old("tea"))
    assert "missing 1 required positional argument: 'place'" in bad.reason


def test_a_reloaded_class_replaces_the_former_one():
    old, new = version(("item", str)), version(("item", str))
    register(old)
    register(new)
    assert type(carry(old("tea"))) is new


def test_a_name_belongs_to_one_class():
    register(Order)
    with pytest.raises(ConfigError, match="'Order' is registered for Order"):
        register(name="Order")(Sum)


@pytest.mark.parametrize("what", [int, Order("tea"), "Order", len], ids=repr)
def test_what_is_no_dataclass_cannot_be_registered(what):
    with pytest.raises(ConfigError, match="is not a dataclass"):
        register(what)
