"""Casts that nobody handles: said in the log, and not too often."""

from __future__ import annotations

import logging

import trio

from clusterkit.actors.dropped import MOST_KINDS, SILENCE, DroppedCasts
from tests.unit.nodes import alone, pair, virtual
from tests.unit.servers import Counter
from tests.waiting import until


def said(caplog):
    lines = [record.getMessage() for record in caplog.records]
    return [line for line in lines if line.startswith("cast_dropped ")]


async def settled():
    await trio.testing.wait_all_tasks_blocked()


@virtual
async def test_a_misspelt_cast_is_said_once_for_all_of_a_minute(caplog):
    async with alone(actors={"counter": Counter}) as node:
        for _ in range(5):
            await node.cast("counter", "rest")
        await settled()
        (line,) = said(caplog)
        assert line == (
            "cast_dropped actor=counter cast=rest peer=a "
            "error=\"Counter has no @cast handler 'rest'; did you mean reset? "
            'It has: reset"'
        )
        await trio.sleep(SILENCE)
        await node.cast("counter", "rest")
        await settled()
        assert said(caplog)[1].endswith(" more=4")


@virtual
async def test_a_cast_to_an_actor_of_this_node_that_is_none_is_said(caplog):
    async with alone() as node:
        await node.cast("conter", "reset")
        node.cast_nowait("conter", "add", 1)
        assert said(caplog) == [
            f"cast_dropped actor=conter cast={name} peer=a "
            "error=\"no actor 'conter' runs on a\""
            for name in ("reset", "add")
        ]


@virtual
async def test_a_cast_of_a_peer_to_an_actor_that_is_none_is_said_there(caplog):
    async with pair() as (a, b):
        await a.cast("conter@b", "reset")
        await until(lambda: said(caplog))
        (line,) = said(caplog)
        assert line == (
            "cast_dropped actor=conter cast=reset peer=a "
            "error=\"no actor 'conter' runs on b\""
        )
        assert b.statistics().unknown_casts == 1


@virtual
async def test_wrong_arguments_are_not_said_for_every_cast(caplog):
    async with alone(actors={"counter": Counter}) as node:
        for _ in range(5):
            await node.cast("counter", "reset", 1)
        await settled()
        assert len(said(caplog)) == 1


def test_names_that_a_peer_makes_up_take_no_more_than_their_room(caplog):
    dropped = DroppedCasts(lambda: 0.0)
    for number in range(2 * MOST_KINDS):
        dropped.say("x", f"made up {number}", "evil", "no")
    assert repr(dropped) == f"<DroppedCasts <Seldom kinds={MOST_KINDS}>>"
    assert len(caplog.records) == MOST_KINDS


def test_a_name_of_any_length_makes_a_short_line(caplog):
    DroppedCasts(lambda: 0.0).say("x", "y" * 100_000, "evil", "no")
    assert len(caplog.records[-1].getMessage()) < 400


def test_what_nobody_listens_to_is_counted_all_the_same(caplog):
    caplog.set_level(logging.CRITICAL, "clusterkit.actors")
    DroppedCasts(lambda: 0.0).say("x", "y", "z", "no")
    assert caplog.records == []
