"""The options of `create_cluster`, checked before anything is bound or read.

What makes a value impossible is said here. What is done with it never will be:
that is `assembly`. The invariant is that whatever is wrong with an option is a
`ConfigError` which names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from clusterkit.actors.server import GenServer
from clusterkit.cluster.own_names import COMMAND
from clusterkit.config import Config
from clusterkit.core import HashRing
from clusterkit.errors import ConfigError, NameTaken
from clusterkit.names import Address, NodeInfo, check_name, node_info
from clusterkit.net.certificates import Tls, TlsContexts
from clusterkit.net.renewal import credentials
from clusterkit.net.tcp import is_unspecified

if TYPE_CHECKING:
    from collections.abc import Callable

    from clusterkit.net.tls import Renewable

ActorFactory: TypeAlias = "Callable[[], GenServer] | GenServer"
"""What `actors=` maps names to: a class, a `partial` of one, or an instance."""


def checked_actors(actors: object, ring: str) -> dict[str, ActorFactory]:
    """Return names and what builds each.

    Raises:
        ConfigError: It is no such map, or a name is not valid.
        NameTaken: A name is one of the node's own.
    """
    if actors is None:
        return {}
    if not isinstance(actors, Mapping):
        raise ConfigError(f"actors maps names to classes; it is not {actors!r:.100}")
    for name, factory in actors.items():
        if check_name(name, "actor name") in {COMMAND, ring}:
            raise NameTaken(f"the names {COMMAND!r} and {ring!r} are the node's own")
        if not isinstance(factory, GenServer) and not callable(factory):
            raise ConfigError(
                f"actor {name!r} is a GenServer class, a partial of one, or an "
                f"instance, not {factory!r:.100}"
            )
    return dict(actors)


def checked_seeds(seeds: object) -> list[NodeInfo]:
    """Return the nodes to meet.

    Raises:
        ConfigError: One is not `name@host:port`, or they are one text.
    """
    if isinstance(seeds, str):
        raise ConfigError(f"seeds is a list: [{seeds!r:.100}]")
    if not isinstance(seeds, Iterable):
        raise ConfigError(f"seeds is a list of name@host:port, not {seeds!r:.100}")
    found = list(seeds)
    for seed in found:
        if not isinstance(seed, (str, NodeInfo)):
            raise ConfigError(f"a seed is written name@host:port, not {seed!r:.100}")
    return [node_info(seed) for seed in found]


def checked_factors(rfactor: object, pfactor: object) -> tuple[int, int]:
    """Return `rfactor` and `pfactor`.

    Raises:
        ConfigError: A ring cannot have them.
    """
    factors: tuple[Any, Any] = rfactor, pfactor
    try:
        HashRing(*factors)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return factors


def checked_advertise(bind: Address, advertise: object) -> Address | None:
    """Return what peers are told, None for the bound address itself.

    Raises:
        ConfigError: It is not `host` or `host:port`, or peers could not dial it.
    """
    if advertise is None:
        refuse_unspecified(bind.host)
        return None
    if not isinstance(advertise, str):
        raise ConfigError(f"advertise is host or host:port, not {advertise!r:.100}")
    told = Address.parse(advertise, default_port=bind.port)
    refuse_unspecified(told.host)
    return told


def refuse_unspecified(host: str) -> None:
    """Refuse to tell peers an address that stands for all of a machine's.

    Raises:
        ConfigError: It does.
    """
    if is_unspecified(host):
        raise ConfigError(
            f"peers cannot dial {host}: give the host name or address by which they "
            "reach this machine, with advertise= or --advertise"
        )


def checked_tls(tls: object, host: str) -> Renewable | None:
    """Return what gives what to encrypt with, None for links in clear.

    Args:
        tls: What was given.
        host: By which peers dial this node.

    Raises:
        ConfigError: It is no `Tls` or `TlsContexts`, or cannot be used.
    """
    if tls is None:
        return None
    if not isinstance(tls, (Tls, TlsContexts)):
        raise ConfigError(f"tls is a Tls, or TlsContexts, not {tls!r:.100}")
    return credentials(tls, host)


def checked_state(state: object) -> str | None:
    """Return the path of the state file.

    Raises:
        ConfigError: It is no path.
    """
    if state is None:
        return None
    path = os.fspath(state) if isinstance(state, os.PathLike) else state
    if not isinstance(path, str) or not path or "\0" in path:
        raise ConfigError(f"state is the path of a file, not {state!r:.100}")
    return path


def leaves(on_exit: object, state: object) -> bool:
    """Return whether leaving the block leaves the ring.

    Raises:
        ConfigError: `on_exit` is neither "stay" nor "leave".
    """
    if on_exit is None:
        return state is None
    if on_exit not in ("stay", "leave"):
        raise ConfigError(f'on_exit is "stay", "leave" or None, not {on_exit!r:.100}')
    return on_exit == "leave"


def checked_config(config: object) -> Config:
    """Return the config, that of the defaults for None.

    Raises:
        ConfigError: It is no `Config`.
    """
    if config is None:
        return Config()
    if not isinstance(config, Config):
        raise ConfigError(f"config is a clusterkit.Config, not {config!r:.100}")
    return config
