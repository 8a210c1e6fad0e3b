"""Members that are processes: killed, frozen, started again."""

from __future__ import annotations

import signal

import trio

from clusterkit.events import MemberBack, MemberDown, MemberLeft, MemberSuspect
from tests.waiting import until

from .nodes import running
from .processes import process

FAST = {
    "ping_after": 0.1,
    "dead_after": 0.3,
    "down_after": 0.3,
    "probe_timeout": 0.1,
    "gossip_interval": 0.2,
}
KINDS = (MemberSuspect, MemberDown, MemberBack, MemberLeft)


async def hears(events, wanted):
    """Wait until an event comes, and return those before it."""
    before = []
    with trio.fail_after(30):
        while (event := await anext(events)) != wanted:
            before.append(event)
    return before


async def test_a_killed_member_is_dead_and_comes_back_with_what_it_says_now():
    async with running("a", config=FAST) as a, a.events(*KINDS) as events:
        async with process("b") as b:
            await a.meet(b.address)
            await until(lambda: a.state.value("b", "pid") == b.process.pid)
            life = a.members.all()[1].incarnation
            await b.end(signal.SIGKILL)
            before = await hears(events, MemberDown("b", ("a",)))
            assert [type(event) for event in before] == [MemberSuspect]
            assert a.members.state("b") == "dead"
        async with process("b", b.port) as again:
            await hears(events, MemberBack("b"))
            await until(lambda: a.state.value("b", "pid") == again.process.pid)
            assert a.members.all()[1].incarnation > life
            await again.end(signal.SIGTERM)
            await hears(events, MemberLeft("b"))


async def test_a_frozen_member_is_suspected_and_refutes_it_when_it_goes_on():
    async with running("a", config=FAST) as a, a.events(*KINDS) as events:
        async with process("b") as b:
            await a.meet(b.address)
            await until(lambda: a.members.all()[1].incarnation)
            life = a.members.all()[1].incarnation
            b.process.send_signal(signal.SIGSTOP)
            await hears(events, MemberSuspect("b", ("a",)))
            b.process.send_signal(signal.SIGCONT)
            await hears(events, MemberBack("b"))
            assert a.members.all()[1].incarnation == life
            assert a.members.state("b") == "alive"
