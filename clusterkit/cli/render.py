"""Results for people: tables, pictures, one word.

Each `View` of the command table has one function here. All are pure: data in,
text out, without the newline at its end.
"""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.bench_picture import bench_picture
from clusterkit.cli.ring_picture import BAR, WIDTH, bar, draw, marks
from clusterkit.cli.tables import NOTHING, Style, table
from clusterkit.cluster.command_spec import View
from clusterkit.frozen import frozen
from clusterkit.names import NodeInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LEAST_BAR: Final = 8
"""Columns that bars need to be worth drawing."""


@frozen(kw_only=True)
class Result:
    """What came of a command, and how it is to be shown.

    Attributes:
        data: The result itself.
        beside: Results of other queries that the picture needs, by name.
        options: Those of the command that are about its picture.
        style: What the terminal can show.
    """

    data: Any
    beside: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    style: Style = field(default_factory=Style)


def render(view: View, result: Result) -> str:
    """Return a result as a person reads it, the way the table says."""
    return _VIEWS[view](result)


def render_event(event: Mapping[str, Any], style: Style) -> str:
    """Return one event as a line."""
    fields = [
        f"{key}={_field(value)}"
        for key, value in event.items()
        if key not in {"event", "time"} and value is not None
    ]
    return " ".join([event["time"], style.bold(event["event"]), *fields])


def _value(result: Result) -> str:
    return json.dumps(result.data, ensure_ascii=False)


def _node(result: Result) -> str:
    return str(NodeInfo.from_json(result.data))


def _owners(result: Result) -> str:
    return ", ".join(node["id"] for node in result.data)


def _weights(result: Result) -> str:
    rows = [[name, str(weight)] for name, weight in result.data.items()]
    return table(["NAME", "WEIGHT"], rows, result.style, numbers=["WEIGHT"])


def _nodes(result: Result) -> str:
    shares = {row["id"]: row for row in result.beside.get("ring", ())}
    links = {link["node"]: link for link in result.beside.get("links", ())}
    rows = []
    for node in result.data:
        share, link = shares.get(node["id"]), links.get(node["id"])
        rows.append(
            [
                node["id"],
                str(NodeInfo.from_json(node).address),
                link["state"] if link else NOTHING,
                str(share["weight"]) if share else NOTHING,
                _percent(share["share"]) if share else NOTHING,
                str(link["outbox"]) if link else NOTHING,
            ]
        )
    headers = ["NAME", "ADDRESS", "LINK", "WEIGHT", "SHARE", "OUTBOX"]
    return table(headers, rows, result.style, numbers=["WEIGHT", "SHARE", "OUTBOX"])


def _tree(result: Result) -> str:
    weights: dict[NodeInfo, int] = {}
    for position in result.data["tree"]:
        node = NodeInfo.from_json(position["value"])
        weights[node] = weights.get(node, 0) + 1
    summary = (
        f"{_many(len(weights), 'node')}, {_many(len(result.data['tree']), 'position')}, "
        f"rfactor {result.data['rfactor']}, pfactor {result.data['pfactor']}"
    )
    if result.options.get("points"):
        points = [[p["key"], p["value"]["id"]] for p in result.data["tree"]]
        return f"{summary}\n{table(['POSITION', 'NODE'], points, result.style)}"
    rows = [[n.id, str(n.address), str(weights[n])] for n in sorted(weights)]
    columns = ["NAME", "ADDRESS", "WEIGHT"]
    return f"{summary}\n{table(columns, rows, result.style, numbers=['WEIGHT'])}"


def _links(result: Result) -> str:
    if not result.data:
        return "no links"
    rows = [
        [
            link["node"],
            link["address"] or NOTHING,
            link["state"],
            str(link["outbox"]),
            str(link["outbox_bytes"]),
            str(link["unacked"]),
            NOTHING if link["last_seen"] is None else f"{link['last_seen']:.1f} s ago",
        ]
        for link in result.data
    ]
    numbers = ["OUTBOX", "BYTES", "UNACKED"]
    headers = ["NODE", "ADDRESS", "STATE", *numbers, "LAST SEEN"]
    return table(headers, rows, result.style, numbers=numbers)


def _actors(result: Result) -> str:
    numbers = ["MAILBOX", "HANDLED", "DROPPED", "RESTARTS"]
    rows = [
        [row["name"], row["type"], row["state"]]
        + [str(row.get(number.lower(), NOTHING)) for number in numbers]
        for row in result.data
    ]
    return table(
        ["NAME", "TYPE", "STATE", *numbers], rows, result.style, numbers=numbers
    )


def _cookies(result: Result) -> str:
    rows = [
        [row["node"], *_accepted(row), row["error"] or row["file"] or NOTHING]
        for row in result.data
    ]
    return table(["NODE", "DIALS", "ALSO ACCEPTS", "FILE"], rows, result.style)


def _accepted(row: Mapping[str, Any]) -> list[str]:
    first, *others = row["accepts"] or [NOTHING]
    return [first, ", ".join(others) or NOTHING]


def _ring(result: Result) -> str:
    if not result.data:
        return "the ring is empty"
    weights = {row["id"]: row["weight"] for row in result.data}
    mark, widest = marks(weights), max(map(len, weights))
    lines = [
        f"{mark[row['id']]} {row['id'].ljust(widest)}  {row['weight']:>6}  "
        f"{_percent(row['share']):>7}"
        for row in result.data
    ]
    room = result.style.room(max(map(len, lines)) + 2)
    if room >= _LEAST_BAR:
        whole = int(min(room, BAR))
        bars = [bar(row["share"], whole) for row in result.data]
        lines = [f"{line}  {drawn}" for line, drawn in zip(lines, bars, strict=True)]
    painted = [result.style.paint(line, number) for number, line in enumerate(lines)]
    if result.style.room() < WIDTH:
        return "\n".join(painted)
    return "\n".join([draw(weights, result.style.paint), "", *painted])


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


def _many(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def _field(value: Any) -> str:
    if isinstance(value, list) and all(
        isinstance(v, dict) and "id" in v for v in value
    ):
        return ",".join(v["id"] for v in value) or NOTHING
    return value if isinstance(value, str) and value else json.dumps(value)


def _members(result: Result) -> str:
    rows = [
        [
            row["id"],
            str(NodeInfo.from_json(row).address),
            row["state"],
            _time(row["since"]),
            NOTHING if row["phi"] is None else f"{row['phi']:.1f}",
        ]
        for row in result.data
    ]
    headers = ["NAME", "ADDRESS", "STATE", "FOR", "PHI"]
    return table(headers, rows, result.style, numbers=["FOR", "PHI"])


def _why(result: Result) -> str:
    rows = [
        [node, f"{_time(row['age'])} ago", _seen(row)]
        for node, seen in result.data.items()
        for row in seen
    ]
    if not rows:
        return "nothing was seen of it but that it is there"
    return table(["NODE", "WHEN", "WHAT"], rows, result.style, numbers=["WHEN"])


def _seen(row: Mapping[str, Any]) -> str:
    if row["what"] == "silent":
        phi = "" if row["phi"] is None else f" (phi {row['phi']:.1f})"
        through = ", ".join(row["through"]) or "nobody, there being no other"
        return f"silent for {row['silence']:.1f} s{phi}; asked through {through}"
    by = ", ".join(row["suspected_by"])
    suspected = f", suspected by {by}" if by else ""
    return f"{row['what']}, told by {row['told_by']}{suspected}"


def _state(result: Result) -> str:
    rows = [
        [node, key, json.dumps(value, ensure_ascii=False)]
        for node, keys in result.data.items()
        for key, value in keys.items()
    ]
    return table(["NODE", "KEY", "VALUE"], rows, result.style) if rows else "no keys"


def _settings(result: Result) -> str:
    headers = ["SETTING", "VALUE", "ORIGIN"][: 3 if result.options.get("origin") else 2]
    rows = [
        [row["name"], _setting(row["value"]), row["origin"]][: len(headers)]
        for row in result.data
    ]
    return table(headers, rows, result.style)


def _setting(value: Any) -> str:
    if isinstance(value, dict):
        return _setting([f"{name}={place}" for name, place in value.items()])
    if isinstance(value, list):
        return ", ".join(value) or NOTHING
    return NOTHING if value is None else str(value)


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = int(seconds) // 60, int(seconds) // 3600
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


_VIEWS: Final[dict[View, Callable[[Result], str]]] = {
    View.DONE: lambda _: "ok",
    View.VALUE: _value,
    View.WORD: lambda result: str(result.data),
    View.TREE: _tree,
    View.NODES: _nodes,
    View.NODE: _node,
    View.OWNERS: _owners,
    View.WEIGHTS: _weights,
    View.LINKS: _links,
    View.ACTORS: _actors,
    View.COOKIES: _cookies,
    View.MEMBERS: _members,
    View.WHY: _why,
    View.STATE: _state,
    View.SETTINGS: _settings,
    View.RING: _ring,
    View.BENCH: lambda result: bench_picture(result.data, result.style),
}
