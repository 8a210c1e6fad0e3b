"""Commands about what runs: members, links, actors, cookies, events."""

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
from clusterkit.cluster.ring_commands import MEMBER

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

LIVING: Final = (
    Command(
        name="members",
        help="Show which members are alive, and for how long.",
        data='a list of `{"id", "host", "port", "state", "incarnation", "phi", "since"}`; '
        "the state is alive, suspect, dead or left, and has been so `since` so many "
        "seconds; the incarnation is 0 of a member that was never heard of; phi is null "
        "of one that the node spoken to does not watch itself",
        example=("members", "bar  127.0.0.1:7023  alive  00:02:11  0.4"),
        view=View.MEMBERS,
    ),
    Command(
        name="why",
        help="Show what led to a member's state: who saw what, and asked whom.",
        data="an object, node to a list of rows, oldest first; each has its `age` in "
        "seconds and `what` was seen: `silent`, with `silence` in seconds, `phi`, and "
        "whom the node asked for the member, in vain, as `through`; or a state, with who "
        "`told_by` and `suspected_by`",
        example=(
            "why bar",
            "foo  12 s ago  silent for 1.6 s (phi 4.2), asked baz, qux",
        ),
        arguments=(MEMBER,),
        view=View.WHY,
    ),
    Command(
        name="state",
        help="Show what members say of themselves.",
        data="an object, node to an object of keys and values, which are told as `call` "
        "tells answers",
        example=("state bar", "bar  version  3"),
        arguments=(
            Argument(
                name="id",
                kind=Kind.NODE,
                help="One member; without, all of them.",
                times="perhaps",
            ),
        ),
        view=View.STATE,
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
