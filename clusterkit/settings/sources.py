"""From settings to sources of addresses; see `clusterkit.discovery`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.names import Address

if TYPE_CHECKING:
    from clusterkit.discovery import Source
    from clusterkit.settings.values import Settings


def chosen_sources(settings: Settings, auth: str | None) -> tuple[Source, ...]:
    """Return the sources that are asked for.

    Args:
        settings: The settings of a node.
        auth: What the header `Authorization` says to a master list.

    Raises:
        ConfigError: One is impossible, or its package is not installed.
    """
    # With httpx and all that, which nobody loads who asks for none.
    from clusterkit.discovery import (  # noqa: PLC0415
        Beacons,
        Dns,
        DnsSrv,
        MasterList,
        SeedFile,
    )

    port = settings["port"] or 7022
    hosts = [Address.parse(text, default_port=port) for text in settings["dns"]]
    sources: list[Source] = [Beacons()] if settings["discover"] else []
    sources += [Dns(*host) for host in hosts]
    sources += [DnsSrv(name) for name in settings["srv"]]
    if settings["seed_file"]:
        sources.append(SeedFile(settings["seed_file"]))
    if settings["master_list"]:
        sources.append(MasterList(settings["master_list"], auth=auth))
    return tuple(sources)
