"""The command table: everything an operator can say, one row each.

The prompt, the one-shot command line, `--json`, help, completion and the
reference page are all made from these rows, and the command server answers to
their names. What a command does is never here.
"""

from __future__ import annotations

from typing import Final

from clusterkit.cluster.command_spec import (
    Argument,
    Command,
    Kind,
    Option,
    View,
    Where,
)

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 7022
DEFAULT_TIMEOUT: Final = 5.0

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
        example=("inspect", "2 nodes, 256 positions, rfactor 128, pfactor 2"),
        options=(
            Option(
                flags=("--points",),
                name="points",
                help="Show every position on a terminal, too; JSON always has them.",
            ),
        ),
        view=View.TREE,
    ),
    Command(
        name="nodes",
        help="List the members of the ring.",
        example=("nodes", "bar  127.0.0.1:7023"),
        view=View.NODES,
        beside=("ring", "links"),
    ),
    Command(
        name="ping",
        help="Ask the node for a sign of life.",
        example=("ping", "pong"),
        view=View.WORD,
    ),
    Command(
        name="get",
        help="Show where a member listens.",
        example=("get bar", "bar@127.0.0.1:7023"),
        arguments=(_ID,),
        view=View.NODE,
    ),
    Command(
        name="has",
        help="Say whether a node is a member.",
        example=("has bar", "true"),
        arguments=(_ID,),
    ),
    Command(
        name="weight",
        help="Show the weight of a member.",
        example=("weight bar", "128"),
        arguments=(_ID,),
    ),
    Command(
        name="weights",
        help="Show the weights of all members.",
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
        view=View.DONE,
    ),
)

OPERATING: Final = (
    Command(
        name="links",
        help="Show the links to other nodes: state, what waits, last sign of life.",
        example=("links", "bar  127.0.0.1:7023  up"),
        view=View.LINKS,
    ),
    Command(
        name="actors",
        help="Show the actors of the node.",
        example=("actors", "counter  Counter  running"),
        view=View.ACTORS,
    ),
    Command(
        name="find",
        help="Show which nodes own a key, most preferred first.",
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
        example=("call counter@bar add 5", "5"),
        arguments=(_TARGET, _EVENT, _JSON),
        details='Bytes in the answer are shown as `{"base64": …}`. After `--` an '
        "argument may begin with a dash.",
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
        example=("ring", "foo  128  48.2 %"),
        view=View.RING,
    ),
    Command(
        name="watch",
        help="Show what happens, as it happens, until Ctrl-C.",
        example=("watch", "ring_changed cause=insert"),
        details="One line for each event of the node: members, links, actors.",
        view=View.EVENTS,
        timed=True,
    ),
)

LOCAL: Final = (
    Command(
        name="help",
        help="Show the commands, or one of them with its options.",
        example=("help insert", "insert [-f|--force] …"),
        arguments=(
            Argument(
                name="command",
                kind=Kind.COMMAND,
                help="Which one.",
                times="perhaps",
            ),
        ),
        view=View.HELP,
        where=Where.HERE,
    ),
    Command(
        name="exit",
        help="End the prompt; Ctrl-D does, too.",
        example=("exit", ""),
        view=View.DONE,
        where=Where.HERE,
    ),
    Command(
        name="run",
        help="Run a node in the foreground, until SIGTERM or Ctrl-C.",
        example=("run foo --meet bar@127.0.0.1:7023", "ready foo@127.0.0.1:7022 …"),
        arguments=(Argument(name="id", kind=Kind.WORD, help="The node's name."),),
        options=(
            Option(
                flags=("-H", "--host", "--hostname"),
                name="host",
                help="Where to listen.",
                kind=Kind.HOST,
                default=DEFAULT_HOST,
            ),
            Option(
                flags=("-p", "--port"),
                name="port",
                help="On which port; 0 for any free one.",
                kind=Kind.ANY_PORT,
                default=DEFAULT_PORT,
            ),
            Option(
                flags=("--advertise",),
                name="advertise",
                help="What other nodes are told, as `host` or `host:port`; "
                "needed with a wildcard address.",
                kind=Kind.WORD,
            ),
            Option(
                flags=("--ring",),
                name="ring",
                help="The ring's name.",
                kind=Kind.RING,
                default="ring",
            ),
            Option(
                flags=("--state",),
                name="state",
                help="The file that keeps its membership; by default "
                "`$XDG_STATE_HOME/clusterkit/<ring>/<id>.state`.",
                kind=Kind.PATH,
            ),
            Option(
                flags=("--rfactor",),
                name="rfactor",
                help="Positions of a node that is inserted without a weight.",
                kind=Kind.COUNT,
                default=128,
            ),
            Option(
                flags=("--pfactor",),
                name="pfactor",
                help="Neighbours that hold a copy of a key.",
                kind=Kind.WHOLE,
                default=2,
            ),
            Option(
                flags=("--actor",),
                name="actors",
                help="Start an actor of this class; its module is looked for in the "
                "current folder, too.",
                kind=Kind.CLASS,
                repeats=True,
            ),
            Option(
                flags=("--meet",),
                name="seeds",
                help="Meet this node, however long it takes until it is there.",
                kind=Kind.ADDRESS,
                repeats=True,
            ),
        ),
        details="It prints `ready` with its address and its ring once it accepts "
        "connections, and `stopped` at the end. The first signal drains and stays a "
        "member, the second one ends it at once with status 1.",
        changes="nothing of a running cluster but by --meet",
        view=View.WORD,
        where=Where.SHELL,
    ),
    Command(
        name="cookie",
        help="Make a new cookie that only its owner can read.",
        example=("cookie new", "wrote ~/.clusterkit.cookie"),
        arguments=(
            Argument(
                name="action",
                kind=Kind.WORD,
                help="Make a new one.",
                words=("new",),
            ),
            Argument(
                name="path",
                kind=Kind.PATH,
                help="The file; `~/.clusterkit.cookie` by default.",
                times="perhaps",
            ),
        ),
        options=(
            Option(
                flags=("-f", "--force"),
                name="force",
                help="Replace one that is there. Nodes that use it are cut off.",
            ),
        ),
        changes="the cookie file",
        view=View.WORD,
        where=Where.SHELL,
    ),
)

COMMANDS: Final = {
    command.name: command for command in (*READING, *CHANGING, *OPERATING, *LOCAL)
}
"""The table: every command by its name, in the order help shows them."""

COOKIE_OPTIONS: Final = (
    Option(
        flags=("-a", "--key"),
        name="key",
        help="The cookie itself. Others see it in process lists: prefer a file.",
        kind=Kind.WORD,
    ),
    Option(
        flags=("--cookie-file",),
        name="cookie_file",
        help="The file that holds the cookie. Without either, CLUSTERKIT_COOKIE "
        "counts, then `~/.clusterkit.cookie`.",
        kind=Kind.PATH,
    ),
)
OUTPUT_OPTIONS: Final = (
    Option(
        flags=("--json",),
        name="json",
        help="Print one line of JSON, as is always done when not on a terminal.",
    ),
)
TIME_OPTIONS: Final = (
    Option(
        flags=("--timeout",),
        name="timeout",
        help="How long the node may take to connect and to answer.",
        kind=Kind.SECONDS,
        default=DEFAULT_TIMEOUT,
    ),
)
CONNECTION_OPTIONS: Final = (
    Option(
        flags=("-I", "--instance"),
        name="instance",
        help="The name that must answer; by default whoever does.",
        kind=Kind.NODE,
    ),
    Option(
        flags=("-H", "--hostname"),
        name="hostname",
        help="Where the node listens.",
        kind=Kind.HOST,
        default=DEFAULT_HOST,
    ),
    Option(
        flags=("-p", "--port"),
        name="node_port",
        help="On which port.",
        kind=Kind.PORT,
        default=DEFAULT_PORT,
    ),
    *COOKIE_OPTIONS,
    *TIME_OPTIONS,
)
"""How to reach the node; before or after any command that asks it."""
