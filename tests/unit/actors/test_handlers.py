"""The marks on methods: what they accept, and what they leave as it was."""

from __future__ import annotations

import pytest

from clusterkit import GenServer, call, cast, later
from clusterkit.actors.handlers import LATER, LIFECYCLE, Handler
from clusterkit.errors import BadArguments, ConfigError


class Counter(GenServer):
    """Counts."""

    def __init__(self, value=0):
        self.value = value

    @call
    async def add(self, n):
        """Add."""
        self.value += n
        return self.value

    @cast
    async def reset(self):
        """Begin anew."""
        self.value = 0


async def test_a_marked_method_can_be_awaited_in_a_plain_test():
    counter = Counter(1)
    assert await counter.add(2) == 3
    await counter.reset()
    assert counter.value == 0


def test_on_the_class_a_marked_method_is_its_handler():
    assert Counter.add.event == "add"
    assert Counter.reset.event == "reset"
    assert repr(Counter.add) == "<call add>"
    assert repr(Counter.reset) == "<cast reset>"


def test_a_marked_method_keeps_its_docstring():
    assert Counter.add.__doc__ == "Add."
    assert Counter.reset.__doc__ == "Begin anew."


def test_the_marks_may_have_parentheses():
    class Several(GenServer):
        @call()
        async def one(self): ...

        @call(concurrent=True)
        async def two(self): ...

        @call(cancellable=True)
        async def three(self): ...

        @cast()
        async def four(self): ...

        @cast(concurrent=True)
        async def five(self): ...

    table = Several._handlers
    assert [table[n].concurrent for n in ("one", "two", "three", "four", "five")] == [
        False,
        True,
        False,
        False,
        True,
    ]
    assert [table[n].cancellable for n in ("one", "two", "three")] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("mark", [call, cast, call(concurrent=True)])
def test_a_handler_must_be_async(mark):
    with pytest.raises(ConfigError, match="async"):

        @mark
        def plain(self): ...


@pytest.mark.parametrize("mark", [call, cast])
@pytest.mark.parametrize("name", sorted(LIFECYCLE))
def test_a_handler_cannot_have_the_name_of_a_hook(mark, name):
    async def method(self): ...

    method.__name__ = name
    with pytest.raises(ConfigError, match=name):
        mark(method)


@pytest.mark.parametrize("mark", [call, cast])
def test_a_handler_cannot_be_private(mark):
    with pytest.raises(ConfigError, match="_hidden"):

        @mark
        async def _hidden(self): ...


def test_every_attribute_of_an_actor_is_out_of_the_reach_of_handlers():
    own = {name for name in vars(GenServer) if not name.startswith("_")}
    assert own <= LIFECYCLE


def test_a_function_on_an_instance_must_be_async_too():
    with pytest.raises(ConfigError, match="async"):
        GenServer().on_call("hello")(lambda: None)


def handler_of(function):
    return Handler(function, "x", is_call=True)


async def no_arguments(self): ...
async def one(self, a): ...
async def one_or_two(self, a, b=1): ...
async def any_number(self, *args): ...
async def keyword(self, *, key): ...
async def optional_keyword(self, a, *, key=1): ...
async def by_position(self, a, /): ...


def takes(handler, count):
    return count in handler.calls


SHORT = {
    no_arguments: {0},
    one: {1},
    one_or_two: {1, 2},
    any_number: {0, 1, 2, 3},
    keyword: set(),
    optional_keyword: {1},
    by_position: {1},
}


@pytest.mark.parametrize("function", SHORT, ids=lambda f: f.__name__)
def test_the_short_way_is_taken_exactly_when_the_arguments_fit(function):
    handler = handler_of(function)
    for count in range(4):
        assert takes(handler, count) == (count in SHORT[function])


@pytest.mark.parametrize("function", SHORT, ids=lambda f: f.__name__)
def test_the_short_way_and_the_long_one_agree(function):
    handler = handler_of(function)
    for count in range(4):
        try:
            handler.check([0] * count, None)
        except BadArguments:
            assert not takes(handler, count)
        else:
            assert takes(handler, count)


def test_the_short_way_is_for_plain_serial_handlers_of_their_own_kind():
    assert (handler_of(one).calls, handler_of(one).casts) == ({1}, set())
    handler = Handler(one, "x", is_call=False)
    assert (handler.calls, handler.casts) == (set(), {1})
    for special in ("concurrent", "cancellable", "bound"):
        handler = Handler(one, "x", is_call=True, **{special: True})
        assert (handler.calls, handler.casts) == (set(), set())


@pytest.mark.parametrize("kwargs", [{1: 2}, {b"a": 1}, {"self": 1}, {"": 1}])
def test_keywords_that_are_no_names_are_bad_arguments(kwargs):
    with pytest.raises(BadArguments):
        handler_of(one).check([], kwargs)


def test_later_is_one_value():
    assert later() is LATER
    assert repr(later()) == "<later>"
