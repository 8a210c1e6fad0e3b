"""The cookies of a node that runs: replaced, and read again."""

from __future__ import annotations

import logging
from random import Random

import pytest
import trio

from clusterkit.errors import ClusterError, ConfigError, WrongCookie
from clusterkit.testing import MemoryNetwork
from tests.unit.net.strangers import stranger
from tests.unit.nodes import alone, on_network, pair, virtual
from tests.waiting import until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cookie"


def write(path, *cookies, mode=0o600):
    path.write_text("".join(f"{cookie}\n" for cookie in cookies))
    path.chmod(mode)
    return path


def lines(caplog, event):
    return [r for r in caplog.records if getattr(r, "event", "") == event]


@virtual
async def test_the_first_cookie_dials_and_all_are_accepted():
    async with pair(connected=False, cookie="old") as (a, b):
        assert await b.cookies.replace(["old", "new"])
        assert await a.cookies.replace(["new", "old"], force=True)
        await a.kernel.connect(b.address)
        assert await a.ping("b") == "pong"
        assert b.statistics().rejected == {}


@virtual
async def test_sessions_that_are_up_go_on():
    async with pair(cookie="old") as (a, b):
        await b.cookies.replace("new", force=True)
        await trio.sleep(10)
        assert await a.ping("b") == "pong"
        assert a.kernel.links()[0].reconnects == 0


@virtual
async def test_a_cookie_that_was_dropped_is_refused():
    async with pair(connected=False, cookie="old") as (a, b):
        await b.cookies.replace(["new", "old"])
        await b.cookies.replace("new")
        with pytest.raises(WrongCookie):
            await a.kernel.connect(b.address)


@virtual
async def test_a_handshake_that_is_under_way_needs_a_cookie_that_is_valid_at_its_end():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, stranger(network, "a") as late:
        await late.hello()
        await a.cookies.replace("new", force=True)
        assert (await late.prove()).reason == "cookie"


@virtual
async def test_so_does_one_that_waits_for_a_namesake_to_be_asked():
    network = MemoryNetwork(Random(0))
    async with on_network(network, "a") as a, on_network(network, "c") as c:
        await c.kernel.connect(a.address)
        network.delay("a", "c", 2.0)  # its answer comes too late
        async with stranger(network, "a", name="c", incarnation=2**62) as late:
            await late.hello()

            async def drop():
                await trio.sleep(0.5)  # it is being asked
                await a.cookies.replace("new", force=True)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(drop)
                refused = await late.prove()
        assert (refused.reason, refused.authentic) == ("cookie", True)


@virtual
async def test_a_dial_that_is_under_way_does_not_end_with_a_dropped_cookie():
    async with pair(connected=False, cookie="old") as (a, b):
        a.network.delay("a", "b", 0.05)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(a.kernel.connect, b.address)
            await trio.testing.wait_all_tasks_blocked()
            await until(lambda: a.kernel.peers["b"].dial.challenged)
            await a.cookies.replace("new", force=True)
            await b.cookies.replace(["new", "old"])
        assert a.kernel.is_connected("b")
        assert a.kernel.links()[0].reconnects == 0
        # What it came to is under the new one: the old one is not needed.
        await b.cookies.replace("new")
        a.network.cut("a", "b")
        assert await a.ping("b") == "pong"


@virtual
async def test_the_same_cookies_are_no_change(caplog):
    caplog.set_level(logging.INFO, "clusterkit")
    async with alone(cookie=["a", "b"]) as node:
        assert not await node.cookies.replace(["a", "b"])
        assert await node.cookies.replace(["b", "a"])
        (line,) = lines(caplog, "cookies_changed")
        assert line.fields == {"valid": 2, "dials": "another"}


@virtual
async def test_cookies_that_would_part_the_cluster_need_force():
    async with alone(cookie="old") as node:
        with pytest.raises(ConfigError, match="cut off"):
            await node.cookies.replace("new")
        assert node.kernel.cookies == [b"old"]
        assert await node.cookies.replace("new", force=True)
        assert node.kernel.cookies == [b"new"]


@pytest.mark.parametrize("none", ["", [], ["old", ""], [7], 7], ids=repr)
@virtual
async def test_what_is_no_cookie_changes_nothing(none):
    async with alone(cookie="old") as node:
        with pytest.raises(ConfigError):
            await node.cookies.replace(none, force=True)
        assert node.kernel.cookies == [b"old"]


@virtual
async def test_two_changes_at_once_are_made_one_after_the_other():
    async with alone(cookie="one") as node, trio.open_nursery() as nursery:
        nursery.start_soon(node.cookies.replace, ["one", "two"])
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(node.cookies.replace, ["two", "three"])
    assert node.kernel.cookies == [b"two", b"three"]


@virtual
async def test_a_fingerprint_is_shown_and_no_cookie():
    async with alone(cookie=["old", "new"]) as node:
        assert len(set(node.cookies.fingerprints())) == 2
        assert "old" not in repr(node.cookies) + str(node.cookies.fingerprints())


# From a file.


@virtual
async def test_a_file_is_read_again(path):
    async with alone(cookie=write(path, "old")) as node:
        write(path, "old", "new")
        assert await node.cookies.reload()
        assert node.kernel.cookies == [b"old", b"new"]
        assert not await node.cookies.reload()


BROKEN = {
    "empty": lambda path: write(path),
    "comments": lambda path: write(path, "# none"),
    "readable": lambda path: write(path, "old", "new", mode=0o644),
    "binary": lambda path: path.write_bytes(b"\xff\0\n"),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "foreign": lambda path: write(path, "another"),
}


@pytest.mark.parametrize("how", list(BROKEN))
@virtual
async def test_an_unfit_file_changes_nothing_and_says_so(path, caplog, how):
    async with alone(cookie=write(path, "old")) as node:
        BROKEN[how](path)
        with pytest.raises(ConfigError):
            await node.cookies.reload()
        assert node.kernel.cookies == [b"old"]
        (line,) = lines(caplog, "cookies_not_reloaded")
        assert line.levelno == logging.ERROR
        assert line.fields["error"]


@virtual
async def test_a_foreign_cookie_is_taken_by_force(path):
    async with alone(cookie=write(path, "old")) as node:
        write(path, "another")
        assert await node.cookies.reload(force=True)
        assert node.kernel.cookies == [b"another"]


@virtual
async def test_a_node_without_a_file_says_where_its_cookie_came_from():
    async with alone(cookie="old") as node:
        with pytest.raises(ConfigError, match="without a file"):
            await node.cookies.reload()


@virtual
async def test_a_member_may_have_another_read_its_own_file_again(path):
    network = MemoryNetwork(Random(0))
    async with (
        on_network(network, "a", cookie=write(path, "old")) as a,
        on_network(network, "b", cookie="old") as b,
    ):
        await b.kernel.connect(a.address)
        write(path, "old", "new")
        assert await b._runtime.call("a", "_node", "reload", (), {"force": False}, 5)
        assert a.kernel.cookies == [b"old", b"new"]
        write(path, "another")
        with pytest.raises(ClusterError, match="cut off"):
            await b._runtime.call("a", "_node", "reload", (), {"force": False}, 5)
        told = await b._runtime.call("a", "_node", "cookies", (), {}, 5)
        assert told == {"accepts": a.cookies.fingerprints(), "file": str(path)}
