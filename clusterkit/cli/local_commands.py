"""The rows of the command table that need no node, and the options of all.

A node knows nothing of them; `command_table` has them with those it carries out.
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
from clusterkit.config import DEFAULT_PFACTOR, DEFAULT_WEIGHT

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 7022
DEFAULT_TIMEOUT: Final = 5.0

COOKIE_OPTIONS: Final = (
    Option(
        flags=("-a", "--key"),
        name="key",
        help="The cookie itself. Others see it in process lists: prefer a file.",
        kind=Kind.COOKIE,
    ),
    Option(
        flags=("--cookie-file",),
        name="cookie_file",
        help="The file that holds the cookie. Without either, CLUSTERKIT_COOKIE "
        "counts, then the file that CLUSTERKIT_COOKIE_FILE names, then "
        "`~/.clusterkit.cookie`.",
        kind=Kind.PATH,
    ),
)
DISCOVERY_OPTIONS: Final = (
    Option(
        flags=("--discover",),
        name="discover",
        help="Find nodes of the same ring and cookie on the LAN, and be found. With "
        "this or the next four, and no --host, it listens at all addresses.",
    ),
    Option(
        flags=("--dns",),
        name="dns",
        help="Find the nodes at all addresses of a host name.",
        kind=Kind.ADVERTISED,
        repeats=True,
    ),
    Option(
        flags=("--srv",),
        name="srv",
        help="Find the nodes that the SRV records of a name point at.",
        kind=Kind.HOST,
        repeats=True,
    ),
    Option(
        flags=("--seed-file",),
        name="seed_file",
        help="Find the nodes that a file names, one `id@host:port` a line.",
        kind=Kind.PATH,
    ),
    Option(
        flags=("--master-list",),
        name="master_list",
        help="Find the nodes of a JSON list; CLUSTERKIT_MASTER_LIST_AUTH is the "
        "header `Authorization`, if there is one.",
        kind=Kind.URL,
    ),
)
TLS_OPTIONS: Final = (
    Option(
        flags=("--tls-cert",),
        name="tls_cert",
        help="The certificate to encrypt links with; without this option, "
        "CLUSTERKIT_TLS_CERT counts.",
        kind=Kind.PATH,
    ),
    Option(
        flags=("--tls-key",),
        name="tls_key",
        help="The file with its private key; else CLUSTERKIT_TLS_KEY.",
        kind=Kind.PATH,
    ),
    Option(
        flags=("--tls-ca",),
        name="tls_ca",
        help="The file with the CA that signs everybody's; else CLUSTERKIT_TLS_CA.",
        kind=Kind.PATH,
    ),
    Option(
        flags=("--tls-hostnames",),
        name="tls_hostnames",
        help="Have the certificate of a node that is dialled name its host.",
    ),
)
RUN_OPTIONS: Final = (
    Option(
        flags=("--config",),
        name="config",
        help="A file of settings; without this option CLUSTERKIT_CONFIG counts. No "
        "other is looked for.",
        kind=Kind.PATH,
    ),
    Option(
        flags=("-H", "--host", "--hostname"),
        name="host",
        help="Where to listen; by default 127.0.0.1, with `--discover` all addresses.",
        kind=Kind.HOST,
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
        kind=Kind.ADVERTISED,
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
        flags=("--on-exit",),
        name="on_exit",
        help="`stay` a member of the ring when it ends, which it does by default, or "
        "`leave`.",
        kind=Kind.WORD,
    ),
    Option(
        flags=("--rfactor",),
        name="rfactor",
        help="Positions of a node that is inserted without a weight.",
        kind=Kind.COUNT,
        default=DEFAULT_WEIGHT,
    ),
    Option(
        flags=("--pfactor",),
        name="pfactor",
        help="Neighbours that hold a copy of a key.",
        kind=Kind.WHOLE,
        default=DEFAULT_PFACTOR,
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
    *DISCOVERY_OPTIONS,
    Option(
        flags=("--http",),
        name="http",
        help="Serve health checks over HTTP at this `host:port`; the port may be 0.",
        kind=Kind.BIND,
    ),
    Option(
        flags=("--operator-secret-file",),
        name="operator_secret_file",
        help="The file with the secret by which operators may put the node offline or "
        "have it end, over HTTP.",
        kind=Kind.PATH,
    ),
    *COOKIE_OPTIONS,
    *TLS_OPTIONS,
)
"""What `run` takes, and `config show`, which tells what comes of it."""

LOCAL: Final = (
    Command(
        name="help",
        help="Show the commands, or one of them with its options.",
        data="with --json only: the command, or a list of all, as objects",
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
        data="none; two lines, `ready <id>@<host>:<port> ring=<ring>`, perhaps with "
        "` http=<url>`, and `stopped <id>`",
        example=("run foo --meet bar@127.0.0.1:7023", "ready foo@127.0.0.1:7022 …"),
        arguments=(
            Argument(
                name="id",
                kind=Kind.NODE,
                help="The node's name, unless a file or CLUSTERKIT_NAME says it.",
                times="perhaps",
            ),
        ),
        options=(*RUN_OPTIONS,),
        details="It prints `ready` with its address and its ring once it accepts "
        "connections, and `stopped` at the end. The first signal drains and stays a "
        "member, the second one ends it at once with status 1. What no option says, a "
        "variable CLUSTERKIT_… may say, and what none of them says, the file.",
        changes="nothing of a running cluster but by --meet and discovery",
        view=View.WORD,
        where=Where.SHELL,
    ),
    Command(
        name="demo",
        help="Start three nodes here and show what a cluster does, in a few seconds.",
        data="none; the same text as on a terminal, whose last line is `demo: ok`",
        example=("demo", "demo: ok"),
        details="Three processes on loopback meet, call and cast to each other's "
        "actors; one is killed and comes back. On a terminal the cluster is yours "
        "afterwards, until you leave the prompt. Everything is gone at the end.",
        view=View.STORY,
        where=Where.SHELL,
    ),
    Command(
        name="config",
        help="Show what `run` would be told here, and by what; or check a file.",
        data='for `show` `[{"name", "value", "origin"}]`, without secrets; for `check` '
        "`null`",
        example=("config show --origin", "port  7022  clusterkit.toml:3"),
        arguments=(
            Argument(
                name="action",
                kind=Kind.WORD,
                help="Show all settings; or check a file, together with the variables "
                "that are set here.",
                words=("show", "check"),
            ),
            Argument(
                name="what",
                kind=Kind.PATH,
                help="check: the file. show: the node's name.",
                times="perhaps",
            ),
        ),
        options=(
            Option(
                flags=("--origin",),
                name="origin",
                help="Show where each comes from: default, file and line, variable, or "
                "option.",
                for_view=True,
            ),
            *RUN_OPTIONS,
        ),
        details="A wrong file or variable is told with all its mistakes, and exit "
        "status 2. No cookie is ever shown.",
        view=View.SETTINGS,
        where=Where.SHELL,
    ),
    Command(
        name="cookie",
        help="Make a new cookie, or take the next step of changing the cluster's.",
        data='for `new` the path of the file; for `rotate` `{"file", "step", "of", '
        '"done", "waiting", "next"}`: who has read it, who has not, what to do',
        example=(
            "cookie rotate --all",
            "step 1 of 3: the new cookie is accepted by bar, foo",
        ),
        arguments=(
            Argument(
                name="action",
                kind=Kind.WORD,
                help="Make a new file; or rotate: step by step, so that all nodes "
                "find each other at all times.",
                words=("new", "rotate"),
            ),
            Argument(
                name="path",
                kind=Kind.PATH,
                help="The file; by default that of `--cookie-file`, or "
                "`~/.clusterkit.cookie`.",
                times="perhaps",
            ),
        ),
        options=(
            Option(
                flags=("-f", "--force"),
                name="force",
                help="new: replace one that is there; nodes that use it are cut off. "
                "rotate: do not wait for members that have not taken the last step.",
            ),
            Option(
                flags=("--all",),
                name="all",
                help="rotate: have every member read its file again, not only the node.",
            ),
        ),
        details="A rotation has three steps: all accept the new cookie, all dial with "
        "it, all drop the old one. Each `rotate` takes one of them in the file, has the "
        "node read it, and says what is next. It refuses while a member has not taken "
        "the step before. No cookie travels: copy the file to other machines yourself.",
        changes="the cookie file, and the cookies that are accepted",
        view=View.WORD,
        where=Where.BOTH,
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
    *TLS_OPTIONS,
    *TIME_OPTIONS,
)
"""How to reach the node; before or after any command that asks it."""
