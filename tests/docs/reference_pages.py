"""The generated pages of the reference, made from docstrings and signatures.

`python tests/docs/reference_pages.py` writes configuration.md, settings.md,
errors.md and api.md. What stands in a table of those pages is said in the code and nowhere
else; only the sentences around the tables are here.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from functools import cache
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import clusterkit
import clusterkit.core
import clusterkit.discovery
import clusterkit.testing
import clusterkit.web
from clusterkit import create_cluster, errors, events
from clusterkit.actors.server import GenServer
from clusterkit.actors.statistics import ActorStatistics
from clusterkit.cluster.channels import Channels
from clusterkit.cluster.gossip import GossipRing
from clusterkit.cluster.keyring import Keyring
from clusterkit.cluster.masters import Masters
from clusterkit.cluster.members import Member, Members
from clusterkit.cluster.node import ClusterNode
from clusterkit.cluster.node_state import NodeState
from clusterkit.cluster.node_statistics import NodeStatistics
from clusterkit.cluster.services import Services
from clusterkit.cluster.subscriptions import ChannelStatistics
from clusterkit.config import Config
from clusterkit.httpcluster.cluster import HttpCluster
from clusterkit.httpcluster.members import HttpMember, HttpMembers
from clusterkit.httpcluster.state import HttpState
from clusterkit.net.kernel import Kernel
from clusterkit.net.peer import LinkStatistics
from clusterkit.settings.environment import TEST_VARIABLES
from clusterkit.settings.table import ROWS
from clusterkit.settings.values import Setting, Settings

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
MADE_BY = "Generated from the code by `python tests/docs/reference_pages.py`; a test keeps it current."

# Fixed bounds: module, name, unit. They are no knobs, because nobody has had
# a reason to turn one; each says why it has its value.
BOUNDS = (
    ("config", "MIN_MESSAGE", "bytes"),
    ("config", "MAX_MESSAGE", "bytes"),
    ("names", "MAX_NAME", ""),
    ("wire.greetings", "MAX_GREETING", "bytes"),
    ("wire.greetings", "MAX_TEXT", "bytes"),
    ("wire.shape", "MAX_DEPTH", ""),
    ("wire.codec", "MAX_REASON", "bytes"),
    ("wire.session", "BATCH_BYTES", "bytes"),
    ("wire.session", "FRAME_LIMIT", "bytes"),
    ("wire.codec", "MOST_PACKED", "bytes"),
    ("wire.bulk", "MOST_WHOLE", "bytes"),
    ("wire.bulk", "PIECE", "bytes"),
    ("wire.bulk", "MOST_UNDER_WAY", ""),
    ("wire.assembly", "LEAST_PIECE", "bytes"),
    ("wire.assembly", "STALE", "s"),
    ("net.connection", "DIRECT_BYTES", "bytes"),
    ("net.connection", "DIRECT_WRITES", ""),
    ("net.connection", "WRITE_TURN", "bytes"),
    ("net.connection", "READ_TURN", "bytes"),
    ("net.connection", "READ_RECORDS", ""),
    ("net.peer", "UNSENT_BYTES", "bytes"),
    ("net.peer", "UNSENT_MESSAGES", ""),
    ("net.peer", "UNSENT_BULK", "bytes"),
    ("net.link", "STEADY", "s"),
    ("net.reception", "PROBE", "s"),
    ("net.guesses", "GUESSES", ""),
    ("net.guesses", "GUESS_RATE", "rate"),
    ("net.guesses", "LUCKY", "share"),
    ("net.tcp", "STAGGER", "s"),
    ("net.tls_stream", "MOST_GREETING", "bytes"),
    ("actors.sending", "YIELD_EVERY", ""),
    ("actors.loop", "TURN_MESSAGES", ""),
    ("actors.loop", "TURN_SECONDS", "s"),
    ("actors.stream", "COLLECT_LIMIT", ""),
    ("actors.serving", "MOST_AHEAD", "bytes"),
    ("wire.streams", "MOST_BEYOND", "bytes"),
    ("core.ring_input", "MAX_WEIGHT", ""),
    ("core.registers", "MAX_NAMES", ""),
    ("core.standing", "MAX_OWED", ""),
    ("cluster.handing_over", "CANDIDATE_TIME", "s"),
    ("cluster.handing_over", "AT_ONCE", ""),
    ("cluster.handing_over", "UNCONNECTED", ""),
    ("cluster.ring_work", "SAVE_AGAIN", "s"),
    ("cluster.ring_work", "HELD", ""),
    ("cluster.ring_post", "MOST_BYTES", "bytes"),
    ("settings.toml_file", "MOST_BYTES", "bytes"),
    ("settings.toml_file", "MOST_PARTS", ""),
    ("settings.spelling", "MOST_SHOWN", ""),
    ("cluster.readiness", "SAID_BY", "share"),
    ("cluster.node", "LEFT_BY", "share"),
    ("cluster.node", "ACTORS_ENDED_BY", "share"),
    ("cluster.neighbourhood", "NEIGHBOURS", ""),
    ("cluster.neighbourhood", "MOST_PLACES", ""),
    ("cluster.neighbourhood", "STRAY", "share"),
    ("cluster.meetings", "ASK_AGAIN", "s"),
    ("cluster.meetings", "SEED_PAUSE", "s"),
    ("cluster.telling", "FIRST_PAUSE", "s"),
    ("cluster.telling", "LAST_PAUSE", "s"),
    ("cluster.watching", "TICK", "s"),
    ("cluster.watching", "THROUGH", ""),
    ("cluster.watching", "STAGGER", "s"),
    ("cluster.watching", "LATE", "s"),
    ("cluster.masters", "PATIENCE", "s"),
    ("cluster.masters", "SITS_OUT", "s"),
    ("cluster.providers", "FIRST_PAUSE", "s"),
    ("cluster.providers", "LONGEST_PAUSE", "s"),
    ("cluster.channels", "LATE", "s"),
    ("cluster.subscriptions", "MOST_WAITING", ""),
    ("cluster.subscriptions", "MOST_STAMPS", ""),
    ("core.liveness", "CONFIRMATIONS", ""),
    ("core.liveness", "LONGEST", ""),
    ("core.observation", "WORST", ""),
    ("core.state_input", "MOST_KEY", "bytes"),
    ("core.state_input", "MOST_VALUE", "bytes"),
    ("core.state_input", "MOST_STATE", "bytes"),
    ("cluster.watchdog", "BEAT", "s"),
    ("discovery.beacons", "ANSWER_WITHIN", "s"),
    ("discovery.beacons", "ANSWER_PAUSE", "s"),
    ("discovery.beacons", "ANSWERS", ""),
    ("discovery.dns", "RESOLVE_WITHIN", "s"),
    ("discovery.dns_srv", "SHORTEST_TTL", "s"),
    ("discovery.dns_srv", "LONGEST_TTL", "s"),
    ("discovery.entries", "MOST_ENTRIES", ""),
    ("discovery.entries", "TURN", ""),
    ("discovery.http", "WITHIN", "s"),
    ("discovery.http", "MAX_BODY", "bytes"),
    ("discovery.master_list", "UPLOADS", ""),
    ("discovery.master_list", "UPLOAD_PAUSE", "s"),
    ("discovery.master_list", "KEPT", "s"),
    ("discovery.master_list", "SEEN_AGAIN", "s"),
    ("discovery.master_list", "END_WITHIN", "s"),
    ("discovery.seed_file", "MAX_FILE", "bytes"),
    ("cluster.discovering", "MOST_DIALS", ""),
    ("cluster.discovering", "MEET_TIMEOUT", "s"),
    ("cluster.discovering", "SPREAD", "s"),
    ("cluster.discovering", "LONGEST_SPREAD", "s"),
    ("cluster.discovering", "SOURCE_AGAIN", "s"),
    ("cluster.candidates", "MOST_FOUND", ""),
    ("cluster.candidates", "FORGOTTEN_AFTER", "s"),
    ("cluster.candidates", "BACKOFF_FIRST", "s"),
    ("cluster.candidates", "BACKOFF_CAP", "s"),
    ("cluster.candidates", "HEARD_AGAIN", "s"),
    ("cluster.candidates", "AGAIN_RATE", "rate"),
    ("cluster.candidates", "AGAIN_BURST", ""),
    ("cluster.address_check", "TRIES", ""),
    ("cluster.address_check", "PAUSE", "s"),
    ("core.quota", "RATE", "rate"),
    ("core.quota", "BURST", ""),
    ("core.quota", "STRANGERS_RATE", "rate"),
    ("core.quota", "STRANGERS_BURST", ""),
    ("core.quota", "MOST_SOURCES", ""),
    ("wire.beacon", "MAX_BEACON", "bytes"),
    ("wire.beacon_judge", "MOST_NAMES", ""),
    ("wire.http_judge", "WINDOW", "s"),
    ("wire.http_judge", "MOST_NONCES", ""),
    ("core.heartbeats", "MOST_BEAT", ""),
    ("core.heartbeats", "PAUSE", "intervals"),
)

# The rest of them, by floor. A test looks for any that are missing.
MORE_BOUNDS = (
    ("core.ring_index", "CACHED_NODES", ""),
    ("core.ring_index", "CACHED_WEIGHT", ""),
    ("core.ring_index", "REBUILD_SHARE", ""),
    ("core.registers", "MOST_JUMP", ""),
    ("wire.streams", "CHUNK_BYTES", "bytes"),
    ("wire.streams", "CHUNK_COST", "bytes"),
    ("wire.streams", "MOST_CREDIT", ""),
    ("wire.session", "FEW", ""),
    ("wire.session", "SMALL", "bytes"),
    ("wire.intake", "MANY", ""),
    ("wire.intake", "MOST_REFUSALS", ""),
    ("net.peer", "REFUSALS", ""),
    ("net.kernel", "MOST_LINKS", ""),
    ("net.peer", "GATHER", ""),
    ("net.disk", "MAX_FILE", "bytes"),
    ("net.credentials", "MAX_PEM", "bytes"),
    ("net.tls_stream", "PIECE", "bytes"),
    ("net.tls_stream", "MOST_ANSWERS", "bytes"),
    ("net.guesses", "MOST_SOURCES", ""),
    ("net.tcp", "READ_BYTES", "bytes"),
    ("net.tcp", "BACKLOG", ""),
    ("actors.calls", "MOST_QUEUES", ""),
    ("actors.loop", "STRIDE", ""),
    ("actors.loop", "FAST", "s"),
    ("actors.runtime", "PATIENCE", "share"),
    ("actors.faults", "MAX_TEXT", ""),
    ("actors.faults", "MAX_TRACEBACK", ""),
    ("actors.delivery", "MOST_CHOKED", ""),
    ("actors.delivery", "LONGEST_NAME", ""),
    ("actors.monitors", "MOST_MONITORS", ""),
    ("actors.accounts", "SILENCE", "s"),
    ("actors.dropped", "SILENCE", "s"),
    ("actors.dropped", "MOST_KINDS", ""),
    ("actors.dropped", "MOST_TEXT", ""),
    ("actors.stream_end", "YIELD_EVERY", ""),
    ("actors.stream_end", "SIGN_OF_LIFE", "share"),
    ("actors.unhandled", "MOST_TEXT", ""),
    ("actors.unhandled", "MOST_SHOWN", ""),
    ("actors.unhandled", "MOST_COMPARED", ""),
    ("cluster.cookie_file", "MAX_COOKIE", "bytes"),
    ("cluster.cookie_file", "MOST_COOKIES", ""),
    ("cluster.actor_rows", "MOST_ACTORS", ""),
    ("cluster.actor_rows", "MOST_HANDLERS", ""),
    ("cluster.draining", "MOST_NAMES", ""),
    ("cluster.json_values", "MAX_DEPTH", ""),
    ("cluster.meetings", "DIAL_AGAIN", "s"),
    ("cluster.meetings", "SEED_SILENCE", "s"),
    ("cluster.handing_over", "OFFER_AGAIN", "s"),
    ("cluster.ring_post", "MOST_PARTS", ""),
    ("cluster.ring_post", "MOST_BEGUN", "bytes"),
    ("cluster.ring_post", "MOST_SPEAKERS", ""),
    ("cluster.watchdog", "LATELY", ""),
    ("cluster.bench", "SECONDS", "s"),
    ("cluster.bench", "LEAST_SECONDS", "s"),
    ("cluster.bench_target", "MOST_SECONDS", "s"),
    ("cluster.bench", "MOST_MESSAGES", ""),
    ("cluster.bench_target", "GRACE", "s"),
    ("cluster.bench", "FENCE", "s"),
    ("cluster.bench", "SMALL", "bytes"),
    ("cluster.bench", "LARGE", "bytes"),
    ("core.latencies", "PER_DOUBLING", ""),
    ("core.buckets", "BUCKETS", ""),
    ("core.phi", "WINDOW", ""),
    ("core.liveness", "MOST_ACCUSERS", ""),
    ("core.state_input", "MOST_KEYS", ""),
    ("core.state_input", "KEY_COST", "bytes"),
    ("cluster.state_book", "MOST_TOMBSTONES", ""),
    ("cluster.state_book", "SPARE", "bytes"),
    ("cluster.state_book", "SPARE_KEYS", ""),
    ("cluster.features", "SEEKS", "s"),
    ("web.application", "MOST_BODY", "bytes"),
    ("web.reading", "BODY_WITHIN", "s"),
    ("web.gossip", "MOST_AT_ONCE", ""),
    ("httpcluster.asking", "TRIES", ""),
    ("httpcluster.asking", "MOST_KNOWN", ""),
    ("httpcluster.creation", "LEAST_INTERVAL", "s"),
    ("httpcluster.parts", "MOST_AHEAD", "s"),
    ("httpcluster.creation", "MOST_INTERVAL", "s"),
    ("httpcluster.cluster", "DRAIN", "s"),
    ("httpcluster.gossiping", "STEPS", ""),
    ("httpcluster.gossiping", "MOST_AT_ONCE", ""),
    ("httpcluster.gossiping", "ENOUGH", "s"),
    ("httpcluster.gossiping", "LATE", "intervals"),
    ("httpcluster.identity", "MOST_NODES", ""),
    ("httpcluster.listing", "MOST_LISTED", ""),
    ("httpcluster.listing", "LISTED_FOR", "s"),
    ("httpcluster.partners", "MONITORS", "share"),
    ("httpcluster.partners", "STRAY", "share"),
    ("httpcluster.partners", "AT_START", ""),
    ("httpcluster.partners", "FAREWELLS", ""),
    ("httpcluster.partners", "MOST_FAREWELLS", ""),
    ("httpcluster.posting", "WITHIN", "s"),
    ("httpcluster.posting", "MAX_GOSSIP", "bytes"),
    ("httpcluster.urls", "MOST_URL", ""),
    ("web.secrets", "LEAST_SECRET", "bytes"),
    ("web.serving", "BACKLOG", ""),
    ("web.serving", "GRACE", "s"),
    ("cluster.forgetting", "LOOK", "s"),
    ("cluster.masters", "LOOKS_AGAIN", "s"),
    ("cluster.services", "MOST_NAME", ""),
    ("cluster.channels", "MOST_JOINED", ""),
    ("core.topics", "MOST_CHANNEL", ""),
    ("core.election", "MOST_REQUIRED", ""),
    ("core.election", "MOST_COUNTER", ""),
    ("cluster.reconciling", "ROOM", "bytes"),
    ("cluster.reconciling", "MOST_NODES", ""),
    ("cluster.claims_exchange", "MOST_NODES", ""),
    ("cluster.claims_exchange", "GO_ON", ""),
    ("cluster.comparing", "STEPS", ""),
    ("cluster.comparing", "GREET", "s"),
    ("cluster.neighbourhood", "HEARD", ""),
    ("cluster.reconciling", "FEW", ""),
    ("cluster.reasons", "MOST", ""),
    ("cluster.watching", "WATCHED", "s"),
    ("config", "MOST_THRESHOLD", ""),
    ("cli.bench_picture", "MOST_BARS", ""),
    ("cli.client", "POLL", "s"),
    ("cli.client", "LATITUDE", "s"),
    ("cli.repl", "REFRESH", "s"),
)

# Numbers of modules that are no bounds, and why.
NO_BOUNDS = {
    "cluster.channels PAIR": "follows from the format of a message",
    "cluster.services FIELDS": "follows from the format of what is advertised",
    "wire.messages": "kinds of records and places in them: the protocol's page",
    "wire.stream_values": "follows from the format of a record",
    "wire.streams RAW": "a form of the protocol",
    "wire.streams PACKED": "a form of the protocol",
    "wire.streams OPENER": "a side of the protocol",
    "wire.streams ASKED": "a side of the protocol",
    "wire.extensions": "codes of the protocol",
    "wire.frame": "follows from the format of a frame",
    "wire.seal": "the size of a SHA-256",
    "wire.greetings NONCE_BYTES": "part of the format",
    "wire.beacon NONCE_BYTES": "part of the format",
    "wire.http_seal": "follows from the format",
    "httpcluster.creation INTERVAL": "a default of an option",
    "discovery.beacons BEACON_PORT": "a default of an option",
    "wire.greetings COUNTER_LIMIT": "the sign bit of a number in a greeting",
    "wire.intake CONTROLS": "a flag",
    "wire.intake DEFUSING": "a flag",
    "wire.intake PIECES": "a flag",
    "actors.monitors NOT_SENT": "stands for none",
    "actors.stream_ways HERE": "a form that does not travel",
    "actors.serving SERVED": "a place in a record",
    "actors.loop INFO": "kind of a record",
    "actors.loop STOP": "kind of a record",
    "actors.sending MOST_BUDGET": "as long as for ever",
    "config KIB": "a unit",
    "config MIB": "a unit",
    "config DEFAULT_WEIGHT": "a default of the public functions: their page",
    "config DEFAULT_PFACTOR": "a default of the public functions: their page",
    "config TOMBSTONE_TTL": "the default of `Config.tombstone_ttl`",
    "core.membership TOMBSTONE_TTL": "the default of `Config.tombstone_ttl`",
    "core.registers U64": "the largest number of 64 bits",
    "core.registers MOST_TIME": "half of the numbers of 64 bits",
    "core.registers LATEST": "the sum of two others",
    "cluster.cookie_file STEPS": "the steps of a rotation, by their names",
    "cluster.cookies PRINT_BYTES": "a format",
    "cluster.ring_file FORMAT": "the version of the file",
    "cluster.ring_post PART_ROOM": "follows from the format of a message",
    "cluster.ring_shares WHOLE": "the circle, in units of its own",
    "core.liveness ALIVE": "a state",
    "core.liveness SUSPECT": "a state",
    "core.liveness DEAD": "a state",
    "core.liveness LEFT": "a state",
    "core.liveness MOST_RUMOUR": "the largest number of 32 bits",
    "core.registers MOST_INCARNATION": "a quarter of the numbers of 64 bits",
    "core.replica MOST_CHANGES": "the same as `MOST_KEYS`",
    "core.replica MOST_VERSION": "a quarter of the numbers of 64 bits",
    "cli.local_commands": "defaults of options: the page of the command line",
    "cli.loading": "an exit status",
    "cli.output": "exit statuses",
    "cli.pipe": "a file descriptor",
    "cli.repl TERMINATED": "an exit status",
    "cli.ring_picture": "the size of a picture",
    "cli.demo": "the pace of a demonstration",
}


def quantity(value: object, unit: str = "") -> str:
    """How a default is written, here and in every other page."""
    if unit == "bytes":
        for size, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
            if value >= size and value % size == 0:
                return f"{value // size:,} {name}"
        return f"{value:,} bytes"
    if unit == "rate":
        return f"{value:g}"
    if unit == "share":
        return str(Fraction(value).limit_denominator(1000))
    if value == inf:
        return "never"
    if isinstance(value, float) or unit == "s":
        days = value / 86_400
        return f"{days:g} days" if days >= 2 else f"{value:g} s"
    return f"{value:,}" if isinstance(value, int) else f"`{value}`"


def unit_of(field: str) -> str:
    return "bytes" if field.endswith("_bytes") or field == "max_message" else ""


def defaults() -> dict[str, str]:
    """Every default and fixed bound by its name, as pages write it."""
    known = {f.name: quantity(f.default, unit_of(f.name)) for f in fields(Config)}
    for bound in BOUNDS:
        known[bound[1]] = bound_value(*bound)
    return known


def bound_value(module: str, name: str, unit: str) -> str:
    found = importlib.import_module(f"clusterkit.{module}")
    return quantity(getattr(found, name), unit)


def all_bounds() -> list[tuple[str, str, str]]:
    return list(dict.fromkeys([*BOUNDS, *MORE_BOUNDS]))


@cache
def value_docs(module: str) -> dict[str, str]:
    """The strings that stand after assignments in a module, by name."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    bodies = [
        n.body for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef)
    ]
    docs = {}
    for body in bodies:
        waiting: list[str] = []
        for node in body:
            if isinstance(node, ast.AnnAssign | ast.Assign):
                targets = (
                    [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                )
                waiting += [t.id for t in targets if isinstance(t, ast.Name)]
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docs.update(dict.fromkeys(waiting, one_line(str(node.value.value))))
                waiting = []
            else:
                waiting = []
    return docs


def one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def summary(thing: object) -> str:
    """The first paragraph of a docstring."""
    return one_line((inspect.getdoc(thing) or "").split("\n\n")[0])


def section(thing: object, title: str) -> dict[str, str]:
    """The items of a Google section of a docstring, by name."""
    text = inspect.getdoc(thing) or ""
    match = re.search(rf"^{title}:\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    if match is None:
        return {}
    items = re.split(r"^    (?=\w[\w, ]*:)", match[1], flags=re.MULTILINE)[1:]
    pairs = [item.split(":", 1) for item in items]
    return {name.strip(): one_line(told) for name, told in pairs}


def table(*heads: str, rows: list[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page(*parts: str) -> str:
    return "\n\n".join([parts[0], MADE_BY, *parts[1:]]) + "\n"


def configuration() -> str:
    parameters = inspect.signature(create_cluster).parameters
    told = section(create_cluster, "Args")
    options = [
        (f"`{name}`", "" if p.default is p.empty else f"`{p.default!r}`", told[name])
        for name, p in parameters.items()
    ]
    docs = value_docs("clusterkit.config")
    known = defaults()
    knobs = [(f"`{f.name}`", known[f.name], docs[f.name]) for f in fields(Config)]
    attributes = [
        (f"`{name}`", f"`{getattr(GenServer, name)!r}`", text)
        for name, text in section(GenServer, "Class attributes").items()
    ]
    bounds = [
        (
            f"`{module}.{name}`",
            bound_value(module, name, unit),
            value_docs(f"clusterkit.{module}").get(name, ""),
        )
        for module, name, unit in all_bounds()
    ]
    return page(
        "# Configuration",
        "Every default and bound. Times are seconds, sizes are bytes. What `cluster-cli` takes is in [cli](cli.md).",
        "## Options of `create_cluster`",
        table("option", "default", "meaning", rows=options),
        "## Fields of `Config`",
        "`create_cluster(..., config=Config(call_timeout=2.0))`. " + summary(Config),
        table("field", "default", "meaning", rows=knobs),
        "`Config` raises `ConfigError` unless every number is above 0 and `dead_after` is at least twice `ping_after`.",
        "## Class attributes of an actor",
        table("attribute", "default", "meaning", rows=attributes),
        "## Fixed bounds",
        "Not to be turned; listed because they show.",
        table("bound", "value", "meaning", rows=bounds),
        "## Surroundings",
        "Without `cookie=`, the variable `CLUSTERKIT_COOKIE` counts, then the file that `CLUSTERKIT_COOKIE_FILE` names, and after it "
        "the file `~/.clusterkit.cookie`. Nobody but its owner may be able to read it. With `tls=Tls(...)` its three files are read, and read again when they change. "
        "`create_cluster` reads nothing else from files or the environment; [`load_settings`](settings.md) does, and gives what it has to be given.",
    )


def settings() -> str:
    docs, known = value_docs("clusterkit.config"), defaults()
    own = [row for row in ROWS.values() if not row.table]
    knobs = [row for row in ROWS.values() if row.table]
    return page(
        "# Settings",
        "What a node may be told by a file, by variables of the environment and by arguments: by `cluster-cli run`, and by "
        "`clusterkit.load_settings`. How to use them is in [Configure a node](../how-to/configure.md).",
        "The first of these that says a setting counts: an argument, a variable, the file, the default. An empty variable is as "
        "good as none. Whatever is said is checked, also where something stronger hides it. An unknown key, or an unknown variable that "
        "begins with `CLUSTERKIT_`, is an error.",
        "The file is TOML. It is read if `--config`, `load_settings(file)` or the variable `CLUSTERKIT_CONFIG` names it; no file is looked "
        "for by itself. Relative paths in it start from its folder, others from the current folder; `~` is the home folder in both.",
        "In a variable a list has commas between its parts, `true` and `false` may be written in any case, times are numbers of seconds, "
        "and `inf` is for ever.",
        "## Settings of a node",
        "An argument of `load_settings` has the name of its key.",
        table(
            "key",
            "variable",
            "of `cluster-cli run`",
            "is a",
            "default",
            "meaning",
            rows=[
                (
                    f"`{r.key}`",
                    f"`{r.variable}`",
                    f"`{r.flag}`",
                    r.kind.shown,
                    shown_default(r.default),
                    r.help,
                )
                for r in own
            ],
        ),
        "## Knobs",
        "Fields of `Config`: keys of the table `[config]` of the file, and for `load_settings` in `config={...}`. "
        "[Configuration](configuration.md) says more of each.",
        table(
            "key in `[config]`",
            "variable",
            "default",
            "meaning",
            rows=[
                (
                    f"`{r.key}`",
                    f"`{r.variable}`",
                    known[r.key],
                    docs[r.key].split(". ")[0].rstrip(".") + ".",
                )
                for r in knobs
            ],
        ),
        "## Other variables",
        table(
            "variable",
            "meaning",
            rows=[
                (
                    "`CLUSTERKIT_CONFIG`",
                    "The file to read, unless an argument names one.",
                ),
                (
                    "`CLUSTERKIT_COOKIE`",
                    "The cookie itself; see [Handle the cookie](../how-to/cookie.md). It is no setting: it cannot stand in the file, and nothing shows it.",
                ),
                (
                    ", ".join(f"`{name}`" for name in sorted(TEST_VARIABLES)),
                    "Of clusterkit's own tests and benchmark; a node passes them over. `CLUSTERKIT_SEEDS` with anything but a number is taken for a mistake: nodes to meet are `CLUSTERKIT_MEET`.",
                ),
                (
                    "`CLUSTERKIT_SERVICE_HOST`, `CLUSTERKIT_PORT_7022_TCP` and the like, and `CLUSTERKIT_PORT` if it begins with `tcp://`",
                    "Made by Kubernetes for a Service called `clusterkit`, or `clusterkit-…`; passed over.",
                ),
            ],
        ),
    )


def shown_default(value: object) -> str:
    return (
        ""
        if value in (None, (), {})
        else f"`{str(value).lower() if isinstance(value, bool) else value}`"
    )


def error_tree() -> list[type[errors.ClusterError]]:
    found = [c for c in vars(errors).values() if inspect.isclass(c)]
    return [c for c in found if issubclass(c, errors.ClusterError)]


def error_row(cls: type[errors.ClusterError]) -> tuple[str, ...]:
    text = re.split(r"\n\n(?:Attributes:|    )", inspect.getdoc(cls) or "")[0]
    told = one_line(text)
    for name, meaning in section(cls, "Attributes").items():
        told += f" `{name}`: {meaning}"
    above = "" if cls is errors.ClusterError else f"`{cls.__bases__[0].__name__}`"
    return f"`{cls.__name__}`", f"`{cls.code}`", str(cls.exit_status), above, told


def error_page() -> str:
    rows = [error_row(cls) for cls in error_tree()]
    return page(
        "# Errors",
        "All are in `clusterkit.errors`. `code` is stable: it travels between nodes and stands in `--json` output. `exit` is what "
        "`cluster-cli` ends with. What each says about whether a handler ran is in [delivery](../explanation/delivery.md).",
        table("class", "code", "exit", "is a", "cause and remedy", rows=rows),
        "`ConfigError` is a `ValueError` too, and `CallTimeout` a `TimeoutError`. Beside these, `create_cluster` raises `OSError` "
        "when it cannot bind, with the address as its `filename`, and whatever an actor's `init` raised; a cancelled call raises `trio.Cancelled`.",
        "`cluster-cli` ends with 0 for success, with 2 for a mistake on its command line (code `usage`), and with 130 after Ctrl-C.",
    )


@dataclass(frozen=True)
class Shown:
    """One heading of api.md: a class, where it comes from, which names it shows."""

    thing: type
    home: str
    only: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    told: tuple[tuple[str, str], ...] = ()

    def rows(self) -> list[tuple[str, str]]:
        bases = [b for b in self.thing.__mro__ if b.__module__.startswith("clusterkit")]
        named = dict(self.told)
        for base in bases:
            named |= section(base, "Class attributes") | section(base, "Attributes")
        if is_dataclass(self.thing) and not named:
            docs = value_docs(self.thing.__module__)
            named = {f.name: docs[f.name] for f in fields(self.thing)}
        names = [*named, *(name for base in bases for name in vars(base))]
        shown = dict.fromkeys(name for name in names if self._public(name))
        return [member_row(self.thing, name, named.get(name)) for name in shown]

    def _public(self, name: str) -> bool:
        shown = not self.only or name in self.only
        return shown and name not in self.hidden and not name.startswith("_")


def member_row(cls: type, name: str, told: str | None) -> tuple[str, str]:
    member = inspect.getattr_static(cls, name, None)
    if told is not None:
        return f"`{name}`", told
    if isinstance(member, property):
        return f"`{name}`", summary(member.fget)
    shown = signature(member, name, bound=True)
    return f"`{shown}`", summary(getattr(cls, name))


def signature(member: object, name: str, *, bound: bool = False) -> str:
    """Name and parameters, without types; `await` before what has to be awaited."""
    function = member.__func__ if isinstance(member, classmethod) else member
    made = inspect.signature(function)
    kept = [p.replace(annotation=p.empty) for p in made.parameters.values()][bound:]
    plain = str(inspect.Signature(kept)).replace(", /", "").replace("/, ", "")
    waits = inspect.iscoroutinefunction(function)
    waits = waits or "Coroutine" in str(made.return_annotation)
    return f"{'await ' * waits}{name}{plain}"


# What a ring has as an actor is for the node, not for the application.
ACTOR = (*[name for name in vars(GenServer) if name != "name"], "gossip", "part")

STATE = ("set", "get", "delete", "peers", "keys", "value")
CHANNELS = ("join", "leave", "send", "members", "forget_kept", "statistics")
MEMBERS = ("all", "alive", "state", "why", "health")

CLASSES = (
    Shown(ClusterNode, "clusterkit"),
    Shown(GenServer, "clusterkit"),
    Shown(clusterkit.ActorRef, "clusterkit"),
    Shown(clusterkit.Stream, "clusterkit"),
    Shown(clusterkit.OpenStream, "clusterkit", only=("result", "finish")),
    Shown(clusterkit.Caller, "clusterkit", hidden=("origin",)),
    Shown(clusterkit.Answer, "clusterkit"),
    Shown(clusterkit.Down, "clusterkit"),
    Shown(
        clusterkit.NodeInfo,
        "clusterkit",
        told=(("id", "Its name."), ("host", "Its host."), ("port", "Its port.")),
    ),
    Shown(GossipRing, "`node.gossip`", hidden=ACTOR),
    Shown(
        Kernel, "`node.kernel`", only=("connect", "disconnect", "is_connected", "links")
    ),
    Shown(NodeState, "`node.state`", only=STATE),
    Shown(Members, "`node.members`", only=MEMBERS),
    Shown(Member, "`node.members.all()`"),
    Shown(Services, "`node.services`"),
    Shown(clusterkit.Service, "clusterkit"),
    Shown(Masters, "`node.masters`", hidden=("end",)),
    Shown(
        clusterkit.Epoch,
        "clusterkit",
        told=(("counter", "Later is greater."), ("name", "Of the master.")),
    ),
    Shown(Channels, "`node.channels`", only=CHANNELS),
    Shown(clusterkit.ChannelMessage, "clusterkit"),
    Shown(ChannelStatistics, "`node.channels.statistics()`"),
    Shown(HttpCluster, "`web.create_http_cluster()`", hidden=("gossip",)),
    Shown(HttpState, "`cluster.state` of a cluster over HTTP"),
    Shown(
        HttpMembers,
        "`cluster.members` of a cluster over HTTP",
        only=("all", "alive", "state"),
    ),
    Shown(HttpMember, "`cluster.members.all()` of a cluster over HTTP"),
    Shown(Settings, "`load_settings()`"),
    Shown(Setting, "`load_settings()`, one by one"),
    Shown(Keyring, "`node.cookies`", hidden=("reload_or_log",)),
    Shown(NodeStatistics, "`node.statistics()`"),
    Shown(LinkStatistics, "`node.kernel.links()`"),
    Shown(ActorStatistics, "`node.statistics().actors`"),
    Shown(clusterkit.core.HashRing, "clusterkit.core"),
    Shown(clusterkit.core.VectorClock, "clusterkit.core"),
    Shown(clusterkit.core.Entry, "clusterkit.core"),
    Shown(
        clusterkit.testing.ClusterSimulation,
        "clusterkit.testing",
        hidden=("running", "platform"),
    ),
    Shown(clusterkit.testing.Trace, "clusterkit.testing"),
)


def function_row(name: str) -> tuple[str, str]:
    thing = getattr(clusterkit, name)
    if inspect.isclass(thing):
        return f"`{name}`", summary(thing)
    if callable(thing):
        return f"`{signature(thing, name)}`", summary(thing)
    return f"`{name}`", value_docs("clusterkit.cluster.options")[name]


def rows_of(package: ModuleType) -> list[tuple[str, str]]:
    """What a package gives out: what one calls, as it is called."""
    things = [(name, getattr(package, name)) for name in exported(package)]
    return [(f"`{called(thing, name)}`", summary(thing)) for name, thing in things]


def called(thing: object, name: str) -> str:
    is_seam = getattr(thing, "_is_protocol", False) or is_dataclass(thing)
    return name if is_seam else signature(thing, name)


def exported(package: ModuleType = clusterkit) -> list[str]:
    """The public names of a package, as its `__init__` gives them out."""
    tree = ast.parse(inspect.getsource(package))
    imports = [
        n
        for n in tree.body
        if isinstance(n, ast.ImportFrom) and n.module != "__future__"
    ]
    return [alias.asname or alias.name for n in imports for alias in n.names]


def event_rows() -> list[tuple[str, str]]:
    kinds = [
        c
        for c in vars(events).values()
        if inspect.isclass(c) and c.__module__.startswith(events.__name__)
    ]
    return [
        (f"`{c.__name__}({', '.join(f.name for f in fields(c))})`", summary(c))
        for c in kinds
        if c is not events.Event
    ]


def api() -> str:
    parts = [
        "# Public names",
        "What an application may use, by class, one line each; the docstrings say more. `await` stands before what has to be awaited.",
        "## `clusterkit`",
        table("name", "what", rows=[function_row(name) for name in exported()]),
    ]
    for shown in CLASSES:
        home = (
            shown.home
            if shown.home.startswith("`")
            else f"`{shown.home}.{shown.thing.__name__}`"
        )
        head = [f"## {shown.thing.__name__}", f"{home}. {summary(shown.thing)}"]
        parts += [*head, table("name", "what", rows=shown.rows())]
    testing = [
        n
        for n in vars(clusterkit.testing)
        if n in ("simulate", "MemoryNetwork", "MemoryDisk")
    ]
    parts += [
        "## Functions and seams",
        table(
            "name",
            "what",
            rows=[
                (
                    f"`clusterkit.core.{signature(clusterkit.core.rounds, 'rounds')}`",
                    summary(clusterkit.core.rounds),
                ),
                *[
                    (
                        f"`clusterkit.testing.{n}`",
                        summary(getattr(clusterkit.testing, n)),
                    )
                    for n in testing
                ],
            ],
        ),
        "## `clusterkit.web`",
        table("name", "what", rows=rows_of(clusterkit.web)),
        "## `clusterkit.discovery`",
        table("name", "what", rows=rows_of(clusterkit.discovery)),
        "## `clusterkit.events`",
        table("event", "what", rows=event_rows()),
        "## `clusterkit.errors`",
        "See [errors](errors.md).",
    ]
    return page(*parts)


PAGES = {
    "configuration.md": configuration,
    "settings.md": settings,
    "errors.md": error_page,
    "api.md": api,
}

if __name__ == "__main__":
    for file, make in PAGES.items():
        (FOLDER / file).write_text(make())
