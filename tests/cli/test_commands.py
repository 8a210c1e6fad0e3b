"""Every command against a real node, with the shape of its data."""

from __future__ import annotations

import json
import math
import socket
from contextlib import suppress

import pytest
import trio

from clusterkit import GenServer, Rejected, call, cast
from clusterkit.core import HashRing


class Overdrawn(Rejected):
    code = "account_empty"


class Account(GenServer):
    """Answers in every way that an actor can."""

    def __init__(self) -> None:
        self.seen = []

    @call
    async def add(self, a, b):
        return a + b

    @call
    async def raw(self):
        return {"data": (b"hi", {3, 1})}

    @call
    async def withdraw(self, n):
        raise Overdrawn(f"only 3, not {n}")

    @call
    async def crash(self):
        raise RuntimeError("boom")

    @call
    async def strange(self):
        return object()

    @call(cancellable=True)
    async def hang(self):
        await trio.sleep_forever()

    @cast
    async def note(self, *args):
        self.seen.append(args)

    @call
    async def noted(self):
        return self.seen


@pytest.fixture
async def bar(foo, start_node):
    """Another member, with an account."""
    async with start_node("bar", actors={"account": Account}) as node:
        await foo.meet(node.address)
        yield node


def triple(node):
    return [node.name, node.host, node.port]


async def test_ping(at_foo):
    assert (await at_foo("ping")).data == "pong"


async def test_inspect_has_the_positions_in_order(at_foo, foo):
    ran = await at_foo("inspect")
    assert list(ran.data) == ["rfactor", "pfactor", "tree"]
    assert ran.data == foo.ring.to_json()
    keys = [position["key"] for position in ran.data["tree"]]
    assert keys == sorted(keys)
    assert len(keys) == 3


async def test_nodes_and_get_have_id_host_and_port(at_foo, foo, bar):
    nodes = [
        dict(zip(("id", "host", "port"), triple(n), strict=True)) for n in (bar, foo)
    ]
    assert (await at_foo("nodes")).data == nodes
    assert (await at_foo("get", "bar")).data == nodes[0]


async def test_has_is_a_boolean(at_foo):
    assert (await at_foo("has", "foo")).data is True
    absent = await at_foo("has", "bar")
    assert (absent.data, absent.status) == (False, 0)


async def test_weight_is_a_number_and_weights_an_object(at_foo, bar):
    assert (await at_foo("weight", "bar")).data == 3
    assert (await at_foo("weights")).data == {"bar": 3, "foo": 3}


@pytest.mark.parametrize("command", ["get", "weight"])
async def test_an_unknown_id_is_refused_in_the_known_words(at_foo, command):
    ran = await at_foo(command, "bar")
    assert ran.json["error"] == {
        "message": "'bar' is not defined in this ring.",
        "_error": True,
        "code": "not_in_ring",
    }
    assert ran.status == 1


async def test_joining_twice_is_refused_in_the_known_words(at_foo):
    ran = await at_foo("join", "blue")
    assert ran.json["error"]["message"] == "Node already belongs to ring 'ring'"
    assert (ran.status, ran.code) == (1, "already_in_ring")


async def test_meet_unites_two_rings(at_foo, foo, start_node):
    async with start_node("baz") as baz:
        ran = await at_foo("meet", *triple(baz))
        assert (ran.status, ran.data) == (0, None)
        assert [node.id for node in foo.ring.nodes()] == ["baz", "foo"]


async def test_meeting_nobody_is_unreachable(at_foo, free_port):
    ran = await at_foo("meet", "baz", "127.0.0.1", free_port, "--timeout", "1")
    assert (ran.status, ran.code) == (3, "nodedown")


async def test_meeting_another_cluster_is_a_wrong_cookie(at_foo, start_node):
    async with start_node("baz", cookie="ghost") as baz:
        ran = await at_foo("meet", *triple(baz))
    assert (ran.status, ran.code) == (4, "cookie")


async def test_meeting_a_member_at_another_address_is_refused(at_foo, bar):
    ran = await at_foo("meet", "bar", "127.0.0.1", 1)
    assert (ran.status, ran.code) == (1, "ring")


async def test_leave_and_join_lead_out_and_back(at_foo, foo, bar):
    assert (await at_foo("leave")).data is None
    assert [node.id for node in foo.ring.nodes()] == ["foo"]
    assert (await at_foo("leave")).code == "not_in_ring"
    assert (await at_foo("join", "ring")).data is None
    assert (await at_foo("meet", *triple(bar))).data is None
    assert [node.id for node in foo.ring.nodes()] == ["bar", "foo"]


async def test_insert_takes_the_weight_of_the_ring_by_default(at_foo, foo):
    await at_foo("insert", "x", "127.0.0.1", 1)
    assert foo.ring.weight("x") == 3


async def test_update_leaves_the_weight_by_default(at_foo, foo):
    await at_foo("insert", "x", "127.0.0.1", 1, "-w", 7)
    await at_foo("update", "x", "127.0.0.1", 2)
    assert (foo.ring.weight("x"), foo.ring.get("x").port) == (7, 2)
    await at_foo("update", "x", "127.0.0.1", 2, 8)
    assert foo.ring.weight("x") == 8


@pytest.mark.parametrize("weight", ["0", "-1", "NaN", "1.5", "1e300", str(10**30)])
async def test_an_impossible_weight_is_refused_by_the_ring(at_foo, foo, weight):
    ran = await at_foo("insert", "x", "127.0.0.1", 1, "-w", weight)
    assert ran.status == (1 if weight == str(10**30) else 2)
    assert not foo.ring.is_defined("x")


async def test_a_weight_that_is_too_large_is_refused_by_the_ring(at_foo, foo):
    ran = await at_foo("insert", "x", "127.0.0.1", 1, "-w", 1_000_000)
    assert (ran.status, ran.code) == (1, "ring")


async def test_the_node_itself_is_neither_met_nor_removed(at_foo, foo):
    for command in ("meet", "remove"):
        ran = await at_foo(command, *triple(foo))
        assert (ran.status, ran.code) == (1, "ring")


async def test_removing_what_is_no_member_says_so_to_people(at_foo):
    words = ("remove", "nope", "127.0.0.1", 1)
    assert (await at_foo(*words)).data is None
    ran = await at_foo(*words, terminal=True)
    assert (ran.status, ran.out) == (0, "nope was no member\n")
    ran = await at_foo("mremove", "nope", "127.0.0.1", 1, terminal=True)
    assert (ran.status, ran.out) == (0, "none of them was a member\n")


async def test_commands_are_not_called(at_foo, bar):
    for target in ("command", "command@bar"):
        ran = await at_foo("call", target, "nodes")
        assert (ran.status, ran.code) == (1, "forbidden")
        assert "type `nodes`" in ran.err


async def test_who_calls_whom_is_logged_without_the_arguments(at_foo, bar, caplog):
    with caplog.at_level("INFO", "clusterkit.cluster"):
        await at_foo("call", "account@bar", "add", "1234", "5678")
    (line,) = [m for m in caplog.messages if m.startswith("command ")]
    assert line.endswith(" target=account@bar handler=add")


async def test_inserting_a_member_at_another_address_is_refused(at_foo, foo):
    await at_foo("insert", "x", "127.0.0.1", 1)
    ran = await at_foo("insert", "x", "127.0.0.1", 2)
    assert (ran.status, ran.code) == (1, "ring")
    assert foo.ring.get("x").port == 1


async def test_minsert_skips_the_node_spoken_to(at_foo, foo):
    ran = await at_foo("minsert", *triple(foo), "x", "h", 1, "-f", "y", "h", 2)
    assert ran.data is None
    assert foo.ring.weights() == {"foo": 3, "x": 3, "y": 3}


async def test_remove_takes_a_member_out(at_foo, foo):
    await at_foo("insert", "x", "h", 1)
    assert (await at_foo("remove", "x", "h", 1)).data is None
    assert foo.ring.weights() == {"foo": 3}


@pytest.mark.parametrize("command", ["remove", "mremove"])
async def test_removing_at_another_address_is_refused(at_foo, foo, command):
    await at_foo("insert", "x", "h", 1)
    ran = await at_foo(command, "x", "h", 2)
    assert (ran.status, ran.code) == (1, "ring")
    assert foo.ring.is_defined("x")


async def test_removing_the_node_spoken_to_points_to_leave(at_foo, foo):
    ran = await at_foo("remove", *triple(foo))
    assert ran.status == 1
    assert "use leave" in ran.json["error"]["message"]


async def test_mremove_skips_the_node_spoken_to(at_foo, foo):
    await at_foo("minsert", "x", "h", 1, "y", "h", 2)
    assert (await at_foo("mremove", *triple(foo), "x", "h", 1)).data is None
    assert foo.ring.weights() == {"foo": 3, "y": 3}


async def test_a_busy_ring_times_out_and_may_still_change(at_foo, foo):
    release = trio.Event()
    foo.gossip.on_process(lambda old, new: release.wait())
    await at_foo("insert", "x", "h", 1)
    ran = await at_foo("--timeout", "0.3", "insert", "y", "h", 2)
    assert (ran.status, ran.code) == (5, "timeout")
    assert ran.json["error"]["message"].endswith("it may still take effect")
    release.set()


async def test_force_does_not_wait_for_a_busy_ring(at_foo, foo):
    release = trio.Event()
    foo.gossip.on_process(lambda old, new: release.wait())
    await at_foo("insert", "x", "h", 1)
    assert (await at_foo("insert", "-f", "y", "h", 2)).data is None
    assert foo.ring.is_defined("y")
    release.set()


async def test_links_show_the_link_to_each_peer(at_foo, bar):
    (link,) = (await at_foo("links")).data
    assert list(link) == [
        "node",
        "address",
        "state",
        "outbox",
        "outbox_bytes",
        "unacked",
        "last_seen",
    ]
    assert (link["node"], link["address"], link["state"]) == (
        "bar",
        f"127.0.0.1:{bar.port}",
        "up",
    )
    assert link["last_seen"] >= 0


async def test_actors_show_what_runs(cli, bar):
    rows = (await cli("-p", bar.port, "actors")).data
    (account,) = [row for row in rows if row["name"] == "account"]
    assert account == {
        "name": "account",
        "type": "Account",
        "state": "running",
        "mailbox": 0,
        "handled": 0,
        "restarts": 0,
    }


async def test_find_shows_the_owners(at_foo, foo, bar):
    both = (await at_foo("find", "user:42")).data
    assert [node["id"] for node in both] == [n.id for n in foo.gossip.find("user:42")]
    (first,) = (await at_foo("find", "user:42", "1")).data
    assert first == both[0]


async def test_ring_has_each_share(at_foo, bar):
    rows = (await at_foo("ring")).data
    assert [row["id"] for row in rows] == ["bar", "foo"]
    assert {row["weight"] for row in rows} == {3}
    assert sum(row["share"] for row in rows) == pytest.approx(1.0)


async def test_call_is_relayed_to_another_node(at_foo, bar):
    assert (await at_foo("call", "account@bar", "add", 5, 6)).data == 11


async def test_call_takes_and_shows_json(at_foo, bar):
    ran = await at_foo("call", "account@bar", "add", '["a"]', "[null, 1.5]")
    assert ran.data == ["a", None, 1.5]


async def test_call_shows_what_json_does_not_have(at_foo, bar):
    ran = await at_foo("call", "account@bar", "raw")
    assert ran.data == {"data": [{"base64": "aGk="}, [1, 3]]}


async def test_call_shows_what_an_actor_rejects(at_foo, bar):
    ran = await at_foo("call", "account@bar", "withdraw", 5)
    assert (ran.status, ran.code) == (1, "account_empty")
    assert "only 3, not 5" in ran.json["error"]["message"]


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["nobody@bar", "add"], 1, "noproc"),
        (["account@bar", "nothing"], 1, "badcall"),
        (["account@bar", "add", "1"], 1, "badarg"),
        (["account@bar", "crash"], 1, "fault"),
        (["account@nowhere", "add"], 3, "nonode"),
        (["account@bar", "note"], 1, "badcall"),
    ],
)
async def test_call_tells_apart_how_it_failed(at_foo, bar, words, status, code):
    ran = await at_foo("call", *words)
    assert (ran.status, ran.code) == (status, code)


async def test_call_of_what_never_answers_times_out(at_foo, bar):
    ran = await at_foo("--timeout", "0.4", "call", "account@bar", "hang")
    assert (ran.status, ran.code) == (5, "timeout")


async def test_call_of_what_cannot_be_shown_is_refused(cli, bar):
    ran = await cli("-p", bar.port, "call", "account", "strange")
    assert (ran.status, ran.code) == (1, "encode")


async def test_cast_is_sent_and_not_waited_for(at_foo, bar):
    assert (await at_foo("cast", "account@bar", "note", 1, '"two"')).data is None
    assert (await at_foo("call", "account@bar", "noted")).data == [[1, "two"]]


async def test_another_name_than_the_expected_is_refused(at_foo):
    ran = await at_foo("-I", "bar", "ping")
    assert (ran.status, ran.code) == (1, "wrong_node")
    assert (await at_foo("-I", "foo", "ping")).status == 0


async def test_a_node_that_says_nothing_is_unreachable_in_time(cli):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ran = await cli("-p", silent.getsockname()[1], "--timeout", "0.3", "ping")
    assert (ran.status, ran.code) == (3, "nodedown")
    assert "did not answer within 0.3 s" in ran.err


async def test_what_is_no_node_at_all_is_refused(cli):
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, _speak_http, 0)
        port = listeners[0].socket.getsockname()[1]
        ran = await cli("-p", port, "--timeout", "5", "ping")
        nursery.cancel_scope.cancel()
    assert ran.status in (1, 3)
    assert "Traceback" not in ran.err


async def _speak_http(stream):
    with suppress(trio.BrokenResourceError):
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)


async def test_help_about_a_command_needs_no_node(cli):
    ran = await cli("help", "insert", "--json")
    assert ran.data["name"] == "insert"
    ran = await cli("help", "inser")
    assert (ran.status, ran.code) == (2, "usage")
    assert "commands: inspect nodes" in ran.err


async def test_help_is_text_also_through_a_pager(cli):
    assert (await cli("help")).out.startswith("usage: cluster-cli [options]")
    assert (await cli("help", "get")).out.startswith("usage: cluster-cli get <id>")


async def test_a_new_cookie_is_made_once(cli, home):
    ran = await cli("cookie", "new")
    file = home / ".clusterkit.cookie"
    assert (ran.status, ran.data) == (0, str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    assert (await cli("cookie", "new")).status == 1
    assert file.read_bytes() == before
    assert (await cli("cookie", "new", "--force")).status == 0
    assert file.read_bytes() != before
    ran = await cli("cookie", "new", "--force", terminal=True)
    assert (ran.out, ran.err) == (f"wrote {file}\n", "")


async def test_on_a_terminal_nodes_are_a_table(at_foo, bar):
    ran = await at_foo("nodes", terminal=True)
    assert ran.out.splitlines()[0].split()[0].endswith("NAME")
    assert "bar" in ran.out
    assert "up" in ran.out
    with pytest.raises(json.JSONDecodeError):
        json.loads(ran.out)


async def test_on_a_terminal_the_ring_is_drawn(at_foo, bar):
    ran = await at_foo("ring", terminal=True)
    assert "2 nodes" in ran.out
    assert "%" in ran.out


async def test_the_reference_s_shape_can_be_read_back(at_foo, foo, bar):
    ran = await at_foo("inspect", "--json", terminal=True)
    assert HashRing.from_json(ran.data) == foo.ring
    assert math.isclose(ran.data["rfactor"], 3)


@pytest.fixture
def free_port():
    """A port where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


async def test_after_two_dashes_nothing_asks_for_json(at_foo):
    ran = await at_foo("call", "nobody", "e", "--", "--json", terminal=True)
    assert (ran.status, ran.out) == (1, "")
