"""How actors and nodes are named in text, by whoever wants to reach them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clusterkit.errors import ConfigError
from clusterkit.names import NodeInfo, split_target

if TYPE_CHECKING:
    from clusterkit.net.kernel import Kernel


def parse_target(kernel: Kernel, target: str) -> tuple[str, str]:
    """Return the names of the actor and the node in a target.

    Args:
        kernel: Of this node; takes an address that is new to it.
        target: `name`, `name@node` or `name@node@host:port`.

    Raises:
        ConfigError: It is none of these, or the node is known at another
            address.
    """
    name, node = split_target(target)
    return name, node_name(kernel, node)


def node_name(kernel: Kernel, node: str | None) -> str:
    """Return the name in `name` or `name@host:port`, None standing for this node.

    Args:
        kernel: Of this node; takes an address that is new to it.
        node: What names a node.

    Raises:
        ConfigError: The address is not valid, or the node is known at another.
    """
    if node is None:
        return kernel.me.name
    if not isinstance(node, str):
        raise ConfigError(f"a node is named by text, not by {node!r}")
    if "@" not in node:
        return node
    info = NodeInfo.parse(node)
    _assert_address(kernel, info)
    return info.id


def _assert_address(kernel: Kernel, info: NodeInfo) -> None:
    """Take an address that is new; refuse one that contradicts."""
    if info.id == kernel.me.name:
        known = kernel.address
    else:
        known = kernel.where(info.id) or info.address
    if known != info.address:
        raise ConfigError(f"{info.id} is at {known}, not at {info.address}")
    if info.id != kernel.me.name:
        kernel.know(info)
