"""Every setting, with its three spellings: in a file, as a variable, as an argument.

A setting `port` is `port = 7022` in the file, `CLUSTERKIT_PORT` in the environment and
`--port` on a command line; a knob of `Config` is a key of the file's table `[config]`,
and `CLUSTERKIT_CONFIG_` with its name. What is done with values will never be here. The
invariant is that what `create_cluster` and `cluster-cli run` take is a row.
"""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from clusterkit.config import (
    DEFAULT_PFACTOR,
    DEFAULT_WEIGHT,
    Config,
    check_knob,
)
from clusterkit.core.hash_ring import HashRing
from clusterkit.errors import ConfigError
from clusterkit.frozen import frozen
from clusterkit.names import (
    Address,
    NodeInfo,
    check_host,
    check_name,
    check_port,
    check_url,
)
from clusterkit.settings.kinds import (
    NUMBER,
    PATH,
    PLACES,
    SWITCH,
    TEXT,
    TEXTS,
    WHOLE,
    Kind,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX: Final = "CLUSTERKIT_"
FILE_VARIABLE: Final = f"{PREFIX}CONFIG"
"""The variable that names the file."""

CONFIG: Final = "config"
"""The table of the file that has the knobs of `Config`."""

_ENDS: Final = ("stay", "leave")


def _as_it_is(value: Any) -> Any:
    return value


@frozen(kw_only=True)
class Row:
    """One setting.

    Attributes:
        name: What it is called; `config.` and the name, for a knob.
        kind: What it is.
        help: What it means; "" for a knob, of which `Config` tells.
        default: What counts if nobody says anything.
        flag: Of `cluster-cli run`, if it has one.
        check: Returns the value as it is used, of one that is of the kind.
    """

    name: str
    kind: Kind
    help: str = ""
    default: Any = None
    flag: str = ""
    check: Callable[[Any], Any] = _as_it_is

    @property
    def table(self) -> str:
        """The table of the file that it is in; "" for the top."""
        return self.name.rpartition(".")[0]

    @property
    def key(self) -> str:
        """Its key there."""
        return self.name.rpartition(".")[2]

    @property
    def variable(self) -> str:
        """The variable of the environment."""
        return PREFIX + self.name.replace(".", "_").upper()

    def read(self, value: object) -> Any:
        """Return a value as it is used.

        Raises:
            ConfigError: It is impossible.
        """
        return self.check(self.kind.check(value))


def _one_of(choices: tuple[str, ...], value: str) -> str:
    if value not in choices:
        raise ConfigError(f"it is {' or '.join(choices)}, not {told(value)}")
    return value


def _addresses(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(NodeInfo.parse(text)) for text in texts)


def _hosts(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        Address.parse(text, default_port=1)
    return texts


def _records(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(check_host(text) for text in texts)


def _advertised(text: str) -> str:
    Address.parse(text, default_port=1)
    return text


def _actors(places: dict[str, str]) -> dict[str, str]:
    for name, place in places.items():
        module, _, path = place.partition(":")
        if not all(map(str.isidentifier, [*module.split("."), *path.split(".")])):
            raise ConfigError(f"{f'{name}={place}'!r} is not name=module:Class")
        check_name(name, "actor name")
    return places


def _bound(text: str) -> str:
    host, port = text.rpartition(":")[::2]
    if not host or not port.isdecimal():
        raise ConfigError(f"it is host:port, not {told(text)}")
    check_host(host.removeprefix("[").removesuffix("]"))
    check_port(int(port), lowest=0)
    return text


def _rfactor(value: int) -> int:
    return _factors(value, DEFAULT_PFACTOR, value)


def _pfactor(value: int) -> int:
    return _factors(DEFAULT_WEIGHT, value, value)


def _factors(rfactor: int, pfactor: int, value: int) -> int:
    try:
        HashRing(rfactor, pfactor)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return value


_OWN: Final = (
    Row(
        name="name",
        kind=TEXT,
        help="The node's name, unique in its ring. It has to be said.",
        flag="<id>",
        check=partial(check_name, what="node name"),
    ),
    Row(
        name="host",
        kind=TEXT,
        help="Where to listen. Without it 127.0.0.1, or all addresses with `discover`.",
        flag="--host",
        check=check_host,
    ),
    Row(
        name="port",
        kind=WHOLE,
        help="On which port; 0 for any free one.",
        default=7022,
        flag="--port",
        check=partial(check_port, lowest=0),
    ),
    Row(
        name="advertise",
        kind=TEXT,
        help="What other nodes are told, as `host` or `host:port`; needed with a "
        "wildcard address.",
        flag="--advertise",
        check=_advertised,
    ),
    Row(
        name="ring",
        kind=TEXT,
        help="The ring's name.",
        default="ring",
        flag="--ring",
        check=partial(check_name, what="ring name"),
    ),
    Row(
        name="meet",
        kind=TEXTS,
        help="Nodes to meet, each `id@host:port`: the `seeds=` of `create_cluster`.",
        default=(),
        flag="--meet",
        check=_addresses,
    ),
    Row(
        name="cookie_file",
        kind=PATH,
        help="The file that holds the cookie. If the variable `CLUSTERKIT_COOKIE` is "
        "set, which holds the cookie itself, only an argument is stronger.",
        flag="--cookie-file",
    ),
    Row(
        name="state",
        kind=PATH,
        help="The file that keeps the ring across restarts. `cluster-cli run` has one "
        "by default, `$XDG_STATE_HOME/clusterkit/<ring>/<name>.state`.",
        flag="--state",
    ),
    Row(
        name="on_exit",
        kind=TEXT,
        help="`stay` or `leave`: what becomes of the membership when the node ends. By "
        "default it stays if there is a state file, and leaves without.",
        flag="--on-exit",
        check=partial(_one_of, _ENDS),
    ),
    Row(
        name="rfactor",
        kind=WHOLE,
        help="Ring positions of a node without a weight of its own.",
        default=DEFAULT_WEIGHT,
        flag="--rfactor",
        check=_rfactor,
    ),
    Row(
        name="pfactor",
        kind=WHOLE,
        help="Neighbours that hold a copy of a key.",
        default=DEFAULT_PFACTOR,
        flag="--pfactor",
        check=_pfactor,
    ),
    Row(
        name="tls_cert",
        kind=PATH,
        help="The certificate to encrypt links with. With one of these three, all "
        "have to be given.",
        flag="--tls-cert",
    ),
    Row(
        name="tls_key",
        kind=PATH,
        help="The file with its private key.",
        flag="--tls-key",
    ),
    Row(
        name="tls_ca",
        kind=PATH,
        help="The file with the CA that signs everybody's.",
        flag="--tls-ca",
    ),
    Row(
        name="tls_hostnames",
        kind=SWITCH,
        help="Whether the certificate of a node that is dialled must name its host.",
        default=False,
        flag="--tls-hostnames",
    ),
    Row(
        name="discover",
        kind=SWITCH,
        help="Whether to find other nodes of the ring, and be found, by beacons on the "
        "LAN.",
        default=False,
        flag="--discover",
    ),
    Row(
        name="dns",
        kind=TEXTS,
        help="Host names, each `host` or `host:port`, at all addresses of which nodes "
        "are to be found; without a port at the node's own.",
        default=(),
        flag="--dns",
        check=_hosts,
    ),
    Row(
        name="srv",
        kind=TEXTS,
        help="Names whose SRV records point at nodes.",
        default=(),
        flag="--srv",
        check=_records,
    ),
    Row(
        name="seed_file",
        kind=PATH,
        help="A file that names nodes, one `id@host:port` a line.",
        flag="--seed-file",
    ),
    Row(
        name="master_list",
        kind=TEXT,
        help="The URL of a JSON list of nodes. The variable "
        "`CLUSTERKIT_MASTER_LIST_AUTH`, which is not shown, is the header "
        "`Authorization`.",
        flag="--master-list",
        check=check_url,
    ),
    Row(
        name="http",
        kind=TEXT,
        help="Where `cluster-cli run` serves health checks over HTTP, as `host:port`. "
        "Programs give it to `web.serve`.",
        flag="--http",
        check=_bound,
    ),
    Row(
        name="operator_secret_file",
        kind=PATH,
        help="The file that holds the secret of operators over HTTP, at least 16 "
        "bytes, which nobody else may read. The variable "
        "`CLUSTERKIT_OPERATOR_SECRET`, which is not shown, holds the secret itself.",
        flag="--operator-secret-file",
    ),
    Row(
        name="actors",
        kind=PLACES,
        help="Actors to start: their names, and `module:Class` of each. As a variable "
        "`name=module:Class`, with commas between them.",
        default={},
        flag="--actor",
        check=_actors,
    ),
)

_KINDS: Final = {"int": WHOLE, "float": NUMBER}


def _knobs() -> tuple[Row, ...]:
    def checked(name: str, kind: Any, value: Any) -> Any:
        check_knob(name, value, kind)
        return value

    return tuple(
        Row(
            name=f"{CONFIG}.{field.name}",
            kind=_KINDS.get(str(field.type), TEXT),
            default=field.default,
            check=partial(checked, field.name, field.type),
        )
        for field in fields(Config)
    )


ROWS: Final = {row.name: row for row in (*_OWN, *_knobs())}
"""All of them, by name, in the order they are shown."""

VARIABLES: Final = {row.variable: row for row in ROWS.values()}
"""The same by variable."""
