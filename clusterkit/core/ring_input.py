"""What a ring takes in, checked: nodes, weights, numbers, JSON.

What makes an argument valid, and a list of positions a ring, is said here.
What is done with them never is: that is `hash_ring`. The invariant is that the
JSON that passes is exactly what some ring writes, in any order.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from clusterkit.core.ring_index import node_points, point_text
from clusterkit.errors import ConfigError
from clusterkit.names import NodeInfo, check_name

MAX_WEIGHT = 65_536
"""Most positions of one node. Its load strays from its share by 1/sqrt(weight),
0.4 % here, so more would gain nothing; and a weight that a peer made up must
not keep a node hashing for hours."""


def check_weight(weight: object, what: str = "a weight") -> int:
    """Return `weight` if it is an integer from 1 to `MAX_WEIGHT`.

    Raises:
        ValueError: It is not; the message calls it `what`.
    """
    if type(weight) is not int or not 0 < weight <= MAX_WEIGHT:
        raise ValueError(f"{what} is an integer from 1 to {MAX_WEIGHT}, not {weight!r}")
    return weight


def check_number(n: object) -> int:
    """Return `n` if it is a number of nodes to look for.

    Raises:
        ValueError: It is not an integer of at least 1.
    """
    if type(n) is not int or n <= 0:
        raise ValueError(f"a number of nodes is an integer of at least 1, not {n!r}")
    return n


def node_of(node: NodeInfo | str) -> NodeInfo:
    """Return a node to insert; text is read as `id@host:port`.

    Raises:
        ConfigError: The text is not valid, or the id is not.
    """
    if isinstance(node, str):
        return NodeInfo.parse(node)
    check_name(node.id, "node id")
    return node


def id_of(node: NodeInfo | str) -> str:
    """Return the id of a node to look for; text may be the bare id.

    Raises:
        ConfigError: It is neither a node nor text.
    """
    if isinstance(node, str):
        return node.partition("@")[0]
    if not isinstance(node, NodeInfo):
        raise ConfigError(f"a node is an id or a NodeInfo, not {node!r}")
    return node.id


def read_weights(tree: list[Any]) -> dict[NodeInfo, int]:
    """Return the nodes and weights that `[{"key": …, "value": node}, …]` says.

    Raises:
        ValueError: An entry has another shape, a key is there twice, an id has
            two addresses, or the keys of an id are not exactly the positions
            of its virtual nodes 1 to weight.
    """
    nodes: dict[str, NodeInfo] = {}
    owner_of: dict[str, str] = {}
    for entry in tree:
        key, value = _fields(entry)
        owner_of[key] = _read_node(value, nodes)
    if len(owner_of) != len(tree):
        raise ValueError("a ring has each position once")
    weights = Counter(owner_of.values())
    for name, weight in weights.items():
        _check_positions(name, weight, owner_of)
    return {nodes[name]: weight for name, weight in weights.items()}


def _fields(entry: Any) -> tuple[str, dict[Any, Any]]:
    if type(entry) is dict:
        key, value = entry.get("key"), entry.get("value")
        if type(key) is str and type(value) is dict:
            return key, value
    raise ValueError(f"a position is an object of key and value, not {entry!r}")


def _read_node(value: dict[Any, Any], nodes: dict[str, NodeInfo]) -> str:
    """Return the id of the node that `value` says, and keep it in `nodes`."""
    name, host, port = value.get("id"), value.get("host"), value.get("port")
    known = nodes.get(name) if isinstance(name, str) else None
    # A node's value comes once for each of its positions; checking it anew
    # each time would be most of the time that reading takes.
    if known and known.host == host and known.port == port and type(port) is int:
        return known.id
    node = NodeInfo.from_json(value)
    if known is not None:
        raise ValueError(f"{known.id} has two addresses: {known} and {node}")
    nodes[node.id] = node
    return node.id


def _check_positions(name: str, weight: int, owner_of: dict[str, str]) -> None:
    for point in node_points(name, weight):
        if owner_of.get(point_text(point)) != name:
            raise ValueError(
                f"the {weight} positions of {name} are not those of {name}_1 to "
                f"{name}_{weight}"
            )
