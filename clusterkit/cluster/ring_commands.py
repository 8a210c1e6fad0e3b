"""Commands about the ring: what it is, and what changes it."""

from __future__ import annotations

from typing import Final

from clusterkit.cluster.command_spec import (
    Argument,
    Command,
    Kind,
    Option,
    View,
)

MEMBER: Final = Argument(name="id", kind=Kind.NODE, help="The node's name.")
_HOST = Argument(name="host", kind=Kind.HOST, help="Where it listens.")
_PORT = Argument(name="port", kind=Kind.PORT, help="On which port.")
_TRIPLES = Argument(
    name="nodes",
    kind=Kind.TRIPLE,
    help="Name, host and port of each node.",
    times="some",
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
        arguments=(MEMBER,),
        view=View.NODE,
    ),
    Command(
        name="has",
        help="Say whether a node is a member.",
        data="a boolean",
        example=("has bar", "true"),
        arguments=(MEMBER,),
    ),
    Command(
        name="weight",
        help="Show the weight of a member.",
        data="a number",
        example=("weight bar", "128"),
        arguments=(MEMBER,),
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
        arguments=(MEMBER, _HOST, _PORT),
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
        arguments=(MEMBER, _HOST, _PORT),
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
            MEMBER,
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
        arguments=(MEMBER, _HOST, _PORT),
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
