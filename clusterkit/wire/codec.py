"""Records to bytes and back: msgpack, extension types, limits, blame.

What cannot travel is the sender's error, raised before anything is sent, and
names the path to the value. What arrives and cannot be understood inside a
value becomes an `Undecodable` in its place, so that one bad argument is
answered and never costs the connection: a session that closed on it would
resume, resend it, and close again for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgpack

from clusterkit.errors import EncodeError, MessageTooLarge, ProtocolError
from clusterkit.wire import extensions as ext, messages as m
from clusterkit.wire.frame import array_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clusterkit.wire.messages import Record

MAX_DEPTH: Final = 64
"""How deep containers may nest in a value, at both ends."""

_LEAVES = frozenset({type(None), bool, int, float, str, bytes, bytearray, memoryview})
_KEYS = frozenset({str, bytes, int})
_CONTAINERS = frozenset({list, dict, tuple, set, frozenset})
_PACK_ERRORS = (TypeError, ValueError, OverflowError)  # UnicodeEncodeError is one


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands where a value of an incoming message could not be built."""

    reason: str


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
        self._undecodable = False
        # Reused, and autoreset: without it one bad argument would leave its
        # first half in the buffer of the next message.
        self._pack = msgpack.Packer(
            strict_types=True, autoreset=True, default=self._extend
        ).pack

    def encode(self, record: Record, limit: int | None = None) -> bytes:
        """Return the bytes of `record`.

        Args:
            record: A plain list; its values may hold extension types.
            limit: What the peer accepts, if that is less than `max_message`.

        Raises:
            EncodeError: A value cannot travel; names its path.
            MessageTooLarge: The result is over the limit.
        """
        try:
            if record[0] <= m.CAST:
                check_shape(record[m.ARGS], MAX_DEPTH + 1)
                if record[m.KWARGS]:
                    check_shape(record[m.KWARGS], MAX_DEPTH + 1)
            else:
                check_shape(record, MAX_DEPTH + 1)
            data: bytes = self._pack(record)
        except _PACK_ERRORS as error:
            raise EncodeError(self._blame(record, error)) from error
        most = self.max_message if limit is None else min(limit, self.max_message)
        if len(data) > most:
            raise MessageTooLarge(
                f"a message of {len(data)} bytes; the limit is {most}"
            )
        return data

    def decode(self, body: bytes | memoryview) -> list[Any]:
        """Return the records in `body`, an array of them.

        Raises:
            ProtocolError: The bytes are not such an array.
        """
        try:
            records = msgpack.unpackb(body, strict_map_key=False, ext_hook=self._whole)
        except (ValueError, TypeError, RecursionError) as error:
            # TypeError: an unhashable map key. Encoders here never make one.
            raise ProtocolError(f"undecodable frame: {error}") from error
        if type(records) is not list:
            raise ProtocolError("a frame holds an array of records")
        return records

    def take_undecodable(self) -> bool:
        """Say whether `decode` met a value it could not build since last asked."""
        found, self._undecodable = self._undecodable, False
        return found

    def _extend(self, value: Any) -> msgpack.ExtType:
        """Pack a value that msgpack does not know; its hook for `default`."""
        code, parts = self._take_apart(value)
        self._depth += 1
        try:
            if type(parts) is list:
                check_shape(parts, MAX_DEPTH - self._depth)
            if code in (ext.SET, ext.FROZENSET):
                items = sorted(map(self._pack_inside, parts))
                return msgpack.ExtType(code, array_header(len(items)) + b"".join(items))
            return msgpack.ExtType(code, self._pack_inside(parts))
        finally:
            self._depth -= 1

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
        """Build an extension value; msgpack's `ext_hook`."""
        self._depth += 1
        try:
            if self._depth > MAX_DEPTH:
                raise ValueError(f"nested deeper than {MAX_DEPTH}")  # noqa: TRY301
            parts = msgpack.unpackb(data, strict_map_key=False, ext_hook=self._whole)
            return self._build[code](parts)
        except Exception as error:  # noqa: BLE001
            # A user's dataclass may check its fields and raise what it likes;
            # here that is a property of the message, not a fault of the node.
            self._undecodable = True
            return Undecodable(f"extension type {code}: {error!r}")
        finally:
            self._depth -= 1

    def _blame(self, record: Record, error: Exception) -> str:
        """Find the value that made packing fail, and name the way to it."""
        for path, value in _walk(_named_fields(record), "", MAX_DEPTH + 2):
            reason = self._fault_of(value)
            if reason is not None:
                return f"cannot send {path}: {reason}"
        return f"cannot send the message: {error}"

    def _fault_of(self, value: Any) -> str | None:
        if type(value) is dict:
            bad = [key for key in value if type(key) not in _KEYS]
            return f"key {bad[0]!r} is not str, bytes or int" if bad else None
        if type(value) in _CONTAINERS or ext.dataclass_parts(value) is not None:
            return None  # its items come next in the walk
        try:
            self._pack_inside(value)
        except _PACK_ERRORS as error:
            return str(error)
        return None


def check_shape(value: list[Any] | dict[Any, Any], room: int = MAX_DEPTH) -> None:
    """Check the keys and the depth of plain containers.

    This is on the path of every message, hence the shape: one pass, no call
    per leaf. What is inside extension types is checked as they are packed.

    Raises:
        ValueError: A map has a key that is not str, bytes or int, or
            containers nest more than `room` deep.
    """
    if type(value) is dict:
        for key, item in value.items():
            if type(key) not in _KEYS:
                raise ValueError("a map has a key that is not str, bytes or int")
            if type(item) is dict or type(item) is list:
                _go_down(item, room)
    elif len(value) < 8 or not _LEAVES.issuperset(map(type, value)):
        for item in value:
            if type(item) is dict or type(item) is list:
                _go_down(item, room)


def _go_down(value: list[Any] | dict[Any, Any], room: int) -> None:
    if room <= 1:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    check_shape(value, room - 1)


def too_deep(value: Any, room: int = MAX_DEPTH) -> bool:
    """Say whether an incoming container nests deeper than a sender may send."""
    for item in value.values() if type(value) is dict else value:
        nests = type(item) not in _LEAVES and type(item) in _CONTAINERS
        if nests and (room <= 1 or too_deep(item, room - 1)):
            return True
    return False


def holds_undecodable(value: Any) -> Undecodable | None:
    """Return the first `Undecodable` inside `value`, None if there is none."""
    if type(value) is Undecodable:
        return value
    if type(value) is dict:
        value = [*value.keys(), *value.values()]
    if type(value) in _CONTAINERS:
        for item in value:
            if (found := holds_undecodable(item)) is not None:
                return found
    elif (fields := ext.dataclass_parts(value)) is not None:
        return holds_undecodable(fields[1])
    return None


def _named_fields(record: Record) -> dict[str, Any]:
    """Give the user's own values in a record the names he knows them by."""
    if record[m.KIND] in (m.CALL, m.CAST):
        return {"args": record[m.ARGS], "kwargs": record[m.KWARGS]}
    if record[m.KIND] == m.REPLY:
        return {"the result": record[m.VALUE]}
    return {"the message": record[1:]}


def _walk(value: Any, path: str, room: int) -> Iterator[tuple[str, Any]]:
    """Yield every value inside `value` with its path, outermost first."""
    if path:
        yield path, value
    if room < 0:
        return
    if (fields := ext.dataclass_parts(value)) is not None:
        inside = [(f"{path}.{name}", item) for name, item in fields[1].items()]
    elif type(value) is dict:
        inside = [(f"{path}[{k!r}]" if path else k, v) for k, v in value.items()]
    elif type(value) in (list, tuple):
        inside = [(f"{path}[{i}]", item) for i, item in enumerate(value)]
    elif type(value) in (set, frozenset):
        inside = [(f"{path}{{…}}", item) for item in value]
    else:
        inside = []
    for inner_path, item in inside:
        yield from _walk(item, inner_path, room - 1)


def _remedy(value: Any) -> str:
    kind = type(value)
    if kind is int:
        return "an integer of more than 64 bits cannot travel; send str(value)"
    if isinstance(value, (dict, list, str, bytes, int, float, tuple, set)):
        plain = next(t for t in kind.__mro__ if t in _CONTAINERS | _LEAVES)
        return f"{kind.__qualname__} cannot travel; send {plain.__name__}(value)"
    return (
        f"{kind.__qualname__} cannot travel; send plain data, or make it a "
        "dataclass and register() it on both nodes"
    )
