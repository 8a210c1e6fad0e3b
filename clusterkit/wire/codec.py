"""Records to bytes and back: msgpack, extension types, limits, blame.

What cannot travel is the sender's error, raised before anything is sent, and
names the path to the value. What arrives and cannot be understood inside a
value becomes an `Undecodable` in its place, so that one bad argument is
answered and never costs the connection: a session that closed on it would
resume, resend it, and close again for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack

from clusterkit.errors import EncodeError, MessageTooLarge, ProtocolError
from clusterkit.wire import extensions as ext
from clusterkit.wire.frame import LONGEST, array_header, bin_header
from clusterkit.wire.messages import (
    ARGS,
    CALL,
    CAST,
    CHUNK,
    DATA,
    EVENT,
    KIND,
    KWARGS,
    LEAVES,
    REPLY,
    VALUE,
)
from clusterkit.wire.shape import (
    CONTAINERS,
    DEEPER,
    KEYS,
    MAX_DEPTH,
    TooDeep,
    Undecodable,
    check_shape,
    check_value,
    is_too_deep,
    too_deep,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clusterkit.wire.messages import Record

MAX_REASON: Final = 256
"""Longest explanation of an `Undecodable`, in bytes: the answer to a bad value
must not itself be too large to be sent."""

MOST_PACKED: Final = 2**16 - 1
"""Longest binary argument by position, or result, in bytes, that is packed. A longer
one is joined to what is around it: packing would copy it twice. One by keyword, or
inside a list or a map, is packed however long it is."""

_PACK_ERRORS = (TypeError, ValueError, OverflowError)  # UnicodeEncodeError is one


class Codec:
    """Encodes and decodes the records of one node.

    Args:
        max_message: Largest encoded record, in bytes.
        take_ref: Returns `[name, node]` for an actor reference, None for
            anything else.
        make_ref: Builds a reference from what `take_ref` returned.
    """

    def __init__(
        self,
        max_message: int,
        *,
        take_ref: Callable[[object], list[Any] | None] | None = None,
        make_ref: Callable[[Any], object] | None = None,
    ) -> None:
        self.max_message = max_message
        self._take_ref = take_ref
        self._build = {**ext.WHOLE, ext.RECORD: ext.dataclass_whole}
        if make_ref is not None:
            self._build[ext.REF] = make_ref
        self._depth = 0
        self._undecodable: Undecodable | None = None
        # Reused, and autoreset: without it one bad argument would leave its
        # first half in the buffer of the next message.
        self._pack = msgpack.Packer(
            strict_types=True, autoreset=True, default=self._extend
        ).pack

    def encode(  # noqa: C901, PLR0912 - in one piece, on the path of every message
        self, record: Record, limit: int = LONGEST
    ) -> bytes:
        """Return the bytes of `record`.

        Args:
            record: A plain list; its values may hold extension types.
            limit: What the peer accepts, if that is less than `max_message`.

        Raises:
            EncodeError: A value cannot travel; names its path.
            MessageTooLarge: The result is over the limit.
        """
        try:
            values = record
            joined = False
            if record[0] <= CAST:
                if type(record[EVENT]) is not str:
                    raise TypeError(_no_event(record[EVENT]))
                if record[KWARGS]:
                    check_shape(record[KWARGS], MAX_DEPTH + 1)
                values = record[ARGS]
            elif record[0] == REPLY:
                values = record[2:]
            for value in values:
                # Mostly a few leaves or one flat map of them: not worth a call.
                kind = type(value)
                if kind in LEAVES:
                    if kind is bytes and len(value) > MOST_PACKED:
                        joined = True
                    continue
                if kind is dict:
                    for key, item in value.items():
                        if type(key) is not str or type(item) not in LEAVES:
                            break
                    else:
                        continue
                check_value(value, MAX_DEPTH + 1)
            data: bytes = (
                b"".join(self._pack_around(record, values))
                if joined
                else self._pack(record)
            )
        except _PACK_ERRORS as error:
            raise EncodeError(self._blame(record, error)) from error
        if len(data) > limit or len(data) > self.max_message:
            raise too_large(len(data), min(limit, self.max_message))
        return data

    def _pack_around(self, items: Any, values: Any) -> Iterator[bytes]:
        """Yield the encoding of `items` in parts, each long binary item as it is.

        Args:
            items: A list or tuple.
            values: The one of them whose items are treated likewise.
        """
        yield array_header(len(items))
        for item in items:
            if item is values is not None:  # an argument may be None
                yield from self._pack_around(item, None)
            elif type(item) is bytes and len(item) > MOST_PACKED:
                yield bin_header(len(item))
                yield item
            else:
                yield self._pack(item)

    def decode(self, body: bytes | bytearray | memoryview) -> list[Any]:
        """Return the records in `body`, an array of them.

        Raises:
            ProtocolError: The bytes are not such an array.
        """
        try:
            records = msgpack.unpackb(body, strict_map_key=False, ext_hook=self._whole)
        except Exception as error:
            # Beside what msgpack raises: a map's key that cannot be hashed, or
            # whose class is a user's. Encoders here never make one.
            raise ProtocolError(f"undecodable frame: {_text_of(error)}") from error
        if type(records) is not list:
            raise ProtocolError("a frame holds an array of records")
        return records

    def take_undecodable(self) -> bool:
        """Say whether `decode` met a value it could not build since last asked."""
        found, self._undecodable = self._undecodable, None
        return found is not None

    def _extend(self, value: Any) -> msgpack.ExtType:
        """Pack a value that msgpack does not know; its hook for `default`."""
        code, parts = self._take_apart(value)
        if code in (ext.SET, ext.FROZENSET):
            items = sorted(map(self._pack_inside, parts))
            return msgpack.ExtType(code, array_header(len(items)) + b"".join(items))
        return msgpack.ExtType(code, self._pack_inside(parts))

    def _pack_inside(self, value: Any) -> bytes:
        # A Packer is not reentrant, so what is inside an extension gets its own.
        data: bytes = msgpack.packb(value, strict_types=True, default=self._extend)
        return data

    def _take_apart(self, value: Any) -> tuple[int, Any]:
        row = ext.PARTS.get(type(value))
        if row is not None:
            code, parts = row
            return code, parts(value)
        fields = ext.dataclass_parts(value)
        if fields is not None:
            return ext.RECORD, fields
        ref = self._take_ref(value) if self._take_ref is not None else None
        if ref is not None:
            return ext.REF, ref
        raise TypeError(_remedy(value))

    def _whole(self, code: int, data: bytes) -> object:
        """Build an extension value; msgpack's `ext_hook`.

        A value with something undecodable inside is itself undecodable: a
        constructor that was given the marker might hide it.
        """
        self._depth += 1
        before, self._undecodable = self._undecodable, None
        try:
            parts = self._parts(code, data)
            if self._undecodable is None:
                value = self._build[code](parts)
                self._undecodable = before
                return value
        except Exception as error:  # noqa: BLE001
            # A user's dataclass may check its fields and raise what it likes;
            # here that is a property of the message, not a fault of the node.
            self._undecodable = Undecodable(f"extension type {code}: {_text_of(error)}")
        finally:
            self._depth -= 1
        return self._undecodable

    def _parts(self, code: int, data: bytes) -> Any:
        if code not in self._build:
            raise ValueError("not known here")
        if self._depth > MAX_DEPTH:
            raise TooDeep(DEEPER)
        parts = msgpack.unpackb(data, strict_map_key=False, ext_hook=self._whole)
        # Nobody looks into an instance again, so its fields are measured now;
        # the map that they travel in is not one of them.
        if code == ext.RECORD and too_deep(parts, MAX_DEPTH - self._depth + 1):
            raise TooDeep(DEEPER)
        return parts

    def _blame(self, record: Record, error: Exception) -> str:
        """Find the value that made packing fail, and name the way to it."""
        values = list(_named_values(record))
        if isinstance(error, TooDeep):
            deep = (path for path, value in values if is_too_deep(value))
            return f"cannot send {next(deep, 'the message')}: {error}"
        for top, whole in values:
            for path, value in _walk(whole, top):
                reason = self._fault_of(value)
                if reason is not None:
                    return f"cannot send {path}: {reason}"
        return f"cannot send the message: {error}"

    def _fault_of(self, value: Any) -> str | None:
        if type(value) is dict:
            return next(filter(None, map(self._fault_of_key, value)), None)
        if type(value) in CONTAINERS or ext.dataclass_parts(value) is not None:
            return None  # its items come next in the walk
        try:
            self._pack_inside(value)
        except _PACK_ERRORS as error:
            return str(error)
        return None

    def _fault_of_key(self, key: Any) -> str | None:
        if type(key) not in KEYS:
            return f"key {key!r} is not str, bytes or int"
        reason = self._fault_of(key)
        return None if reason is None else f"key {key!r}: {reason}"


def too_large(size: int, limit: int) -> MessageTooLarge:
    """Return the error for a message of `size` bytes where `limit` are taken."""
    return MessageTooLarge(f"a message of {size} bytes; the limit is {limit}")


def _named_values(record: Record) -> Iterator[tuple[str, Any]]:
    """Yield the user's own values in a record under the names he knows them by."""
    if record[KIND] in (CALL, CAST):
        for index, value in enumerate(record[ARGS]):
            yield f"args[{index}]", value
        for key, value in (record[KWARGS] or {}).items():
            yield "a keyword", key
            yield f"kwargs[{key!r}]", value
    elif record[KIND] == REPLY:
        yield "the result", record[VALUE]
    elif record[KIND] == CHUNK:
        yield "the message", record[DATA]
    else:
        yield "the message", record[1:]


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every value inside `value` with its path, outermost first."""
    yield path, value
    if (fields := ext.dataclass_parts(value)) is not None:
        inside = [(f"{path}.{name}", item) for name, item in fields[1].items()]
    elif type(value) is dict:
        inside = [(f"{path}[{key!r}]", item) for key, item in value.items()]
    elif type(value) in (list, tuple):
        inside = [(f"{path}[{i}]", item) for i, item in enumerate(value)]
    elif type(value) in (set, frozenset):
        inside = [(f"{path}{{…}}", item) for item in value]
    else:
        inside = []
    for inner_path, item in inside:
        yield from _walk(item, inner_path)


def _text_of(error: Exception) -> str:
    """Return class and text of an error that a peer's value has caused.

    What it says may be of any length, hold what UTF-8 cannot, or be the work
    of a `__str__` that fails.
    """
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the error's own `__str__` may raise anything
        text = type(error).__name__
    return text.encode(errors="replace")[:MAX_REASON].decode(errors="ignore")


def _no_event(event: object) -> str:
    return f"an event is named by a str, not by {type(event).__qualname__}"


def _remedy(value: Any) -> str:
    kind = type(value)
    if kind is int:
        return "an integer of more than 64 bits cannot travel; send str(value)"
    if isinstance(value, (dict, list, str, bytes, int, float, tuple, set)):
        plain = next(t for t in kind.__mro__ if t in CONTAINERS | LEAVES)
        return f"{kind.__qualname__} cannot travel; send {plain.__name__}(value)"
    return (
        f"{kind.__qualname__} cannot travel; send plain data, or make it a "
        "dataclass and register() it on both nodes"
    )
