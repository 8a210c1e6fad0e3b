"""A frozen class is what `dataclass` makes of it, only later."""

from __future__ import annotations

import copy
import inspect
import pickle  # noqa: TID251 - no boundary is crossed
import subprocess
import sys
import threading
import typing
from dataclasses import (
    FrozenInstanceError,
    asdict,
    astuple,
    dataclass,
    field,
    fields,
    is_dataclass,
    replace,
)
from typing import Any, ClassVar, Generic, TypeVar
from unittest import mock

import pytest

from clusterkit.events import Event, LinkUp
from clusterkit.frozen import LATE, ORDER, frozen
from clusterkit.names import NodeInfo

R = TypeVar("R")


def whole(cls=None, /, **options):
    """The standard library's decorator, with the same words."""
    return dataclass(cls, frozen=True, slots=True, **options)


def is_made(cls):
    """Whether the methods have been made; looked up without asking for them."""
    return inspect.isfunction(vars(cls)["__init__"])


def plain(decorator):
    @decorator
    class Plain:
        """Fields of all kinds."""

        shared: ClassVar[int] = 7
        first: int
        second: str = "two"
        third: list[int] = field(default_factory=list)
        unseen: str = field(default="", repr=False, compare=False)

        def total(self) -> int:
            return self.first + self.shared

    return Plain


def named(decorator):
    @decorator(kw_only=True)
    class Named:
        """By name only, and checked."""

        first: int
        second: int = 2

        def __post_init__(self) -> None:
            if self.first < 0:
                raise ValueError("below 0")

    return Named


def ordered(decorator):
    @decorator(order=True)
    class Ordered:
        """Has an order."""

        first: int
        second: int = 2

    return Ordered


def derived(decorator):
    @decorator
    class Derived(plain(decorator)):
        """More fields, and another default."""

        fourth: int = 4
        second: str = "zwei"

    return Derived


def generic(decorator):
    @decorator
    class Of(Generic[R]):
        """Of some type."""

        first: R
        second: R | None = None

    return Of


def empty(decorator):
    @decorator
    class Empty:
        """No field at all."""

    return Empty


def with_own(decorator):
    @decorator
    class WithOwn:  # noqa: PLW1641 - `dataclass` makes it
        """Some methods of its own."""

        first: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self))

        def __repr__(self) -> str:
            return "own"

    return WithOwn


SHAPES = [plain, named, ordered, derived, generic, with_own]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda f: f.__name__)


def outcome(function):
    """What comes of a call: a value or an error, as text."""
    try:
        return repr(function())
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace(".whole.", ".frozen.")


@pytest.mark.parametrize("shape", [*SHAPES, empty], ids=lambda f: f.__name__)
def test_a_class_has_all_that_dataclass_gives_it(shape):
    ours, theirs = shape(frozen), shape(whole)
    assert is_dataclass(ours)
    left_behind = {"__weakref__"}  # by `dataclass`, in the first releases of 3.11
    assert set(vars(ours)) - left_behind == set(vars(theirs)) - left_behind
    assert ours.__slots__ == theirs.__slots__
    assert ours.__match_args__ == theirs.__match_args__
    assert ours.__qualname__ == theirs.__qualname__
    assert ours.__module__ == __name__
    assert ours.__doc__ == theirs.__doc__
    assert repr(ours.__dataclass_params__) == repr(theirs.__dataclass_params__)


@every_shape
def test_its_fields_are_those_of_dataclass(shape):
    ours, theirs = fields(shape(frozen)), fields(shape(whole))
    assert [*map(repr, ours)] == [*map(repr, theirs)]


@every_shape
def test_its_signature_and_hints_are_known_before_anything_is_made(shape):
    ours, theirs = shape(frozen), shape(whole)
    hints = typing.get_type_hints(ours, globals())
    assert hints == typing.get_type_hints(theirs, globals())
    assert not is_made(ours)
    assert str(inspect.signature(ours)) == str(inspect.signature(theirs))


CALLS: list[dict[str, Any]] = [
    {},
    {"first": 1},
    {"first": -1},
    {"first": 1, "second": 3},
    {"first": 1, "third": 3},
    {"other": 1},
]


@every_shape
@pytest.mark.parametrize("arguments", CALLS, ids=lambda a: ",".join(a) or "none")
def test_the_first_construction_ends_as_any_other(shape, arguments):
    ours, theirs = shape(frozen), shape(whole)
    expected = outcome(lambda: theirs(**arguments))
    for _ in range(2):
        assert outcome(lambda: ours(**arguments)) == expected


@every_shape
@pytest.mark.parametrize("count", range(7))
def test_the_first_construction_by_position_ends_as_any_other(shape, count):
    ours, theirs = shape(frozen), shape(whole)
    expected = outcome(lambda: theirs(*range(count)))
    assert outcome(lambda: ours(*range(count))) == expected


def test_each_instance_has_a_default_of_its_own():
    cls = plain(frozen)
    cls(1).third.append(5)
    assert cls(1).third == []


def test_equal_are_those_of_one_class_with_equal_fields():
    cls = ordered(frozen)
    assert cls(1) == cls(1, 2)
    assert hash(cls(1)) == hash(cls(1, 2))
    assert cls(1) != cls(2)
    assert cls(1) != ordered(frozen)(1)
    assert cls(1) != (1, 2)
    assert cls(1, 3) < cls(2, 1)
    assert cls(1) <= cls(1)


def test_a_field_that_is_not_compared_is_not():
    cls = plain(frozen)
    assert cls(1, unseen="x") == cls(1)
    assert "unseen" not in repr(cls(1))


def test_a_class_without_an_order_has_none():
    cls = plain(frozen)
    with pytest.raises(TypeError, match="not supported"):
        assert cls(1) < cls(2)


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize("name", ["first", "unheard_of"])
def test_nothing_of_it_can_be_set_or_deleted(made, name):
    cls = plain(frozen)
    value = cls(1) if made else object.__new__(cls)
    with pytest.raises(FrozenInstanceError, match="assign"):
        setattr(value, name, 2)
    with pytest.raises(FrozenInstanceError, match="delete"):
        delattr(value, name)


def test_replace_asdict_astuple_and_match_work():
    value = plain(frozen)(1, third=[3])
    assert replace(value, first=2).first == 2
    assert asdict(value) == {"first": 1, "second": "two", "third": [3], "unseen": ""}
    assert astuple(value) == (1, "two", [3], "")
    match value:
        case object(first=1, second=second):
            assert second == "two"


def test_match_by_position_is_the_first_thing_asked_of_a_class():
    cls = plain(frozen)
    value = object.__new__(cls)
    object.__setattr__(value, "first", 1)
    match value:
        case cls(first):
            assert first == 1


# What asks for each name, with an instance whose fields are set by hand: nothing
# was constructed before.
ASKS = {
    "__init__": lambda cls, value: cls(1, 2),
    "__repr__": lambda cls, value: repr(value),
    "__eq__": lambda cls, value: value == value,
    "__hash__": lambda cls, value: hash(value),
    "__getstate__": lambda cls, value: value.__getstate__(),
    "__setstate__": lambda cls, value: value.__setstate__([1, 2]),
    "__match_args__": lambda cls, value: cls.__match_args__,
    "__dataclass_params__": lambda cls, value: cls.__dataclass_params__,
    "__dataclass_fields__": lambda cls, value: fields(cls),
    "__replace__": lambda cls, value: copy.replace(value, first=2),
    "__lt__": lambda cls, value: value < value,
    "__le__": lambda cls, value: value <= value,
    "__gt__": lambda cls, value: value > value,
    "__ge__": lambda cls, value: value >= value,
}


def by_hand(cls):
    value = object.__new__(cls)
    object.__setattr__(value, "first", 1)
    object.__setattr__(value, "second", 2)
    return value


@pytest.mark.parametrize("name", [*LATE, *ORDER])
def test_whatever_is_asked_for_first_has_all_the_methods_made(name):
    ours, theirs = ordered(frozen), ordered(whole)
    assert not is_made(ours)
    got = outcome(lambda: ASKS[name](ours, by_hand(ours)))
    assert is_made(ours)
    assert not [n for n in vars(ours) if type(vars(ours)[n]).__name__ == "_Late"]
    assert got == outcome(lambda: ASKS[name](theirs, by_hand(theirs)))


def test_a_class_is_made_by_its_own_first_use_and_its_heirs_are_not():
    base = plain(frozen)

    @frozen
    class Heir(base):
        """Another field."""

        fourth: int = 4

    assert base(1).first == 1
    assert is_made(base)
    assert not is_made(Heir)
    assert Heir(1) == Heir(1, fourth=4)
    assert isinstance(Heir(1), base)
    assert Heir(1) != base(1)
    assert [f.name for f in fields(Heir)] == [*(f.name for f in fields(base)), "fourth"]


def test_what_is_asked_of_an_heir_is_not_answered_for_it_by_its_base():
    base = plain(frozen)

    class Heir(base):
        """An ordinary class."""

        def __init__(self) -> None:
            super().__init__(5)
            self.note = "mine"

    heir = Heir()
    assert (heir.first, heir.note) == (5, "mine")
    heir.note = "changed"
    del heir.note
    with pytest.raises(FrozenInstanceError):
        heir.first = 6
    with pytest.raises(FrozenInstanceError):
        del heir.first


def test_a_generic_one_may_be_given_its_type():
    cls = generic(frozen)
    assert cls[int](1) == cls(1)
    assert cls[int].__args__ == (int,)


def test_threads_may_use_a_class_for_the_first_time_at_once():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        found = [used_by_threads(ordered(frozen)) for _ in range(10)]
    finally:
        sys.setswitchinterval(interval)
    assert found == [[(True, "ordered", hash((1, 2)))] * len(FIRST)] * 10


FIRST = ["__init__", "__eq__", "__hash__", "__setstate__", "__dataclass_fields__"]


def used_by_threads(cls):
    """What threads see of a class that each of them is the first to use."""
    found, start = [], threading.Barrier(len(FIRST))

    def use(name):
        start.wait()
        ASKS[name](cls, by_hand(cls))
        name = repr(cls(1)).partition(".")[0]
        found.append((cls(1) == cls(1, 2) < cls(2), name, hash(cls(1))))

    threads = [threading.Thread(target=use, args=(name,)) for name in FIRST]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_making_that_was_interrupted_is_done_again(monkeypatch):
    cls = plain(frozen)
    with monkeypatch.context() as patch:
        patch.setattr("clusterkit.frozen.dataclass", interrupt)
        with pytest.raises(KeyboardInterrupt):
            cls(1)
    assert cls(1) == cls(1)


def interrupt(**_):
    raise KeyboardInterrupt


def test_what_a_program_puts_into_a_class_before_its_first_use_stays():
    cls = plain(frozen)
    with mock.patch.object(cls, "__repr__", return_value="patched"):
        del cls.__hash__
        assert repr(cls(1)) == "patched"
        assert "__hash__" not in vars(cls)
    assert "first=1" in repr(cls(1))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=["copy", "deepcopy"])
def test_a_value_can_be_copied(copied):
    value = plain(frozen)(1, third=[3])
    assert copied(value) == value


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_value_can_be_pickled(protocol):
    value = NodeInfo("foo", "127.0.0.1", 7022)
    assert pickle.loads(pickle.dumps(value, protocol)) == value


def test_a_pickled_value_is_read_by_a_process_that_has_made_none():
    data = pickle.dumps(LinkUp("bar", "127.0.0.1:7022"))
    program = (
        "import pickle, sys\n"
        "value = pickle.load(sys.stdin.buffer)\n"
        "assert hash(value) == hash(pickle.loads(pickle.dumps(value)))\n"
        "print(value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=data, capture_output=True, check=True
    )
    expected = "LinkUp(peer='bar', address='127.0.0.1:7022')"
    assert done.stdout.decode().strip() == expected


@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("base", [Event, LinkUp])
def test_a_program_may_derive_dataclasses_of_its_own(base, slots):
    @dataclass(frozen=True, slots=slots)
    class Mine(base):
        """Something of the program's."""

        weight: int = 3
        tags: list[str] = field(default_factory=list)

    inherited = [f.name for f in fields(base)]
    mine = Mine(*inherited, tags=["a"])
    assert mine == Mine(*inherited, 3, ["a"])
    assert [f.name for f in fields(Mine)] == [*inherited, "weight", "tags"]
    assert copy.copy(mine) == mine
    assert str(inspect.signature(Mine)).count("weight")
    with pytest.raises(AttributeError):
        mine.weight = 4


def test_a_program_that_forgets_to_freeze_is_told_as_ever():
    with pytest.raises(TypeError, match="cannot inherit non-frozen"):

        @dataclass
        class Mine(Event):
            weight: int = 3


def test_a_frozen_class_may_derive_from_a_dataclass():
    base = plain(whole)

    @frozen
    class Heir(base):
        """Another field."""

        fourth: int = 4

    assert Heir(1).fourth == 4
    assert Heir.__slots__ == ("fourth",)
