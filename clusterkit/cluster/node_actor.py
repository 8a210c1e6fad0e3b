"""The actor that answers for the node itself, to other nodes: `_node`.

What a member may ask another and no tool needs to. Nothing here changes
anything that the node's owner has not written down for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clusterkit.actors.server import GenServer
from clusterkit.errors import ConfigError, Rejected

if TYPE_CHECKING:
    from clusterkit.cluster.keyring import Keyring


def node_actor(cookies: Keyring) -> GenServer:
    """Return the actor, for a node with these cookies."""
    server = GenServer()

    @server.on_call("ping")
    async def ping() -> str:
        return "pong"

    @server.on_call("cookies")
    async def which() -> dict[str, Any]:
        # Never a cookie: this travels in clear.
        file = None if cookies.file is None else str(cookies.file)
        return {"accepts": cookies.fingerprints(), "file": file}

    @server.on_call("reload")
    async def reload(*, force: bool) -> bool:
        try:
            return await cookies.reload(force=force is True)
        except ConfigError as error:
            raise Rejected(str(error)) from error

    return server
