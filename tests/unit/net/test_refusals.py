"""A refusal is one line in the log of either end: who, why, and what to do."""

from __future__ import annotations

import logging
from random import Random

import pytest
import trio

from clusterkit.errors import (
    ClusterError,
    NameTaken,
    WrongCookie,
    WrongNode,
    WrongRing,
)
from clusterkit.net.refusals import REMEDIES
from clusterkit.net.transport import StreamBroken
from clusterkit.testing import MemoryNetwork
from clusterkit.wire.handshake import Refused
from tests.unit.nodes import on_network, pair, virtual

from .strangers import stranger


class Lines:
    """What was logged, as fields, the event among them."""

    def __init__(self, caplog):
        caplog.set_level(logging.INFO, "clusterkit")
        self._caplog = caplog

    def of(self, *events):
        return [
            {"event": record.event, **record.fields}
            for record in self._caplog.records
            if getattr(record, "event", "") in events
        ]


@pytest.fixture
def lines(caplog):
    return Lines(caplog)


async def refused(a, b):
    """Have `a` connect to `b` once, which will not have it."""
    with pytest.raises(ClusterError) as caught:
        await a.kernel.connect(b.address)
    await a.kernel.disconnect(b.name, force=True)
    return caught.type


@pytest.mark.parametrize(
    ("reason", "error", "theirs"),
    [
        ("cookie", WrongCookie, {"cookie": "other"}),
        ("ring", WrongRing, {"ring": "other"}),
    ],
)
@virtual
async def test_both_ends_say_why_and_what_to_do(lines, reason, error, theirs):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", **theirs) as b, on_network(network, "a") as a:
        assert await refused(a, b) is error
        assert b.statistics().rejected == {reason: 1}
    there, here = lines.of("link_refused", "rejected")
    assert (there["peer"], here["peer"]) == ("a", "b")
    for line in (there, here):
        assert (line["event"], line["reason"]) == ("link_refused", reason)
        assert line["remedy"] == REMEDIES[reason]
        assert line.get("type") == ("INVALID_CHECKSUM" if reason == "cookie" else None)


@virtual
async def test_both_ends_say_that_a_name_is_taken(lines):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b") as b, on_network(network, "c") as c:
        await c.kernel.connect(b.address)
        await trio.sleep(1)  # an incarnation is the time
        async with on_network(network, "elsewhere", name_="c") as other:
            assert await refused(other, b) is NameTaken
        assert b.statistics().rejected == {"name": 1}
    there, here = lines.of("link_refused", "rejected")
    assert (there["peer"], there["reason"]) == ("c", "name")
    assert (here["peer"], here["reason"]) == ("b", "name")
    assert there["remedy"] == here["remedy"] == REMEDIES["name"]
    assert there["detail"].startswith("another live node is called c, at c:7022;")
    assert here["detail"] == there["detail"]


@virtual
async def test_who_dials_says_that_another_node_answers(lines):
    async with pair(connected=False) as (a, _):
        with pytest.raises(WrongNode):
            await a.kernel.connect("c@b:7022")
    line = lines.of("link_refused")[0]
    assert (line["peer"], line["reason"]) == ("c", "name")
    assert "b answers" in line["detail"]
    assert line["remedy"]


@virtual
async def test_a_version_that_nobody_here_speaks_is_refused_in_the_log(lines):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with stranger(network, "a") as evil:
            assert isinstance(await evil.greet_in([7, 9]), Refused)
        assert a.statistics().rejected == {"version": 1}
    (line,) = lines.of("link_refused", "rejected")
    assert (line["event"], line["reason"]) == ("link_refused", "version")
    assert line["remedy"] == REMEDIES["version"]
    assert "7 to 9" in line["detail"]


@virtual
async def test_who_dials_says_a_reason_once(lines):
    network = MemoryNetwork(Random(0))
    async with on_network(network, "b", cookie="other") as b:
        async with on_network(network, "a") as a:
            with pytest.raises(WrongCookie):
                await a.kernel.connect(b.address)
            a.kernel.peers["b"].pinned = True
            await trio.sleep(20)
    assert b.statistics().rejected["cookie"] > 10
    assert len([line for line in lines.of("link_refused") if line["peer"] == "b"]) == 1


@virtual
async def test_what_is_counted_has_the_reasons_that_are_documented():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a:
        async with stranger(network, "a", incarnation=5) as first:
            await first.hello()
            await first.prove()
            async with stranger(network, "a", incarnation=4) as older:
                await older.hello()
                assert (await older.prove()).reason == "incarnation"
        a.kernel.peers["evil"].give_up("protocol")
        async with stranger(network, "a", incarnation=5) as again:
            await again.hello()
            assert (await again.prove()).reason == "given_up"
        async with stranger(network, "a", name="nowhere") as nowhere:
            await nowhere.hello()
            with pytest.raises(StreamBroken):
                await nowhere.prove(host="", port=0)
        assert a.statistics().rejected == {
            "incarnation": 1,
            "given_up": 1,
            "protocol": 1,
        }
