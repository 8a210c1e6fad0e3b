"""`@frozen`: a frozen dataclass with slots that costs an import next to nothing.

`dataclass(frozen=True, slots=True)` writes and compiles the source of methods: 1.1
ms and more for a class, and those of clusterkit were two thirds of its import,
though a program uses few of them, and those later. Here the class is made at once,
in 0.05 ms, and its methods by the same `dataclass` when the first is asked for.

Until then descriptors stand for them, one for each name (`LATE`). Whichever is
looked up first (by a construction, `fields`, `match`, `inspect.signature`, while
unpickling) has all of them made and steps aside. From then on the class has the
very functions that `dataclass` makes, and is as fast.
"""

from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, dataclass_transform, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

LATE: Final = (
    *("__init__", "__repr__", "__eq__", "__hash__", "__getstate__", "__setstate__"),
    *("__match_args__", "__dataclass_params__", "__dataclass_fields__"),
    *(("__replace__",) if sys.version_info >= (3, 13) else ()),
)
"""What `dataclass` puts into each class, but for `__setattr__`, `__delattr__`."""

ORDER: Final = ("__lt__", "__le__", "__gt__", "__ge__")


@overload
def frozen(cls: type[T], /) -> type[T]: ...
@overload
def frozen(
    *, kw_only: bool = False, order: bool = False
) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: Any = None, /, *, kw_only: bool = False, order: bool = False) -> Any:
    """Make a class what `dataclass(frozen=True, slots=True)` makes it, but later.

    It has the same fields, methods and errors, and others may derive from it by
    either decorator. Its module says `from __future__ import annotations`; there
    is no `InitVar` and no `KW_ONLY`. What is wrong with a field is raised late, too.

    Args:
        cls: The class.
        kw_only: Whether its fields are given by name only.
        order: Whether its instances have the order of their fields.

    Returns:
        A class like it, with slots.

    Guarantees:
        Threads may ask for the first method at once. Each makes all of them from
        the class as it was written, so it does not matter whose stay.
    """
    make = partial(_frozen, options={"kw_only": kw_only, "order": order})
    return make if cls is None else make(cls)


def _frozen(cls: type, options: Mapping[str, bool]) -> type:
    # As it was written, defaults included: what `dataclass` wants to see.
    own = {"__dict__", "__weakref__"}
    written = {key: value for key, value in vars(cls).items() if key not in own}
    written["__qualname__"] = cls.__qualname__
    slotted = _with_slots(cls, written)

    def complete() -> Mapping[str, Any]:
        twin = type(cls)(cls.__name__, cls.__bases__, written.copy())
        made = vars(dataclass(frozen=True, slots=True, **options)(twin))
        for name in late:
            # A program may have put its own there, or a patch of a test.
            if type(vars(slotted).get(name)) is _Late:
                setattr(slotted, name, made[name])
        return made

    names = (*LATE, *ORDER) if options["order"] else LATE
    # A class that defines `__eq__` has the `__hash__` None, until `dataclass` comes.
    late = [name for name in names if written.get(name) is None]
    for name in late:
        setattr(slotted, name, _Late(name, complete))
    return slotted


def _with_slots(cls: type, written: Mapping[str, Any]) -> type:
    names = [n for n, kind in cls.__annotations__.items() if "ClassVar" not in kind]
    slots = [vars(base).get("__slots__", ()) for base in cls.__mro__]
    taken = {s for some in slots for s in ([some] if isinstance(some, str) else some)}
    members = {key: value for key, value in written.items() if key not in names}
    members["__slots__"] = tuple(name for name in names if name not in taken)
    slotted: Any = type(cls)(cls.__name__, cls.__bases__, members)

    def set_attribute(self: object, name: str, value: object) -> None:
        if type(self) is slotted or name in slotted.__dataclass_fields__:
            raise FrozenInstanceError(f"cannot assign to field {name!r}")
        super(slotted, self).__setattr__(name, value)

    def delete_attribute(self: object, name: str) -> None:
        if type(self) is slotted or name in slotted.__dataclass_fields__:
            raise FrozenInstanceError(f"cannot delete field {name!r}")
        super(slotted, self).__delattr__(name)

    slotted.__setattr__, slotted.__delattr__ = set_attribute, delete_attribute
    return slotted  # type: ignore[no-any-return]


class _Late:
    """Stands in a class for what `dataclass` has yet to make."""

    __slots__ = ("_complete", "_name")

    def __init__(self, name: str, complete: Callable[[], Mapping[str, Any]]) -> None:
        self._name = name
        self._complete = complete

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        made = self._complete()[self._name]
        return made.__get__(instance, owner) if hasattr(made, "__get__") else made
