"""What two nodes say to each other: the record kinds and their fields.

A *record* is one message on the wire: a msgpack array whose first item is its
kind. On the way between floors it stays a plain list, read by the indices
below; a dataclass per record would cost a fifth of the throughput. Kinds below
`UNNUMBERED` have a record number and survive a reconnect; the others speak of
the connection itself, may overtake, and die with it.

A record may be longer than its kind says: what follows is from a later
protocol version and is ignored.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL: Final = 1
"""The version spoken here; the handshake carries a range."""

Record: TypeAlias = list[Any]

KIND: Final = 0

# A Call is: kind, actor, event, args, kwargs or nil, call id, budget in ms.
# A Cast is the same without the last two.
CALL: Final = 1
CAST: Final = 2
ACTOR: Final = 1
EVENT: Final = 2
ARGS: Final = 3
KWARGS: Final = 4
CALL_ID: Final = 5
BUDGET: Final = 6

MOST_BUDGET: Final = 1e9
"""Seconds from which on a call carries no budget: the field has 64 bits."""

# A Reply is: kind, call id, value. A Fault: kind, call id, code, details.
# A Cancel: kind, call id.
REPLY: Final = 3
FAULT: Final = 4
CANCEL: Final = 5
ANSWERS: Final = 1
VALUE: Final = 2
CODE: Final = 2
DETAILS: Final = 3

# A Monitor is: kind, monitor id, actor. A Demonitor: kind, monitor id.
# A Down: kind, monitor id, reason.
MONITOR: Final = 6
DEMONITOR: Final = 7
DOWN: Final = 8
MONITOR_ID: Final = 1
MONITORED: Final = 2
REASON: Final = 2

# Choke and Unchoke are: kind, actor. A Choke may go on with "raise": casts are to
# be refused at once, not to wait. Refused: kind, actor, number of casts.
CHOKE: Final = 9
UNCHOKE: Final = 10
REFUSED: Final = 11
POLICY: Final = 2
COUNT: Final = 2

# A Fragment is: kind, id, bytes of the whole that are still to come, a piece. The
# first piece also has the kind of the whole, and what it is about: a Call, Reply or
# Fault its call id, a Cast its actor, an Open its stream id; a Chunk and an End their
# stream id, or from side 1 its complement, -1 - id.
FRAGMENT: Final = 12
FRAGMENT_ID: Final = 1
REST: Final = 2
PART: Final = 3
WHOLE_KIND: Final = 4
WHOLE_ABOUT: Final = 5

TAKEN_BACK: Final = -1
"""The rest of a record whose sender has taken it back; its last piece is empty."""

# An Open is: kind, actor, event, args, kwargs or nil, stream id, patience in ms,
# window. All but the last are a Call's. Reply, Fault and Cancel end the stream.
# A Chunk: kind, stream id, side, form, data. A Credit: kind, stream id, side,
# bytes. An End: kind, stream id, side, code or "", details. The side is that of
# who sends the record; see `wire/streams.py`.
CHUNK: Final = 13
CREDIT: Final = 14
OPEN: Final = 15
END: Final = 16
PATIENCE: Final = 6
WINDOW: Final = 7
STREAM: Final = 1
SIDE: Final = 2
FORM: Final = 3
DATA: Final = 4
GRANTED: Final = 3
END_CODE: Final = 3
END_DETAILS: Final = 4

LARGE: Final[dict[int, tuple[type, ...]]] = {
    CALL: (int,),
    CAST: (str,),
    REPLY: (int,),
    FAULT: (int,),
    OPEN: (int,),
    CHUNK: (int,),
    END: (int,),
}
"""Kinds that may come in pieces, and the types of what they are about."""

ASKS: Final = frozenset({CALL, OPEN})
"""Kinds that get one answer."""

OF_STREAMS: Final = frozenset({CHUNK, CREDIT, END})
"""Kinds that are of a stream which an Open has begun."""

OF_ASKERS: Final = ASKS | OF_STREAMS | {CANCEL}
"""Kinds that nobody misses when whoever asked has given up."""

OF_ANSWERERS: Final = frozenset({REPLY, FAULT})
"""Kinds that whoever asked misses, unless it has given up."""

# Never on the wire: what a session hands up in the place of a cast with a value
# that cannot be taken, as kind, actor.
UNTAKEN: Final = 31

# Likewise for a large record that there is no room for, as kind, the kind of the
# record, and what it is about. Whoever has to be told is told already.
CROWDED: Final = 30

UNNUMBERED: Final = 32
# Ping and Pong are: kind, token. Bye is its kind alone. An Ack needs no record:
# every frame carries one, and an empty frame is a bare Ack.
PING: Final = 32
PONG: Final = 33
BYE: Final = 34
TOKEN: Final = 1

_INT, _STR, _LIST = (int,), (str,), (list,)
_MAP = (dict, type(None))
_ANY = (object,)
_BYTES = (bytes,)

# Kind → the types of the fields after it.
FIELDS: Final[dict[int, tuple[tuple[type, ...], ...]]] = {
    CALL: (_STR, _STR, _LIST, _MAP, _INT, _INT),
    CAST: (_STR, _STR, _LIST, _MAP),
    REPLY: (_INT, _ANY),
    FAULT: (_INT, _STR, _LIST),
    CANCEL: (_INT,),
    MONITOR: (_INT, _STR),
    DEMONITOR: (_INT,),
    DOWN: (_INT, _STR),
    CHOKE: (_STR,),
    UNCHOKE: (_STR,),
    REFUSED: (_STR, _INT),
    FRAGMENT: (_INT, _INT, _BYTES),
    CHUNK: (_INT, _INT, _INT, _BYTES),
    CREDIT: (_INT, _INT, _INT),
    OPEN: (_STR, _STR, _LIST, _MAP, _INT, _INT, _INT),
    END: (_INT, _INT, _STR, _LIST),
    PING: (_INT,),
    PONG: (_INT,),
    BYE: (),
}

NAMES: Final = {
    CALL: "Call",
    CAST: "Cast",
    REPLY: "Reply",
    FAULT: "Fault",
    CANCEL: "Cancel",
    MONITOR: "Monitor",
    DEMONITOR: "Demonitor",
    DOWN: "Down",
    CHOKE: "Choke",
    UNCHOKE: "Unchoke",
    REFUSED: "Refused",
    FRAGMENT: "Fragment",
    CHUNK: "Chunk",
    CREDIT: "Credit",
    OPEN: "Open",
    END: "End",
    PING: "Ping",
    PONG: "Pong",
    BYE: "Bye",
}


LEAVES: Final = frozenset(
    {type(None), bool, int, float, str, bytes, bytearray, memoryview}
)
"""Types of values with nothing inside."""


# Kinds by the types of all their fields, for calls, casts and replies without
# keyword arguments.
_PLAIN: Final[dict[tuple[type, ...], int]] = {
    (int, str, str, list, type(None), int, int): CALL,
    (int, str, str, list, type(None)): CAST,
    **{(int, int, kind): REPLY for kind in (*LEAVES, dict)},
}


# The types of each column after the kind.
_COLUMNS: Final[dict[int, list[set[type]]]] = {
    CALL: [{str}, {str}, {list}, {type(None)}, {int}, {int}],
    CAST: [{str}, {str}, {list}, {type(None)}],
}
_LISTS: Final = {list}
_INTS: Final = {int}
_FLAT: Final = LEAVES | {dict}


def is_plain(record: object) -> bool:
    """Say quickly whether nothing about an incoming record needs a second look.

    That is: it is a call, cast or reply just as this version makes them, and
    its values are leaves or maps of leaves. Nearly all are.
    """
    if type(record) is not list:
        return False
    kind = _PLAIN.get(tuple(map(type, record)))
    if kind is None or kind != record[0]:
        return False
    for value in record[2:] if kind == REPLY else record[3]:
        if type(value) not in LEAVES and (
            type(value) is not dict or not LEAVES.issuperset(map(type, value.values()))
        ):
            return False
    return True


def budget_ms(timeout: float) -> int:
    """Return the budget of a call that waits for `timeout` seconds.

    At least 1; 0, which is none, beyond what anybody could wait for anyway.
    """
    return max(1, int(timeout * 1000)) if timeout < MOST_BUDGET else 0


def are_plain(records: list[Any]) -> bool:
    """Say quickly whether `is_plain` holds for all of many records of one kind.

    It looks at them by columns: a few passes in C over the frame of a burst,
    where a call per record is a third of what its receiver spends on it.
    """
    if set(map(type, records)) != _LISTS or len(set(map(len, records))) != 1:
        return False
    kinds, *fields = zip(*records, strict=True) if records[0] else [()]
    if set(map(type, kinds)) != _INTS or len(set(kinds)) != 1:
        return False
    types = [set(map(type, column)) for column in fields]
    if kinds[0] == REPLY:
        return len(fields) == 2 and types[0] == _INTS and _are_flat(fields[1])
    return types == _COLUMNS.get(kinds[0]) and _are_flat(list(chain(*fields[2])))


def _are_flat(values: Sequence[object]) -> bool:
    """Say whether all values are leaves, or maps of leaves."""
    if LEAVES.issuperset(map(type, values)):
        return True
    maps = [value for value in values if type(value) is dict]
    return _FLAT.issuperset(map(type, values)) and LEAVES.issuperset(
        map(type, chain.from_iterable(map(dict.values, maps)))
    )


def well_formed(record: object) -> bool:
    """Say whether `record` is a known kind with the fields that it needs.

    Only the frame of the record is looked at: what is inside `args` and
    values is the codec's business.
    """
    if type(record) is not list or not record:
        return False
    kind = record[0]
    fields = FIELDS.get(kind) if type(kind) is int else None
    if fields is None or len(record) <= len(fields):
        return False
    return all(map(isinstance, record[1:], fields))
