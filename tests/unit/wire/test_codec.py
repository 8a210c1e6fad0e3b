"""What a record carries arrives as it was, or the sender learns why it cannot."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from typing import NamedTuple

import msgpack
import pytest

from clusterkit.errors import EncodeError, MessageTooLarge, ProtocolError
from clusterkit.wire import extensions as ext, messages as m
from clusterkit.wire.codec import MAX_REASON, Codec
from clusterkit.wire.extensions import register
from clusterkit.wire.frame import array_header
from clusterkit.wire.shape import MAX_DEPTH, Undecodable

from .playbook import call, cast

LIMIT = 2**20


@pytest.fixture
def codec():
    return Codec(LIMIT)


def sent(codec, record):
    """Return `record` as its receiver gets it."""
    (arrived,) = Codec(LIMIT).decode(array_header(1) + codec.encode(record))
    return arrived


def carry(codec, value):
    return sent(codec, [m.REPLY, 1, value])[m.VALUE]


def arrive(codec, *parts):
    """Decode a Reply whose value is written by hand."""
    body = b"".join((array_header(1), array_header(3), b"\x03\x01", *parts))
    return codec.decode(body)[0][m.VALUE]


def extension(code, *values):
    """Return the bytes of an extension value with that inside."""
    return msgpack.packb(msgpack.ExtType(code, b"".join(map(msgpack.packb, values))))


def nest(levels, wrap, core=0):
    for _ in range(levels):
        core = wrap(core)
    return core


@register
@dataclass(frozen=True)
class Box:
    inside: object


@register
@dataclass
class Picky:
    n: int

    def __post_init__(self):
        if self.n < 0:
            raise self.trouble

    trouble = KeyError("negative")


@register
@dataclass
class Blind:
    """Hides what it was given."""

    shown: object

    def __post_init__(self):
        self.shown = "something"


class Colour(Enum):
    RED = 1


class Level(IntEnum):
    LOW = 1


class Point(NamedTuple):
    x: int
    y: int


WRAPS = {
    "list": lambda value: [value],
    "dict": lambda value: {"k": value},
    "tuple": lambda value: (value,),
    "set": lambda value: frozenset({value}),
    "dataclass": Box,
    "long list": lambda value: [*range(8), value],
    "mixed": lambda value: (value,) if type(value) is list else [value],
}
EVERY_WRAP = pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)


# Round trips.


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        2**64 - 1,
        -(2**63),
        1.5,
        float("inf"),
        "",
        "žluťoučký 🐴",
        b"\x00\xff",
        [],
        [[], {}],
        {},
        {"a": {1: [b"x"]}, b"k": None},
        list(range(100)),
        {n: str(n) for n in range(100)},
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_plain_value_arrives_as_it_was(codec, value):
    arrived = carry(codec, value)
    assert (type(arrived), arrived) == (type(value), value)


LONG = bytes(range(256)) * 256


@pytest.mark.parametrize(
    "record",
    [
        call(7, LONG),
        call(7, "first", LONG, {"n": 1}, LONG + b"more"),
        call(7, LONG, by=LONG),
        call(7, [1], LONG, [LONG]),
        call(7, None, LONG, (), None),
        cast(LONG, ()),
        [m.REPLY, 7, LONG],
        [m.CHUNK, 1, 0, 0, LONG],
        cast(LONG[1:]),
    ],
    ids=lambda record: f"kind {record[0]}",
)
def test_a_long_binary_value_is_joined_to_what_packing_it_would_make(
    codec, monkeypatch, record
):
    joined = codec.encode(record)
    monkeypatch.setattr("clusterkit.wire.codec.MOST_PACKED", 2**32)
    assert joined == codec.encode(record)


LARGE = 512 * 1024


@pytest.mark.parametrize(
    "record",
    [
        call(7, b"x" * LARGE),
        call(7, {"kind": {"of": 1}}, b"x" * LARGE, [1]),
        cast(b"x" * LARGE),
        [m.REPLY, 7, b"x" * LARGE],
    ],
    ids=["call", "call with more", "cast", "reply"],
)
def test_a_long_binary_value_is_copied_once(codec, record):
    assert LARGE < most_allocated(lambda: codec.encode(record)) < 1.5 * LARGE


def most_allocated(function):
    """The most memory that a call has at once, of what it allocates itself."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_beside_a_long_binary_value_nothing_escapes_the_checks(codec):
    with pytest.raises(EncodeError, match=r"cannot send args\[1\]: object"):
        codec.encode(call(7, LONG, object()))
    with pytest.raises(EncodeError, match=r"args\[1\]: key 1.5 is not"):
        codec.encode(call(7, LONG, {1.5: 1}))
    with pytest.raises(MessageTooLarge):
        codec.encode(call(7, LONG), len(LONG))


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_buffer_arrives_as_bytes(codec, kind):
    assert carry(codec, kind(b"data")) == b"data"


@pytest.mark.parametrize("record", [call(7, 1, "x"), call(7, by=2), cast(5), [m.BYE]])
def test_a_record_arrives_as_it_was(codec, record):
    assert sent(codec, record) == record


def test_records_in_one_body_are_told_apart(codec):
    records = [cast(n) for n in range(20)]
    body = array_header(20) + b"".join(map(codec.encode, records))
    assert codec.decode(memoryview(body)) == records


def test_what_is_sent_later_in_a_mutable_argument_does_not_travel(codec):
    items = [1]
    data = codec.encode([m.CAST, "a", "e", [items], None])
    items.append(2)
    assert codec.decode(array_header(1) + data)[0][m.ARGS] == [[1]]


# Blame: the path to what cannot travel.

BIG = "an integer of more than 64 bits cannot travel; send str(value)"
REGISTER = "send plain data, or make it a dataclass and register() it on both nodes"
SURROGATE = "'utf-8' codec can't encode character '\\ud800' in position 0"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ([object()], {}, f"args[0]: object cannot travel; {REGISTER}"),
        ([1, [2, {"k": [object()]}]], {}, "args[1][1]['k'][0]: object cannot travel"),
        ([], {"by": object()}, "kwargs['by']: object cannot travel"),
        ([], {"by": [{1: 2**64}]}, f"kwargs['by'][0][1]: {BIG}"),
        ([(1, object())], {}, "args[0][1]: object cannot travel"),
        ([{object}], {}, "args[0]{…}: type cannot travel"),
        ([Box([object()])], {}, "args[0].inside[0]: object cannot travel"),
        ([2**64], {}, f"args[0]: {BIG}"),
        ([-(2**63) - 1], {}, f"args[0]: {BIG}"),
        (["\ud800"], {}, f"args[0]: {SURROGATE}"),
        ([{"k": "\ud800"}], {}, f"args[0]['k']: {SURROGATE}"),
        ([{"\ud800": 1}], {}, f"args[0]: key '\\ud800': {SURROGATE}"),
        ([{2**64: 1}], {}, f"args[0]: key {2**64}: {BIG}"),
        ([], {"\ud800": 1}, f"a keyword: {SURROGATE}"),
        ([{(1, 2): 3}], {}, "args[0]: key (1, 2) is not str, bytes or int"),
        ([[{None: 3}]], {}, "args[0][0]: key None is not str, bytes or int"),
        ([[*range(8), {None: 3}]], {}, "args[0][8]: key None is not str, bytes or"),
        ([{True: 3}], {}, "args[0]: key True is not str, bytes or int"),
        ([{1.5: 3}], {}, "args[0]: key 1.5 is not str, bytes or int"),
        ([({1.5: 3},)], {}, "args[0][0]: key 1.5 is not str, bytes or int"),
        ([Box({1.5: 3})], {}, "args[0].inside: key 1.5 is not str, bytes or int"),
        ([Colour.RED], {}, "args[0]: Colour cannot travel"),
        ([Level.LOW], {}, "args[0]: Level cannot travel; send int(value)"),
        ([Point(1, 2)], {}, "args[0]: Point cannot travel; send tuple(value)"),
        ([type("S", (str,), {})("x")], {}, "args[0]: S cannot travel; send str(value)"),
        ([type("D", (dict,), {})()], {}, "args[0]: D cannot travel; send dict(value)"),
    ],
)
def test_a_value_that_cannot_travel_is_named_by_its_path(codec, args, kwargs, message):
    with pytest.raises(EncodeError) as caught:
        codec.encode(call(1, *args, **kwargs))
    assert str(caught.value).startswith(f"cannot send {message}")


def test_a_result_that_cannot_travel_is_named(codec):
    with pytest.raises(EncodeError, match=r"cannot send the result\[1\]: object"):
        codec.encode([m.REPLY, 1, [0, object()]])


def test_another_records_value_that_cannot_travel_is_named(codec):
    with pytest.raises(EncodeError, match=r"cannot send the message\[2\]\[0\]: object"):
        codec.encode([m.FAULT, 1, "rejected", [object()]])


@pytest.mark.parametrize("event", [5, None, b"add", ["add"], Level.LOW])
def test_an_event_that_is_no_str_never_leaves(codec, event):
    # The receiver would take it for a broken peer and end the link.
    with pytest.raises(EncodeError, match="an event is named by a str"):
        codec.encode([m.CAST, "counter", event, [], None])


def test_an_unregistered_dataclass_cannot_travel(codec):
    @dataclass
    class Unknown:
        n: int

    with pytest.raises(EncodeError, match=r"args\[0\]: .*Unknown cannot travel"):
        codec.encode(cast(Unknown(1)))


def test_a_failed_encoding_leaves_nothing_in_the_next_message(codec):
    with pytest.raises(EncodeError):
        codec.encode(cast(["a good half", object()]))
    assert sent(codec, cast(5)) == cast(5)


# Size.


def test_a_message_over_the_own_limit_is_refused():
    with pytest.raises(MessageTooLarge, match="the limit is 1024"):
        Codec(1024).encode(cast("x" * 1024))


def test_a_message_over_the_peers_limit_is_refused(codec):
    with pytest.raises(MessageTooLarge, match="the limit is 100"):
        codec.encode(cast("x" * 100), 100)


def test_a_peer_that_accepts_more_does_not_raise_the_own_limit():
    with pytest.raises(MessageTooLarge, match="the limit is 100"):
        Codec(100).encode(cast("x" * 100), 10_000)


def test_a_message_of_exactly_the_limit_is_sent(codec):
    data = codec.encode(cast(5))
    assert Codec(len(data)).encode(cast(5), len(data)) == data
    with pytest.raises(MessageTooLarge):
        codec.encode(cast(5), len(data) - 1)


# Depth: 64 at both ends, however it is nested.


@EVERY_WRAP
def test_a_value_of_the_greatest_depth_is_sent_and_understood(codec, wrap):
    receiver = Codec(LIMIT)
    data = codec.encode(cast(nest(MAX_DEPTH, wrap)))
    receiver.decode(array_header(1) + data)
    assert not receiver.take_undecodable()


@EVERY_WRAP
@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 500, 5_000])
def test_a_deeper_value_is_refused_and_named(codec, wrap, levels):
    try:
        value = nest(levels, wrap)
    except RecursionError:  # hashing a set of sets
        pytest.skip("cannot be made")
    with pytest.raises(EncodeError) as caught:
        codec.encode(call(1, 0, value))
    assert str(caught.value) == "cannot send args[1]: nested deeper than 64"


def test_a_deeper_keyword_argument_is_named(codec):
    with pytest.raises(EncodeError, match=r"cannot send kwargs\['by'\]: nested deeper"):
        codec.encode(call(1, by=nest(MAX_DEPTH + 1, WRAPS["list"])))


def test_a_deeper_result_is_named(codec):
    with pytest.raises(EncodeError, match="cannot send the result: nested deeper"):
        codec.encode([m.REPLY, 1, nest(MAX_DEPTH + 1, WRAPS["tuple"])])


def test_a_list_that_holds_itself_is_refused(codec):
    loop = []
    loop += [loop, loop]
    with pytest.raises(EncodeError, match="nested deeper"):
        codec.encode(cast(loop))


def test_a_tuple_that_holds_itself_is_refused(codec):
    loop = ([],)
    loop[0].append(loop)
    with pytest.raises(EncodeError, match="nested deeper"):
        codec.encode(cast(loop))


# What arrives and cannot be built.


def test_a_value_that_is_understood_leaves_no_mark(codec):
    assert arrive(codec, extension(ext.TUPLE, [1])) == (1,)
    assert not codec.take_undecodable()


def test_the_mark_is_taken_once(codec):
    arrive(codec, extension(99))
    assert codec.take_undecodable()
    assert not codec.take_undecodable()


def test_a_good_value_behind_a_bad_one_does_not_clear_the_mark(codec):
    good, bad = extension(ext.TUPLE, [1]), extension(99)
    arrive(codec, array_header(2), bad, good)
    assert codec.take_undecodable()


@pytest.mark.parametrize(
    ("code", "values", "reason"),
    [
        (99, [1], "extension type 99: ValueError: not known here"),
        (ext.REF, [["counter", "bar"]], "extension type 10: ValueError: not known"),
        (ext.TUPLE, [1], "extension type 1: TypeError"),
        (ext.TUPLE, [], "extension type 1: ValueError"),
        (ext.TUPLE, [[1], [2]], "extension type 1: ExtraData"),
        (ext.SET, [[[]]], "extension type 2: TypeError: unhashable"),
        (ext.DATETIME, ["tomorrow"], "extension type 4: ValueError"),
        (ext.DATE, ["2024-02-30"], "extension type 5: ValueError"),
        (ext.TIMEDELTA, [[10**10, 0, 0]], "extension type 6: OverflowError"),
        (ext.UUID_, [b"short"], "extension type 7: ValueError"),
        (ext.DECIMAL, ["one"], "extension type 8: InvalidOperation"),
        (ext.NODE, [["foo", "127.0.0.1"]], "extension type 9: ValueError"),
        (ext.NODE, [["foo", "127.0.0.1", 0]], "extension type 9: ConfigError: port 0"),
        (ext.RECORD, [["Unheard", {}]], "'Unheard' is not registered on this node"),
        (ext.RECORD, [["Box", {}]], "missing 1 required positional argument"),
        (ext.RECORD, [["Box", []]], "extension type 11: AttributeError"),
        (ext.RECORD, [["Picky", {"n": -1}]], "extension type 11: KeyError"),
        (ext.RECORD, [[[], {}]], "extension type 11: TypeError"),
    ],
)
def test_a_value_that_cannot_be_built_is_marked_with_the_reason(
    codec, code, values, reason
):
    bad = arrive(codec, extension(code, *values))
    assert type(bad) is Undecodable
    assert reason in bad.reason
    assert codec.take_undecodable()


def test_bytes_that_are_no_msgpack_are_marked_too(codec):
    assert type(arrive(codec, b"\xc7\x01\x01\xc1")) is Undecodable


def test_its_neighbours_arrive(codec):
    arrived = arrive(codec, array_header(3), b"\x01", extension(99), b"\x02")
    assert arrived[0::2] == [1, 2]


@pytest.mark.parametrize(
    "value",
    [
        extension(ext.RECORD, ["Blind", {"shown": msgpack.ExtType(99, b"")}]),
        extension(ext.RECORD, ["Box", {"inside": [msgpack.ExtType(99, b"")]}]),
        extension(ext.TUPLE, [1, msgpack.ExtType(99, b"")]),
        extension(ext.SET, [msgpack.ExtType(99, b"")]),
    ],
    ids=["a class that would hide it", "dataclass", "tuple", "set"],
)
def test_what_has_something_undecodable_inside_is_undecodable(codec, value):
    bad = arrive(codec, value)
    assert bad == Undecodable("extension type 99: ValueError: not known here")


@pytest.mark.parametrize(
    "trouble",
    [
        ValueError("x" * 10_000_000),
        ValueError("é" * 1_000),
        ValueError("\ud800"),
        type("Mute", (Exception,), {"__str__": lambda self: 1 / 0})(),
    ],
    ids=["long", "wide", "surrogate", "mute"],
)
def test_a_reason_is_short_and_can_be_sent(codec, monkeypatch, trouble):
    monkeypatch.setattr(Picky, "trouble", trouble)
    bad = arrive(codec, extension(ext.RECORD, ["Picky", {"n": -1}]))
    assert len(msgpack.packb(bad.reason)) <= MAX_REASON + 32


def wrapped(levels, code):
    """Return `levels` extension values inside each other, as a peer may send."""
    data = b"\x90"
    for _ in range(levels):
        data = msgpack.packb(msgpack.ExtType(code, b"\x91" + data))
    return data


def test_extensions_nested_to_the_limit_are_built(codec):
    assert type(arrive(codec, wrapped(MAX_DEPTH, ext.TUPLE))) is tuple


def test_extensions_nested_deeper_are_undecodable(codec):
    bad = arrive(codec, wrapped(MAX_DEPTH + 1, ext.TUPLE))
    assert "nested deeper than 64" in bad.reason


@pytest.mark.parametrize("levels", [MAX_DEPTH - 1, MAX_DEPTH])
def test_the_fields_of_a_dataclass_are_measured_with_it(codec, levels):
    fields = {"inside": nest(levels, WRAPS["list"])}
    built = arrive(codec, extension(ext.RECORD, ["Box", fields]))
    assert type(built) is (Box if levels < MAX_DEPTH else Undecodable)


# What is no array of records at all.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc0",
        b"\x80",
        b"\xc1",
        b"\x91",
        b"\x90\x90",
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91\xa1\xff",
        b"\x91" * 100_000 + b"\x90",
        b"\x91\x81\x90\x01",
        b"\xd6\xff\x00\x00\x00\x00",
    ],
    ids=lambda body: body[:6].hex(),
)
def test_bytes_that_are_no_array_are_a_protocol_error(codec, body):
    with pytest.raises(ProtocolError):
        codec.decode(body)


def test_a_map_key_whose_class_refuses_to_be_hashed_is_a_protocol_error(
    codec, monkeypatch
):
    def refuse(self):
        raise LookupError("\ud800" * 1_000)

    monkeypatch.setattr(Box, "__hash__", refuse)
    key = extension(ext.RECORD, ["Box", {"inside": 1}])
    with pytest.raises(ProtocolError, match="LookupError"):
        arrive(codec, b"\x81", key, b"\x01")


# References, whose class lives floors above.


class Ref:
    def __init__(self, name, node):
        self.name, self.node = name, node


def test_a_reference_travels_by_name_and_node():
    codec = Codec(
        LIMIT,
        take_ref=lambda v: [v.name, v.node] if isinstance(v, Ref) else None,
        make_ref=lambda parts: Ref(*parts),
    )
    data = codec.encode([m.REPLY, 1, [Ref("counter", "bar")]])
    (ref,) = codec.decode(array_header(1) + data)[0][m.VALUE]
    assert (type(ref), ref.name, ref.node) == (Ref, "counter", "bar")


def test_what_is_no_reference_is_still_refused():
    with pytest.raises(EncodeError, match="object cannot travel"):
        Codec(LIMIT, take_ref=lambda value: None).encode(cast(object()))


def test_equal_sets_give_equal_bytes(codec):
    # Small integers that collide keep the order in which they came.
    assert list({0, 8}) != list({8, 0})
    assert codec.encode(cast({0, 8})) == codec.encode(cast({8, 0}))


def test_a_big_decimal_is_no_special_case(codec):
    assert carry(codec, Decimal("1e1000")) == Decimal("1e1000")
