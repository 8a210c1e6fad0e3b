"""`cluster-cli run`: where its node learns of others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from clusterkit.cli.local_commands import DEFAULT_PORT
from clusterkit.names import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit.discovery import Source

AUTH: Final = "CLUSTERKIT_MASTER_LIST_AUTH"
"""What the header `Authorization` says to a master list; no option, since others see
those in process lists."""


def chosen_sources(values: Mapping[str, Any]) -> tuple[Source, ...]:
    """Return the sources that options ask for.

    Args:
        values: The options of `run`.

    Raises:
        ConfigError: One is impossible, or its package is not installed.
    """
    # With httpx and all that, which other commands do not load.
    from clusterkit.discovery import Beacons, Dns, DnsSrv, MasterList, SeedFile

    sources: list[Source] = [Beacons()] if values.get("discover") else []
    for text in values.get("dns", ()):
        host, port = Address.parse(text, default_port=DEFAULT_PORT)
        sources.append(Dns(host, port))
    sources += [DnsSrv(name) for name in values.get("srv", ())]
    if path := values.get("seed_file"):
        sources.append(SeedFile(path))
    if url := values.get("master_list"):
        sources.append(MasterList(url, auth=os.environ.get(AUTH)))
    return tuple(sources)
