"""`bench`: has the node measure one part after the other, and puts them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clusterkit.cluster.bench import PARTS, SECONDS, checked_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clusterkit.cli.client import Client
    from clusterkit.cli.output import Output

TITLES: Final = {
    "round_trip": "round trip",
    "calls": "calls",
    "casts": "casts",
    "bytes": "large calls",
}
"""What each part is called for a person."""


async def bench(
    values: Mapping[str, Any], client: Client, timeout: float, output: Output
) -> dict[str, Any]:
    """Have the node measure, and say for a person what it is at.

    Args:
        values: What was typed.
        client: Connected.
        timeout: Seconds, beyond those that a part takes, for its answer.
        output: Where it says so; a pipe gets nothing before the end.

    Returns:
        The parts, by name, with the names of both nodes.

    Raises:
        ClusterError: A part was refused, or failed; what was measured before
            is not told, for the conditions were not what they seemed.
    """
    seconds = checked_seconds(values.get("seconds", SECONDS)) / len(PARTS)
    result: dict[str, Any] = {}
    for part in PARTS:
        if not output.as_json:
            output.note(f"measuring: {TITLES[part]}, {seconds:.3g} s …")
        asked = {**values, "part": part}
        measured = await client.call("bench", asked, seconds + timeout)
        result |= {key: measured.pop(key) for key in ("from", "to")}
        result[part] = measured
    return result
