"""Errors that a handler raises on purpose, and others, at their caller."""

from __future__ import annotations

import pytest

from clusterkit import GenServer, Rejected, call
from clusterkit.errors import (
    CallError,
    RemoteFault,
)
from tests.unit.nodes import pair, statistics_of, virtual
from tests.waiting import until


class Overdrawn(Rejected):
    code = "overdrawn"

    def __init__(self, account, amount):
        self.account = account
        super().__init__(account, amount)


class Mute(Rejected):
    code = "mute"


class Bank(GenServer):
    @call
    async def draw(self, *args):
        raise Overdrawn(*args)

    @call(concurrent=True)
    async def draw_beside(self, *args):
        raise Overdrawn(*args)

    @call
    async def refuse(self, *args):
        raise Rejected(*args)

    @call
    async def refuse_with(self, value):
        raise Mute(value)

    @call
    async def hidden(self):
        # A class that the caller's process does not have.
        cls = type("Local", (Rejected,), {"code": f"local-{self.caller.node}"})
        error = cls("why")
        cls.code = "no longer known"
        error.code = "unheard of"
        raise error

    @call
    async def forward(self):
        await self.node.call("bank2", "draw", "deep", 1)

    @call
    async def stumble(self, actor, *args):
        await self.node.call(actor, "draw_nothing", *args)

    @call
    async def balance(self):
        return 0


@pytest.mark.parametrize("event", ["draw", "draw_beside"])
@pytest.mark.parametrize("target", ["bank", "bank@b"])
@virtual
async def test_a_rejection_travels_as_its_own_class_with_its_arguments(target, event):
    async with pair(actors={"bank": Bank}) as (a, b):
        node = b if target == "bank" else a
        with pytest.raises(Overdrawn) as caught:
            await node.call(target, event, "mine", 100)
        assert caught.value.args == ("mine", 100)
        assert caught.value.to == "bank@b"
        assert caught.value.event == event
        assert [s.restarts for s in b.statistics().actors if s.name == "bank"] == [0]


@virtual
async def test_a_plain_rejection_travels_too():
    async with pair(actors={"bank": Bank}) as (a, _):
        with pytest.raises(Rejected) as caught:
            await a.call("bank@b", "refuse", "closed", 7)
        assert type(caught.value) is Rejected
        assert caught.value.args == ("closed", 7)


@pytest.mark.parametrize("value", [{"a": [1, 2]}, [None, True], (1, 2), b"raw"])
@virtual
async def test_whatever_can_travel_can_be_the_argument_of_a_rejection(value):
    async with pair(actors={"bank": Bank}) as (a, _):
        with pytest.raises(Mute) as caught:
            await a.call("bank@b", "refuse_with", value)
        assert caught.value.args == (value,)


@virtual
async def test_what_cannot_travel_reaches_the_caller_of_a_rejection_as_text():
    class Odd(GenServer):
        @call
        async def refuse(self, how):
            values = {"int": 2**70, "object": object(), "text": "\ud800"}
            raise Mute(values[how])

        @call
        async def long(self):
            raise Mute("x" * 2_000_000)

    async with pair(actors={"odd": Odd}, config={"max_message": 1_000_000}) as (a, b):
        for how, text in (("int", str(2**70)), ("object", "object"), ("text", "ud800")):
            with pytest.raises(Mute) as caught:
                await a.call("odd@b", "refuse", how)
            assert text in caught.value.args[0]
        with pytest.raises(Mute) as caught:
            await a.call("odd@b", "long")
        assert caught.value.args[0].startswith("xxx")
        assert [s.restarts for s in b.statistics().actors if s.name == "odd"] == [0]


@virtual
async def test_a_rejection_the_caller_has_no_class_for_keeps_its_code():
    async with pair(actors={"bank": Bank}) as (a, _):
        with pytest.raises(Rejected) as caught:
            await a.call("bank@b", "hidden")
        assert type(caught.value) is Rejected
        assert caught.value.code == "unheard of"
        assert caught.value.args == ("why",)


@virtual
async def test_a_rejection_by_an_actor_further_on_is_passed_on():
    async with pair(actors={"bank": Bank, "bank2": Bank}) as (a, _):
        with pytest.raises(Overdrawn) as caught:
            await a.call("bank@b", "forward")
        assert caught.value.args == ("deep", 1)


@pytest.mark.parametrize(
    ("actor", "args", "error"),
    [
        ("nobody", (), "NoSuchActor"),
        ("bank2", (), "NoSuchHandler"),
        ("picky", (1,), "BadArguments"),
    ],
)
@virtual
async def test_another_error_of_an_actor_further_on_is_a_crash(actor, args, error):
    class Picky(GenServer):
        @call
        async def draw_nothing(self): ...

    actors = {"bank": Bank, "bank2": Bank, "picky": Picky}
    async with pair(actors=actors) as (a, b):
        with pytest.raises(RemoteFault) as caught:
            await a.call("bank@b", "stumble", actor, *args)
        assert caught.value.type == error
        await until(lambda: statistics_of(b, "bank").restarts)


@virtual
async def test_every_call_error_names_the_call():
    async with pair(actors={"bank": Bank}) as (a, _):
        for target, event in (("nobody@b", "x"), ("bank@b", "x"), ("bank@b", "draw")):
            with pytest.raises(CallError) as caught:
                await a.call(target, event, 1, 2)
            assert caught.value.to == target
            assert caught.value.event == event
            assert str(caught.value).startswith(f"{target} {event}: ")
