"""The command table: everything an operator can say to a node, one row each.

With the rows of `cli.local_commands`, the prompt, the one-shot command line,
`--json`, help, completion and the reference page are all made from these, and
the command server answers to their names. What a command does is never here.
"""

from __future__ import annotations

from typing import Final

from clusterkit.cluster.bench import LEAST_SECONDS, SECONDS
from clusterkit.cluster.bench_target import MOST_SECONDS
from clusterkit.cluster.command_spec import (
    Argument,
    Command,
    Kind,
    Option,
    View,
)

_ID = Argument(name="id", kind=Kind.NODE, help="The node's name.")
_HOST = Argument(name="host", kind=Kind.HOST, help="Where it listens.")
_PORT = Argument(name="port", kind=Kind.PORT, help="On which port.")
_TRIPLES = Argument(
    name="nodes",
    kind=Kind.TRIPLE,
    help="Name, host and port of each node.",
    times="some",
)
_TARGET = Argument(
    name="target",
    kind=Kind.TARGET,
    help="The actor; on another node as `name@node`, which the node spoken to relays.",
)
_EVENT = Argument(name="event", kind=Kind.EVENT, help="The name of its handler.")
_JSON = Argument(
    name="args",
    kind=Kind.JSON,
    times="any",
    help="The handler's arguments as JSON; a bare word stands for itself.",
)
_FORCE = Option(
    flags=("-f", "--force"),
    name="force",
    help="Do not wait while hooks of an earlier change run.",
)
_FORCE_OUT = Option(
    flags=("-f", "--force"),
    name="force",
    help="Do not wait while hooks of an earlier change run; close links at once.",
)
_WEIGHT = Option(
    flags=("-w", "--weight"),
    name="weight",
    help="Positions on the ring, a whole number from 1; by default the ring's rfactor.",
    kind=Kind.WEIGHT,
)
_PRESENT_ELSEWHERE = "A name that is present at another host or port is refused."

READING: Final = (
    Command(
        name="inspect",
        help="Show the ring: its factors and every position with its node.",
        data='`{"rfactor", "pfactor", "tree": [{"key", "value": {"id", "host", "port"}}]}`, '
        "in order of position",
        example=("inspect", "2 nodes, 256 positions, rfactor 128, pfactor 2"),
        options=(
            Option(
                flags=("--points",),
                name="points",
                help="Show every position on a terminal, too; JSON always has them.",
                for_view=True,
            ),
        ),
        view=View.TREE,
    ),
    Command(
        name="nodes",
        help="List the members of the ring.",
        data='a list of `{"id", "host", "port"}`',
        example=("nodes", "bar  127.0.0.1:7023"),
        view=View.NODES,
        beside=("ring", "links"),
    ),
    Command(
        name="ping",
        help="Ask the node for a sign of life.",
        data='`"pong"`',
        example=("ping", "pong"),
        view=View.WORD,
    ),
    Command(
        name="get",
        help="Show where a member listens.",
        data='`{"id", "host", "port"}`',
        example=("get bar", "bar@127.0.0.1:7023"),
        arguments=(_ID,),
        view=View.NODE,
    ),
    Command(
        name="has",
        help="Say whether a node is a member.",
        data="a boolean",
        example=("has bar", "true"),
        arguments=(_ID,),
    ),
    Command(
        name="weight",
        help="Show the weight of a member.",
        data="a number",
        example=("weight bar", "128"),
        arguments=(_ID,),
    ),
    Command(
        name="weights",
        help="Show the weights of all members.",
        data="an object, id to number",
        example=("weights", "bar  128"),
        view=View.WEIGHTS,
    ),
)

CHANGING: Final = (
    Command(
        name="join",
        help="Have the node belong to a ring of this name, alone for now.",
        example=("join ring", "ok"),
        arguments=(
            Argument(name="ring", kind=Kind.RING, help="What the ring is called."),
        ),
        details="Only after `leave`: a node belongs to one ring at a time. "
        "`meet` a member next.",
        changes="the node's ring",
        view=View.DONE,
    ),
    Command(
        name="meet",
        help="Unite the node's ring with that of another node.",
        example=("meet bar 127.0.0.1 7023", "ok"),
        arguments=(_ID, _HOST, _PORT),
        details="All members of both rings are in the united one. "
        + _PRESENT_ELSEWHERE,
        changes="both rings",
        view=View.DONE,
        timed=True,
    ),
    Command(
        name="leave",
        help="Have the node leave its ring.",
        example=("leave", "ok"),
        options=(_FORCE_OUT,),
        details="The members are told. `join` and `meet` lead back.",
        changes="the ring, and the node's part in it",
        view=View.DONE,
    ),
    Command(
        name="insert",
        help="Make a node a member; unlike `meet`, without its ring.",
        example=("insert -w 64 baz 127.0.0.1 7024", "ok"),
        arguments=(_ID, _HOST, _PORT),
        options=(_FORCE, _WEIGHT),
        details="It leaves a ring that it is in. It need not run yet. "
        + _PRESENT_ELSEWHERE,
        changes="the ring",
        view=View.DONE,
    ),
    Command(
        name="minsert",
        help="Make several nodes members at once.",
        example=("minsert baz 127.0.0.1 7024 qux 127.0.0.1 7025", "ok"),
        arguments=(_TRIPLES,),
        options=(_FORCE, _WEIGHT),
        details="The node spoken to is skipped. " + _PRESENT_ELSEWHERE,
        changes="the ring",
        view=View.DONE,
    ),
    Command(
        name="update",
        help="Change a member's address or weight.",
        example=("update bar 127.0.0.1 7023 64", "ok"),
        arguments=(
            _ID,
            Argument(name="host", kind=Kind.HOST, help="Where it listens from now on."),
            _PORT,
            Argument(
                name="weight",
                kind=Kind.WEIGHT,
                help="Its positions on the ring; unchanged without.",
                times="perhaps",
            ),
        ),
        options=(
            _FORCE,
            Option(
                flags=("-w", "--weight"),
                name="weight",
                help="The same.",
                kind=Kind.WEIGHT,
            ),
        ),
        details="A node that is not a member is inserted.",
        changes="the ring",
        view=View.DONE,
    ),
    Command(
        name="remove",
        help="Remove a member; it is told, and is alone then.",
        example=("remove bar 127.0.0.1 7023", "ok"),
        arguments=(_ID, _HOST, _PORT),
        options=(_FORCE_OUT,),
        details="The node spoken to has to `leave` instead. " + _PRESENT_ELSEWHERE,
        changes="the ring",
        unchanged="{id} was no member",
        view=View.DONE,
    ),
    Command(
        name="mremove",
        help="Remove several members at once.",
        example=("mremove bar 127.0.0.1 7023 baz 127.0.0.1 7024", "ok"),
        arguments=(_TRIPLES,),
        options=(_FORCE_OUT,),
        details="The node spoken to is skipped. " + _PRESENT_ELSEWHERE,
        changes="the ring",
        unchanged="none of them was a member",
        view=View.DONE,
    ),
)

OPERATING: Final = (
    Command(
        name="links",
        help="Show the links to other nodes: state, what waits, last sign of life.",
        data='a list of `{"node", "address", "state", "outbox", "outbox_bytes", '
        '"unacked", "last_seen"}`; the last is in seconds, or null',
        example=("links", "bar  127.0.0.1:7023  up"),
        view=View.LINKS,
    ),
    Command(
        name="actors",
        help="Show the actors of the node.",
        data='a list of `{"name", "type", "state", "mailbox", "handled", "restarts"}`',
        example=("actors", "counter  Counter  running"),
        view=View.ACTORS,
        for_people=("dropped", "call", "cast"),
    ),
    Command(
        name="find",
        help="Show which nodes own a key, most preferred first.",
        data='a list of `{"id", "host", "port"}`',
        example=("find user:42", "bar, foo"),
        arguments=(
            Argument(name="key", kind=Kind.KEY, help="Any text."),
            Argument(
                name="n",
                kind=Kind.COUNT,
                help="How many nodes; by default the ring's pfactor + 1.",
                times="perhaps",
            ),
        ),
        view=View.OWNERS,
    ),
    Command(
        name="call",
        help="Call an actor and show what it answers.",
        data='what the actor answered; bytes as `{"base64": …}`, dates as ISO 8601, '
        "tuples and sets as lists, dataclasses as objects",
        example=("call counter@bar add 5", "5"),
        arguments=(_TARGET, _EVENT, _JSON),
        details="After `--` an argument may begin with a dash.",
        changes="whatever the handler changes",
        timed=True,
    ),
    Command(
        name="cast",
        help="Send to an actor without waiting for it.",
        example=("cast counter reset", "ok"),
        arguments=(_TARGET, _EVENT, _JSON),
        changes="whatever the handler changes",
        view=View.DONE,
    ),
    Command(
        name="ring",
        help="Draw the ring, with each node's share of the keys.",
        data='a list of `{"id", "weight", "share"}`; a share is from 0 to 1',
        example=("ring", "foo  128  48.2 %"),
        view=View.RING,
    ),
    Command(
        name="bench",
        help="Measure the way from the node to another: round trip, calls, casts, bytes.",
        data='`{"from", "to", "round_trip", "calls", "casts", "bytes"}`; each of the last four '
        "has `payload_bytes`, `seconds`, `count`, `per_second` and `bytes_per_second`, casts "
        "`lost`, the others `in_flight`, `latency` (`least`, `mean`, `p50`, `p90`, `p99`, "
        "`most`, in seconds) and `histogram`, a list of `[up to so many seconds, how often]`",
        example=("bench bar", "round trip  118 µs"),
        arguments=(
            Argument(
                name="id",
                kind=Kind.NODE,
                help="The other node; needed if there are several other members.",
                times="perhaps",
            ),
        ),
        options=(
            Option(
                flags=("-s", "--seconds"),
                name="seconds",
                help=f"How long in all, {LEAST_SECONDS:g} to {MOST_SECONDS:g}.",
                kind=Kind.SECONDS,
                default=SECONDS,
            ),
        ),
        details="A load on both nodes, but a bounded one; one bench at a time. Ctrl-C "
        "ends it there, too.",
        view=View.BENCH,
    ),
    Command(
        name="cookies",
        help="Show which cookies each member accepts; never the cookies themselves.",
        data='a list of `{"node", "accepts", "file", "error"}`; what is accepted is '
        "told by fingerprints, the one that dials first, and is null where `error` "
        "says why it is not known; the file is null for a node that has none",
        example=("cookies", "bar  3f0c9a51c4a7d2e8  /home/bar/.clusterkit.cookie"),
        view=View.COOKIES,
        timed=True,
    ),
    Command(
        name="reload",
        help="Have the node read its cookie file again, as SIGHUP does.",
        example=("reload --all", "ok"),
        options=(
            Option(
                flags=("--all",),
                name="all",
                help="Every member its own; fails if one did not.",
            ),
            Option(
                flags=("-f", "--force"),
                name="force",
                help="Also if none of the cookies in it was valid before.",
            ),
        ),
        details="What is unfit changes nothing. Connections that are up go on.",
        changes="the cookies that are accepted",
        view=View.DONE,
        timed=True,
    ),
    Command(
        name="watch",
        help="Show what happens, as it happens, until Ctrl-C.",
        data='for each event a line `{"event", "time", …}` without the usual frame; '
        "the time is when the node told it, in UTC",
        example=("watch", "ring_changed cause=insert"),
        details="One line for each event of the node: members, links, actors.",
        view=View.EVENTS,
        timed=True,
    ),
)

COMMANDS: Final = {
    command.name: command for command in (*READING, *CHANGING, *OPERATING)
}
"""The table: every command that a node carries out, by its name."""
