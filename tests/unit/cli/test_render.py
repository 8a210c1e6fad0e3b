"""Results as people see them."""

from __future__ import annotations

import pytest

from clusterkit.cli.render import Result, Style, render, render_event
from clusterkit.cluster.command_spec import View
from clusterkit.cluster.ring_shares import shares
from clusterkit.core import HashRing

RING = HashRing.of({"foo@127.0.0.1:7022": 3, "bar@[::1]:7023": 3}, rfactor=3)
NODES = [node.to_json() for node in RING.nodes()]
ROWS = [
    {"id": name, "weight": weight, "share": shares(RING)[name]}
    for name, weight in RING.weights().items()
]
LINK = {
    "node": "bar",
    "address": "[::1]:7023",
    "state": "up",
    "outbox": 2,
    "outbox_bytes": 300,
    "unacked": 1,
    "last_seen": 0.25,
}


def shown(view, data, **more):
    return render(view, Result(data=data, **more))


def columns(line):
    return line.split()


def test_a_mutation_is_ok():
    assert shown(View.DONE, None) == "ok"


def test_a_value_is_json():
    assert shown(View.VALUE, {"a": ["é", None]}) == '{"a": ["é", null]}'


def test_a_word_is_bare():
    assert shown(View.WORD, "pong") == "pong"


def test_a_node_is_written_as_everywhere():
    assert shown(View.NODE, NODES[0]) == "bar@[::1]:7023"


def test_owners_are_in_order_of_preference():
    assert shown(View.OWNERS, NODES) == "bar, foo"


def test_nodes_show_what_else_is_known_of_them():
    beside = {"ring": ROWS, "links": [LINK]}
    heading, bar, foo = shown(View.NODES, NODES, beside=beside).splitlines()
    assert columns(heading) == ["NAME", "ADDRESS", "LINK", "WEIGHT", "SHARE", "OUTBOX"]
    assert columns(bar)[:4] == ["bar", "[::1]:7023", "up", "3"]
    assert bar.split()[-1] == "2"
    assert columns(foo)[:4] == ["foo", "127.0.0.1:7022", "-", "3"]


def test_nodes_can_be_shown_without_anything_else():
    lines = shown(View.NODES, NODES).splitlines()
    assert columns(lines[1]) == ["bar", "[::1]:7023", "-", "-", "-", "-"]


def test_columns_stand_under_their_headings():
    lines = shown(View.WEIGHTS, {"a": 7, "a-long-name": 1234}).splitlines()
    assert lines == [
        "NAME         WEIGHT",
        "a                 7",
        "a-long-name    1234",
    ]


def test_inspect_is_summed_up():
    summary, _, bar, foo = shown(View.TREE, RING.to_json()).splitlines()
    assert summary == "2 nodes, 6 positions, rfactor 3, pfactor 2"
    assert columns(bar) == ["bar", "[::1]:7023", "3"]
    assert columns(foo) == ["foo", "127.0.0.1:7022", "3"]


def test_inspect_shows_every_position_on_demand():
    lines = shown(View.TREE, RING.to_json(), options={"points": True}).splitlines()
    assert [columns(line) for line in lines[2:]] == [
        [key, node.id] for key, node in RING.positions()
    ]


def test_links_show_what_waits():
    _, line = shown(View.LINKS, [LINK]).splitlines()
    assert columns(line) == [
        "bar",
        "[::1]:7023",
        "up",
        "2",
        "300",
        "1",
        *("0.2", "s", "ago"),
    ]


def test_a_link_that_was_never_up_has_no_last_sign_of_life():
    _, line = shown(
        View.LINKS, [{**LINK, "last_seen": None, "address": None}]
    ).splitlines()
    assert columns(line) == ["bar", "-", "up", "2", "300", "1", "-"]


def test_no_links_are_said_so():
    assert shown(View.LINKS, []) == "no links"


def test_actors_show_their_numbers():
    actor = {
        "name": "counter",
        "type": "Counter",
        "state": "running",
        "mailbox": 1,
        "handled": 22,
        "dropped": 4,
        "restarts": 3,
    }
    heading, line = shown(View.ACTORS, [actor]).splitlines()
    assert columns(heading)[-3:] == ["HANDLED", "DROPPED", "RESTARTS"]
    assert columns(line) == ["counter", "Counter", "running", "1", "22", "4", "3"]


def test_an_older_node_does_not_say_what_it_dropped():
    actor = dict.fromkeys(["name", "type", "state"], "x")
    actor |= {"mailbox": 1, "handled": 2, "restarts": 3}
    _, line = shown(View.ACTORS, [actor]).splitlines()
    assert columns(line)[-3:] == ["2", "-", "3"]


def test_the_ring_is_drawn_with_each_share():
    lines = shown(View.RING, ROWS).splitlines()
    bar, foo = lines[-2:]
    assert bar.split()[:4] == ["a", "bar", "3", f"{ROWS[0]['share']:.1%}"[:-1]]
    assert foo.split()[:2] == ["b", "foo"]
    assert foo.endswith("▇")
    assert set("".join(lines[:-3])) >= {"a", "b"}


def test_an_empty_ring_is_said_so():
    assert shown(View.RING, []) == "the ring is empty"


def test_an_event_is_one_line():
    event = {
        "event": "ring_changed",
        "time": "2026-11-21T10:00:00.000+00:00",
        "old": [],
        "new": NODES,
        "cause": "insert",
        "told": None,
        "n": 3,
    }
    assert render_event(event, Style()) == (
        "2026-11-21T10:00:00.000+00:00 ring_changed old=- new=bar,foo cause=insert n=3"
    )


@pytest.mark.parametrize("view", list(View))
def test_every_view_but_three_is_rendered_here(view):
    from clusterkit.cli.render import _VIEWS

    elsewhere = {View.EVENTS, View.HELP, View.STORY}
    assert (view in _VIEWS) is (view not in elsewhere)


def test_colours_only_add_escapes():
    import re

    plain = shown(View.RING, ROWS)
    coloured = shown(View.RING, ROWS, style=Style(colours=True))
    assert coloured != plain
    assert re.sub(r"\x1b\[\d+m", "", coloured) == plain


@pytest.mark.parametrize(
    ("view", "data"),
    [(View.NODES, NODES), (View.LINKS, [LINK]), (View.RING, ROWS)],
)
@pytest.mark.parametrize("width", [40, 28])
def test_nothing_is_wider_than_the_terminal(view, data, width):
    narrow = shown(view, data, style=Style(width=width))
    assert max(map(len, narrow.splitlines())) <= width
    assert "foo" in narrow or view is View.LINKS


def test_a_table_that_is_too_wide_is_a_list():
    lines = shown(View.LINKS, [LINK], style=Style(width=40)).splitlines()
    assert lines[:3] == ["bar", "  ADDRESS    [::1]:7023", "  STATE      up"]
    wide = Style(width=80)
    assert shown(View.LINKS, [LINK], style=wide) == shown(View.LINKS, [LINK])


def test_bars_keep_their_proportions_where_there_is_less_room():
    narrow = shown(View.RING, ROWS, style=Style(width=40)).splitlines()[-2:]
    bars = [line.count("▇") for line in narrow]
    assert bars == [round(row["share"] * 16) for row in ROWS]


MEMBER = {
    "id": "bar",
    "host": "::1",
    "port": 7023,
    "state": "alive",
    "incarnation": 9,
    "phi": 0.44,
    "since": 131.0,
}


def test_members_are_a_table():
    rows = [
        MEMBER,
        {**MEMBER, "id": "foo", "phi": None, "state": "dead", "since": 3.21},
    ]
    heading, bar, foo = shown(View.MEMBERS, rows).splitlines()
    assert columns(heading) == ["NAME", "ADDRESS", "STATE", "FOR", "PHI"]
    assert columns(bar) == ["bar", "[::1]:7023", "alive", "2", "min", "0.4"]
    assert columns(foo) == ["foo", "[::1]:7023", "dead", "3.2", "s", "-"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.9, "59.9 s"),
        (60, "1 min"),
        (7260, "2 h 1 min"),
        (2e5, "2 d 7 h"),
    ],
)
def test_times_are_as_long_as_they_need_to_be(seconds, text):
    assert text in shown(View.MEMBERS, [{**MEMBER, "since": seconds}])


def test_why_says_who_saw_what():
    silent = {
        "age": 9,
        "what": "silent",
        "silence": 1.61,
        "phi": 4.2,
        "through": ["qux"],
    }
    dead = {"age": 5, "what": "dead", "told_by": "baz", "suspected_by": ["foo", "baz"]}
    _, one, two = shown(View.WHY, {"foo": [silent, dead]}).splitlines()
    assert columns(one)[:4] == ["foo", "9.0", "s", "ago"]
    assert one.endswith("silent for 1.6 s (phi 4.2); asked through qux")
    assert two.endswith("dead, told by baz, suspected by foo, baz")
    alone = {**silent, "phi": None, "through": []}
    assert "asked through nobody" in shown(View.WHY, {"foo": [alone]})
    assert "nothing was seen" in shown(View.WHY, {"foo": []})


def test_keys_are_a_table():
    heading, row = shown(View.STATE, {"foo": {"at": {"x": 1}}, "bar": {}}).splitlines()
    assert columns(heading) == ["NODE", "KEY", "VALUE"]
    assert row.split("at ")[-1].strip() == '{"x": 1}'
    assert shown(View.STATE, {"foo": {}}) == "no keys"
